package main

import (
	"math"
	"regexp"
	"strconv"
)

// netperf is TCP_CRR of github.com/HewlettPackard/netperf: one connection at a time, closed
// by FIN, the client first.
func netperf(client, server string, l load) contender {
	return contender{
		Name: "netperf TCP_CRR (1 at once)", Family: "netperf",
		server: &service{
			// -f: otherwise the CPU time of children without a wait is lost.
			command: command{path: server, args: []string{"-D", "-f", "-4", "-L", testbedAddr, "-p", strconv.Itoa(netserverPort)}, lasts: l.duration()},
			port:    netserverPort, endless: true,
		},
		client: command{path: client, args: []string{
			"-4", "-H", testbedAddr, "-p", strconv.Itoa(netserverPort), "-t", "TCP_CRR", "-l", strconv.Itoa(l.Seconds), "-P", "0", "-v", "0",
			"--", "-r", "1,1", "-k", "ELAPSED_TIME,TRANSACTION_RATE",
		}, lasts: l.duration()},
		read: said(parseNetperf),
	}
}

var (
	netperfRate = regexp.MustCompile(`(?m)^TRANSACTION_RATE=(.*)$`)
	netperfTime = regexp.MustCompile(`(?m)^ELAPSED_TIME=(.*)$`)
)

// parseNetperf reads the keys that -k asks for. The count is what rate and time, of two
// decimals, make of it; failures it does not count.
func parseNetperf(text string) (result, error) {
	o := output{tool: "netperf", text: text}
	r := result{PerSecond: o.number(netperfRate, "TRANSACTION_RATE=R")}
	r.Connections = int64(math.Round(math.Min(r.PerSecond*o.number(netperfTime, "ELAPSED_TIME=T"), maxCount)))
	return r.checked(&o)
}
