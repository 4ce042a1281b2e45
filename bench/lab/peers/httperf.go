package main

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// httperf has one thread that polls, and two ways to make connections.
//
// Sessions (--wsess) keep the concurrency asked for. Under HTTP/1.1 they send the next request
// on a connection that nginx is closing, and are reset; with 1.0 each request has a connection
// of its own, as with all others.
//
// A rate (--rate) opens connections without asking how many are open: above what the server
// does, up to the 1,024 descriptors of select(2). What it then cannot open
// (fd-unavail) never was a connection, and is no failure here.
func httperf(path string, l load, rate int) contender {
	args := []string{
		"--hog", "--server", testbedAddr, "--port", strconv.Itoa(nginxPort), "--uri", "/",
		"--timeout", "5", "--add-header", `Connection: close\n`,
	}
	name := fmt.Sprintf("httperf --wsess=%d", l.Connections)
	if rate > 0 {
		name = fmt.Sprintf("httperf --rate=%d (up to 1,020 at once)", rate)
		args = append(args, "--rate", strconv.Itoa(rate), "--num-conns", strconv.Itoa(rate*(l.Seconds+1)))
	} else {
		// All sessions start in the first millisecond, and have more calls than they get to.
		args = append(args, "--wsess", fmt.Sprintf("%d,%d,0", l.Connections, 1_000_000), "--rate", "100000", "--http-version", "1.0")
	}
	return contender{
		Name: name, Family: "httperf",
		// It has no duration option and prints its summary on SIGINT.
		client: command{path: path, args: args, lasts: l.duration(), interrupt: true},
		read:   said(parseHttperf),
	}
}

var (
	httperfReplies = regexp.MustCompile(`(?m)^Reply status: 1xx=\d+ 2xx=(\d+) 3xx=\d+ 4xx=\d+ 5xx=\d+`)
	httperfBad     = regexp.MustCompile(`(?m)^Reply status: 1xx=(\d+) 2xx=\d+ 3xx=(\d+) 4xx=(\d+) 5xx=(\d+)`)
	httperfTime    = regexp.MustCompile(`(?m)^Total: .* test-duration (\S+) s$`)
	httperfErrors  = regexp.MustCompile(`(?m)^Errors: total \d+ client-timo (\d+) socket-timo (\d+) connrefused (\d+) connreset (\d+)`)
	httperfOther   = regexp.MustCompile(`(?m)^Errors: fd-unavail \d+ addrunavail (\d+) ftab-full (\d+) other (\d+)`)
)

// parseHttperf reads the summary of httperf 0.9. A connection is one that got its reply.
func parseHttperf(text string) (result, error) {
	o := output{tool: "httperf", text: text}
	r := result{
		Connections: o.count(httperfReplies, "Reply status: ... 2xx=N ..."),
		Failed:      o.sum(httperfBad, "Reply status: ...") + o.sum(httperfErrors, "Errors: total ...") + o.sum(httperfOther, "Errors: fd-unavail ..."),
	}
	r.PerSecond = float64(r.Connections) / math.Max(o.number(httperfTime, "Total: ... test-duration T s"), 1e-3)
	return r.checked(&o)
}
