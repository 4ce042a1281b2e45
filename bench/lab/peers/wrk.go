package main

import (
	"fmt"
	"regexp"
	"strconv"
)

// wrk closes as soon as it has the whole reply (response_complete in wrk.c), which may be
// before nginx does.
func wrk(path string, l load, threads int) contender {
	return contender{
		Name:   fmt.Sprintf("wrk -t%d -c%d", threads, l.Connections),
		Family: "wrk",
		client: command{path: path, args: []string{
			"-t", strconv.Itoa(threads), "-c", strconv.Itoa(l.Connections), "-d", strconv.Itoa(l.Seconds) + "s",
			"-H", "Connection: close", nginxURL,
		}, lasts: l.duration()},
		read: said(parseWrk),
	}
}

var (
	wrkRequests = regexp.MustCompile(`(?m)^ *(\d+) requests in `)
	wrkRate     = regexp.MustCompile(`(?m)^Requests/sec: *(\S+)`)
	wrkErrors   = regexp.MustCompile(`(?m)^ *Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
	wrkStatus   = regexp.MustCompile(`(?m)^ *Non-2xx or 3xx responses: (\d+)`)
)

// parseWrk reads the summary of wrk 4: the requests completed, and socket errors besides.
func parseWrk(text string) (result, error) {
	o := output{tool: "wrk", text: text}
	bad := o.sum(wrkStatus, "Non-2xx or 3xx responses: N")
	r := result{
		Connections: o.count(wrkRequests, "N requests in T") - bad,
		PerSecond:   o.number(wrkRate, "Requests/sec: R"),
		Failed:      o.sum(wrkErrors, "Socket errors: ...") + bad,
	}
	return r.checked(&o)
}
