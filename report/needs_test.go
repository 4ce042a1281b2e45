package report

import (
	"testing"

	"lastack/bench/record"
)

func TestNeedsLine(t *testing.T) {
	const want = "1,000,000 connections will take about 2,000,000 open sockets, 5.69 GiB of kernel memory, 195 MiB of this process's, 1,000,000 TIME_WAITs, 71 source addresses x 28,232 ports"
	n := million(t).Needs
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
