package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// neperSources is how many addresses neper's client connects from where it leaves TIME_WAITs.
const neperSources = 16

// Ports of the servers that the testbed starts.
const (
	neperControlPort = 12866
	neperDataPort    = 12867
	netserverPort    = 12865
	nginxPort        = 8080
)

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
		measure: func(ctx context.Context, t *testbed) (result, error) {
			// The server ends with its client.
			return t.pair(ctx, service{command: command{path: path, args: args, lasts: l.duration()}, port: neperControlPort},
				command{path: path, args: client, lasts: l.duration()}, parseNeper)
		},
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
