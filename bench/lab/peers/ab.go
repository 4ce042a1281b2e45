package main

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// ab is the ApacheBench of apache2-utils, which has one thread.
func ab(path string, l load) contender {
	return contender{
		Name:   fmt.Sprintf("ab -c%d", l.Connections),
		Family: "ab",
		client: command{path: path, args: []string{
			"-q", "-t", strconv.Itoa(l.Seconds),
			// -t alone limits requests to 50,000; ab allocates the memory for all at the start.
			"-n", strconv.Itoa(200_000 * l.Seconds), "-c", strconv.Itoa(l.Connections),
			"-H", "Connection: close", nginxURL,
		}, lasts: l.duration()},
		read: said(parseAb),
	}
}

var (
	abComplete = regexp.MustCompile(`(?m)^Complete requests: *(\d+)`)
	abTime     = regexp.MustCompile(`(?m)^Time taken for tests: *(\S+) seconds`)
	abFailed   = regexp.MustCompile(`(?m)^(?:Failed requests|Non-2xx responses): *(\d+)`)
)

// parseAb reads the summary of ab 2.3.
func parseAb(text string) (result, error) {
	o := output{tool: "ab", text: text}
	failed := o.sum(abFailed, "Failed requests: N")
	took := o.number(abTime, "Time taken for tests: T seconds")
	r := result{Connections: o.count(abComplete, "Complete requests: N") - failed, Failed: failed}
	r.PerSecond = float64(r.Connections) / math.Max(took, 1e-3)
	return r.checked(&o)
}
