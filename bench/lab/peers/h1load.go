package main

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
)

// h1load goes on for up to a second and a half after -d, without measuring latency then.
func h1load(path string, l load, threads int) contender {
	return contender{
		Name:   fmt.Sprintf("h1load -t%d -c%d", threads, l.Connections),
		Family: "h1load",
		client: command{path: path, args: []string{
			"-t", strconv.Itoa(threads), "-c", strconv.Itoa(l.Connections), "-d", strconv.Itoa(l.Seconds),
			"-r", "1", "-ll", "-H", "Connection: close", nginxURL,
		}, lasts: l.duration()},
		read: said(func(text string) (result, error) { return parseH1load(text, l.Seconds) }),
	}
}

// parseH1load reads the table that -ll prints, a line a second: the rate over the first
// seconds lines, which are those of the test, and the counts of the last one, which are of the
// whole process's life, as its CPU time is.
//
//	#_____time conns tot_conn  tot_req      tot_bytes    err thr cps rps Bps bps ttfb(us) ttlb(us)
//	1795413690    49    12861    12813        1857885      0 100 12861.0 12813.0 ...
func parseH1load(text string, seconds int) (result, error) {
	const want = "time conns tot_conn tot_req tot_bytes err thr cps rps ..."
	o := output{tool: "h1load", text: text}
	var r result
	var rates float64
	lines := 0
	for s := bufio.NewScanner(strings.NewReader(text)); s.Scan(); {
		f := strings.Fields(s.Text())
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		if len(f) < 9 {
			return result{}, &parseError{Tool: o.tool, Want: want, Got: s.Text()}
		}
		r.Connections = parsed(&o, f[3], want, parseCount)
		r.Failed = parsed(&o, f[5], want, parseCount)
		if lines++; lines <= seconds {
			rates += parsed(&o, f[8], want, parseNumber)
		}
	}
	if lines == 0 {
		return result{}, &parseError{Tool: o.tool, Want: want}
	}
	r.PerSecond = rates / float64(min(lines, max(seconds, 1)))
	return r.checked(&o)
}
