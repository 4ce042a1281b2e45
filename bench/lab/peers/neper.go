package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// neperSources is how many addresses neper's client connects from where it leaves TIME_WAITs.
const neperSources = 16

// neper is tcp_crr of github.com/google/neper: RST unless it is asked for TIME_WAIT.
func neper(path string, w workload, l load, threads, flows int) contender {
	args := []string{
		"--nolog", "-T", strconv.Itoa(threads), "-F", strconv.Itoa(flows), "-l", strconv.Itoa(l.Seconds), "-Q", "1", "-R", "1",
		"-C", strconv.Itoa(neperControlPort), "-P", strconv.Itoa(neperDataPort),
	}
	if w.fin() {
		args = append(args, "--time-wait")
	}
	client := append([]string{"-c", "-H", testbedAddr}, args...)
	if w.fin() {
		var from []string
		for i := range neperSources {
			from = append(from, fmt.Sprintf("127.2.0.%d", i+1))
		}
		client = append(client, "-L", strings.Join(from, ","))
	}
	return contender{
		Name:   fmt.Sprintf("neper tcp_crr -T%d -F%d", threads, flows),
		Family: familyNeper,
		// The server ends with its client.
		server: &service{command: command{path: path, args: args, lasts: l.duration()}, port: neperControlPort},
		client: command{path: path, args: client, lasts: l.duration()},
		read:   said(parseNeper),
	}
}

var (
	neperCount = regexp.MustCompile(`(?m)^num_transactions=(.*)$`)
	neperRate  = regexp.MustCompile(`(?m)^throughput=(.*)$`)
)

// parseNeper reads neper's KEY=VALUE lines. It does not count failures.
func parseNeper(text string) (result, error) {
	o := output{tool: "neper", text: text}
	r := result{
		Connections: o.count(neperCount, "num_transactions=N"),
		PerSecond:   o.number(neperRate, "throughput=R"),
	}
	return r.checked(&o)
}
