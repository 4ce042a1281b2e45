package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/server"
	"lastack/sockstate"
)

// ledgerText is what serve says at its end.
func ledgerText(s *server.Stats) string {
	var b strings.Builder
	row := func(name string, n int64) { fmt.Fprintf(&b, "  %-16s %12s\n", name, quantity.Count(n)) }
	b.WriteString("server's ledger\n")
	row("accepted", s.Accepted)
	row("requests", s.Requests)
	more := func(name string, n int64) {
		if n > 0 {
			row(name, n)
		}
	}
	more("  closing", s.Closing)
	more("cut", s.Cut)
	more("queue_reset", s.QueueReset)
	outcomes := s.ByName()
	for _, name := range slices.Sorted(maps.Keys(outcomes)) {
		row(name, outcomes[name])
	}
	for _, e := range slices.Sorted(maps.Keys(s.AcceptErrors)) {
		fmt.Fprintf(&b, "  accept failed %s times: %v\n", quantity.Count(s.AcceptErrors[e]), e)
	}
	if s.QueueReset > 0 {
		b.WriteString("  connections were still in the accept queue when the listener closed: they were reset\n")
	}
	if s.Outcomes[sockstate.OutcomeAborted] > 0 {
		b.WriteString("  connections were still open when the server ended: they were reset\n")
	}
	return b.String()
}
