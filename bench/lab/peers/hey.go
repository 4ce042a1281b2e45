package main

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// hey has a goroutine per connection, on net/http.
func hey(path string, l load) contender {
	return contender{
		Name:   fmt.Sprintf("hey -c%d", l.Connections),
		Family: "hey",
		client: command{path: path, args: []string{
			"-z", strconv.Itoa(l.Seconds) + "s", "-c", strconv.Itoa(l.Connections), "-disable-keepalive", nginxURL,
		}, lasts: l.duration()},
		read: said(parseHey),
	}
}

var (
	heyTotal  = regexp.MustCompile(`(?m)^ *Total:\t*(\S+) secs`)
	heyGood   = regexp.MustCompile(`(?m)^ *\[[23]\d\d\]\t(\d+) responses`)
	heyBad    = regexp.MustCompile(`(?m)^ *\[[145]\d\d\]\t(\d+) responses`)
	heyErrors = regexp.MustCompile(`(?m)^ *\[(\d+)\]\t[A-Z]`)
	heyStatus = regexp.MustCompile(`(?m)^(Status code distribution:)`)
)

// parseHey reads the summary of hey 0.1.4. Its Requests/sec counts errors too.
func parseHey(text string) (result, error) {
	o := output{tool: "hey", text: text}
	const status = "Status code distribution:"
	if o.find(heyStatus) == "" {
		return result{}, &parseError{Tool: o.tool, Want: status}
	}
	r := result{
		Connections: o.sum(heyGood, status),
		Failed:      o.sum(heyBad, status) + o.sum(heyErrors, "Error distribution:"),
	}
	r.PerSecond = float64(r.Connections) / math.Max(o.number(heyTotal, "Total: T secs"), 1e-3)
	return r.checked(&o)
}
