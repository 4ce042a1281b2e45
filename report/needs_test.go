package report

import (
	"testing"

	"lastack/bench/record"
)

func TestNeedsLine(t *testing.T) {
	const want = "1,000,000 connections will take about 2,000,000 open sockets, 5.69 GiB of kernel memory, 195 MiB of this process's, 1,000,000 TIME_WAITs, 71 source addresses x 28,232 ports"
	n := &record.Needs{
		Connections: 1_000_000, Sockets: 2_000_000, TimeWaits: record.NeedsBySide{Client: 1_000_000}, SourceAddresses: 71, PortsEach: 28_232,
		KernelBytes: 6_112_000_000, ProcessBytes: 204_971_520,
	}
	if got := NeedsLine(n); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	n.TimeWaits, n.SourceAddresses = record.NeedsBySide{}, 1
	const bare = "1,000,000 connections will take about 2,000,000 open sockets, 5.69 GiB of kernel memory, 195 MiB of this process's"
	if got := NeedsLine(n); got != bare {
		t.Errorf("%q, want %q", got, bare)
	}
	n.Connections = manyConnections - 1
	for _, n := range []*record.Needs{n, nil} {
		if got := NeedsLine(n); got != "" {
			t.Errorf("%q for a run that is not large", got)
		}
	}
}
