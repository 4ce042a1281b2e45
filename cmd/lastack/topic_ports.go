package main

import (
	"fmt"
	"io"
)

// portTerms are the words of the section PORTS.
func portTerms() []definition {
	return []definition{
		{"in use", "ports that the load had when most were in use: open and TIME_WAIT together"},
		{"open", "sockets in any state but TIME_WAIT"},
		{"reusable", "of TIME_WAIT, those whose port connect would take over at once: tcp_tw_reuse is 1, or 2 and an address is a loopback one; tcp_timestamps is not 0; " +
			"and it is older than tcp_tw_reuse_delay"},
		{"earlier", "TIME_WAITs from before the load: connect finds their ports taken"},
		{"entered", "sockets that entered TIME_WAIT per second, until no port was free"},
		{"full after", "when that rate uses up the pair's ports (open loop); never, if ports come back as fast"},
		{"none free after", "when connect first found no port (EADDRNOTAVAIL)"},
		{"predicted", "when it had to, by the schedule of --rate; with two times, ports may come back in between"},
		{"ports taken", "share of the ports in use and not reusable, of the pair with the most; below it how long connects took meanwhile, as connect searches past ports that are taken"},
		{"ended by --flush", "TIME_WAITs ended by SOCK_DESTROY: those from the load's addresses and ports to its targets, before the load and after it; in a sandbox those of both ends. " +
			"The peer does not notice. A late segment of an ended connection may meet a new one with the same ports: use it for tests"},
	}
}

func writePorts(w io.Writer) {
	fmt.Fprint(w, `A connection takes a local port of its source address. Each pair of a source
address and a destination has all ports of net.ipv4.ip_local_port_range, less
those of ip_local_reserved_ports. The side that closes first keeps its port for
60 s and a little more in TIME_WAIT, as the kernel rounds the time up, and many
end at once. So N ports bear N/61 connections/s if the client closes first; see
time_wait_min_s and time_wait_max_s of the record's hosts. lastack report -v
shows the budget of each pair, --format csv --table ports has it as a table.
`)
	writeDefinitions(w, "PORTS", portTerms())
}
