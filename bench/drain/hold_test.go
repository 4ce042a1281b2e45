package drain

import (
	"testing"

	"lastack/loadgen"
	"lastack/sockstate/exchange"
)

// A target that gives no reply is told with what it gave instead.
func TestOutcomeWords(t *testing.T) {
	var s loadgen.Snapshot
	if got, want := outcomeWords(&s), "none came"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	s.Ledger.Outcomes[loadgen.Refused], s.Ledger.Outcomes[loadgen.Other] = 2, 7
	s.Ledger.Faults[exchange.TLS], s.Ledger.Faults[exchange.Surplus] = 4, 2
	if got, want := outcomeWords(&s), "refused 2, other 7, of the others tls 4, of the others surplus 2"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
