package bench

import (
	"math"
	"net/netip"
	"slices"
	"strings"

	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/server"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

// accounting compares lastack's own ledgers, the kernel's counters, and what the close
// policies predict.
type accounting struct {
	plan    *loadgen.Plan
	groups  []loadgen.GroupResult
	server  *server.Stats // nil: the server is not lastack's
	grown   sockstate.Counters
	env     teardown.Env
	exact   bool // a private namespace: only the run's connections count
	settled bool
	lossy   bool
	// notRead says which of the named counters were not read, or "" if all were.
	notRead func(names ...string) string
}

// predict says what the plan's policies should lead to, given the outcomes.
func (b *accounting) predict() record.Predicted {
	p := record.Predicted{Counters: make(map[string]sockstate.Range)}
	for i := range b.plan.Groups {
		one := b.prediction(i)
		if i == 0 {
			p.Paths = one.Describe()
			p.TimeWait = one.TimeWait.String()
		} else if p.TimeWait != one.TimeWait.String() {
			p.TimeWait = teardown.HeldByEither.String()
		}
		p.Notes = append(p.Notes, one.Notes...)
		for name, r := range b.expect(i, &one) {
			sum := p.Counters[name]
			p.Counters[name] = sockstate.Range{Min: sum.Min + r.Min, Max: sum.Max + r.Max}
		}
	}
	return p
}

func (b *accounting) prediction(i int) teardown.Prediction {
	g := &b.plan.Groups[i]
	env := b.env
	env.Lifecycles = int(b.ledger(i).Attempted)
	env.Lossy = b.lossy
	return teardown.Predict(g.Close, g.OnEOF, g.Exchange, env)
}

// ledger returns a group's ledger including its warm-up, which the kernel counts too.
func (b *accounting) ledger(i int) loadgen.Ledger {
	l := b.groups[i].Ledger
	l.Add(&b.groups[i].Warmup)
	return l
}

// expect returns how much each counter should have grown for a group: as predicted for
// the lifecycles that ended as they should; for the other opened ones, by anything
// that a close can cause.
func (b *accounting) expect(i int, one *teardown.Prediction) map[string]sockstate.Range {
	l := b.ledger(i)
	expected := make(map[string]sockstate.Range)
	held := l.Outcomes[sockstate.OutcomeHeld]
	done := l.Completed()
	if b.plan.Groups[i].Close.Who == teardown.Nobody {
		done, held = held, 0
	} else if b.plan.Groups[i].OnEOF.Kind == teardown.ReactNever {
		// Held in CLOSE_WAIT: the other side's part of the teardown is over.
		done, held = done+held, 0
	}
	astray := l.Failed() - l.NoSYN + l.Outcomes[sockstate.OutcomeInterrupted] + held
	for name, r := range one.Counters(done) {
		r.Max += 2 * max(astray, 0) // at most one entry or abort at each end
		expected[name] = sockstate.Range{Min: r.Min, Max: r.Max}
	}
	return expected
}

// checks lists the statements that must hold.
func (b *accounting) checks(p *record.Predicted) []record.Check {
	var total loadgen.Ledger
	for i := range b.groups {
		l := b.ledger(i)
		total.Add(&l)
	}
	var sum int64
	for _, n := range total.Outcomes {
		sum += n
	}
	checks := []record.Check{check("sum of outcomes = attempted", one(total.Attempted), sum, true, "")}
	note := ""
	if !b.exact {
		note = "other programs' connections count in this namespace too"
	}
	checks = append(checks, b.ifRead(check("TcpActiveOpens = attempted less failed before a SYN", one(total.Attempted-total.NoSYN), b.grown["TcpActiveOpens"], b.exact, note), "TcpActiveOpens"))
	if b.server != nil {
		ended := b.server.Open
		for _, n := range b.server.ByName() {
			ended += n
		}
		checks = append(checks,
			check("server: sum of outcomes and open = accepted", one(b.server.Accepted), ended, true, ""),
			b.ifRead(check("server: accepted = TcpPassiveOpens", sockstate.Range{Min: max(b.grown["TcpPassiveOpens"]-b.doubleHandshakes(), 0), Max: b.grown["TcpPassiveOpens"]}, b.server.Accepted, b.exact, note), "TcpPassiveOpens", "TcpRetransSegs", "TcpExtListenDrops"),
			b.ifRead(check("server: accepted = opened by the client", sockstate.Range{Min: max(total.Opened-b.lostHandshakes(), 0), Max: total.Attempted - total.NoSYN}, b.server.Accepted, b.exact, note), "TcpExtListenDrops"))
	}
	seen := teardown.Observed(b.grown)
	// Before the teardown has settled, a reset may still be in flight, and a minisocket not yet made.
	settled := ""
	if !b.settled {
		settled = "the teardown had not settled when the counters were read"
	}
	for _, name := range []string{teardown.CounterTimeWaits, teardown.CounterAbortOnData, teardown.CounterAbortOnClose} {
		n, few := note, seen[name] < p.Counters[name].Min
		switch {
		case few && b.settled && b.server == nil && b.closesUnseen():
			n = "fewer than the client's closes: the rest ended in a way that the client did not see"
		case n == "":
			n = settled
		case few && b.closer(teardown.ServerFirst):
			n = "the target's host has the target's counters"
		}
		c := b.ifRead(check(name, p.Counters[name], seen[name], b.exact && b.settled && b.server != nil, n), strings.Split(name, "+")...)
		// In a shared namespace other programs only add to the counters, so too few contradict the prediction.
		c.Contradicts = few && b.settled && !c.Exact && c.NotRead == "" && !b.lossy && b.closesUnseen()
		checks = append(checks, c)
	}
	return checks
}

// ifRead marks a check as not done if one of the kernel's counters that it needs was not read.
func (b *accounting) ifRead(c record.Check, counters ...string) record.Check {
	if b.notRead == nil {
		return c
	}
	if why := b.notRead(counters...); why != "" {
		c.Got, c.OK, c.Exact, c.Note, c.NotRead = 0, false, false, "", why
	}
	return c
}

// closer reports whether who closes first in every group.
func (b *accounting) closer(who teardown.Who) bool {
	for i := range b.plan.Groups {
		if b.plan.Groups[i].Close.Who != who {
			return false
		}
	}
	return true
}

// closesUnseen reports whether the client closes without waiting, so that it does not see how the connection ends, and whether this
// namespace counts all those closes. With both:fin the target may be first, so the target must be here too.
func (b *accounting) closesUnseen() bool {
	for i := range b.plan.Groups {
		g := &b.plan.Groups[i]
		away := slices.ContainsFunc(g.Targets, func(t netip.AddrPort) bool { return !t.Addr().IsLoopback() })
		if g.Close.Who != teardown.ClientFirst && (g.Close.Who != teardown.BothAtOnce || away) {
			return false
		}
	}
	return true
}

// lostHandshakes bounds how many connections are open at the client only: the listener drops the
// last ACK of a handshake if its queue is full. With packet loss there is no bound: a client's RST
// can overtake its lost ACK.
func (b *accounting) lostHandshakes() int64 {
	if b.lossy {
		return math.MaxInt32
	}
	return b.grown["TcpExtListenDrops"]
}

// doubleHandshakes bounds how many connections the kernel counted twice as passive opens. Two
// CPUs may process an ACK of the handshake and a following or repeated segment at the same time:
// each makes a child (tcp_create_openreq_child), and one child is thrown away
// (inet_csk_complete_hashdance). That takes a drop or a retransmission.
func (b *accounting) doubleHandshakes() int64 {
	return b.grown["TcpRetransSegs"] + b.grown["TcpExtListenDrops"]
}

// simultaneous counts the connections whose FINs crossed, nil if the counters do not tell.
func (b *accounting) simultaneous() *int64 {
	if !b.exact || !b.settled || b.notRead != nil && b.notRead(timeWaitCounters()...) != "" {
		return nil
	}
	completed := int64(0)
	for i := range b.plan.Groups {
		l := b.ledger(i)
		if b.plan.Groups[i].Close.Who != teardown.BothAtOnce || l.Completed() != l.Attempted-l.NoSYN {
			return nil
		}
		completed += l.Completed()
	}
	n := max(teardown.Observed(b.grown)[teardown.CounterTimeWaits]-completed, 0)
	return &n
}

// timeWaitCounters lists the counters of entries into TIME_WAIT, and of sockets kept from it.
func timeWaitCounters() []string { return strings.Split(teardown.CounterTimeWaits, "+") }

func one(n int64) sockstate.Range { return sockstate.Range{Min: n, Max: n} }

func check(name string, want sockstate.Range, got int64, exact bool, note string) record.Check {
	return record.Check{Name: name, Want: want, Got: got, OK: want.Contains(got), Exact: exact, Note: note}
}
