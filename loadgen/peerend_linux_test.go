package loadgen

import (
	"net"
	"testing"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// A server that resets after its reply is found out, as often as the kernel counts resets that came before the client's close, or
// nearly: one may come between the look and the close.
func TestResetBeforeTheClose(t *testing.T) {
	const n = 200
	eachEngine(t, func(t *testing.T, b sockio.Backend) {
		l := newLab(t)
		target := l.peer(func(c *net.TCPConn) {
			if answer(c) {
				reset(c)
			}
		})
		g := l.newLoad(Config{Plan: loadOf(n, target), Backend: b})
		mustStart(t.Context(), t, g)
		r := finish(t, g)
		o := &r.Groups[0].Ledger.Outcomes
		seen, unseen := o[sockstate.OutcomeRSTReceived], o[sockstate.OutcomeFIN]
		if seen+unseen+o[sockstate.OutcomeCutInRequest] != n || seen == 0 {
			t.Errorf("outcomes: %v", outcomes(&r.Groups[0].Ledger))
		}
		if got := r.Groups[0].Ledger.Failed(); got != n-unseen {
			t.Errorf("%d failed, want %d", got, n-unseen)
		}
		// Each reset counts at the server, and at the client if it came before the client's FIN.
		if k := l.counter("TcpEstabResets") - n; k < seen || k > n {
			t.Errorf("%d resets reached a client before its close, of which %d were seen", k, seen)
		}
		if tw := l.counter("TcpExtTW"); tw > unseen {
			t.Errorf("%d TIME_WAITs, of %d connections that were not seen to be reset", tw, unseen)
		}
	})
}
