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

// books is what the accounting compares: our own ledgers, the kernel's counters, and what
// the policies predict.
type books struct {
	plan    *loadgen.Plan
	groups  []loadgen.GroupResult
	server  *server.Stats // nil: not ours
	grown   sockstate.Counters
	env     teardown.Env
	exact   bool // a namespace of our own: nobody else counts there
	settled bool
	lossy   bool
	// notRead says which of some counters were not read, empty if all were; nil: they were.
	notRead func(names ...string) string
}

// predict says what the plan's policies bring, for the outcomes that were seen.
func (b *books) predict() record.Predicted {
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

func (b *books) prediction(i int) teardown.Prediction {
	g := &b.plan.Groups[i]
	env := b.env
	env.Lifecycles = int(b.ledger(i).Attempted)
	env.Lossy = b.lossy
	return teardown.Predict(g.Close, g.OnEOF, g.Exchange, env)
}

// ledger is a group's, warm-up included: the kernel does not tell them apart.
func (b *books) ledger(i int) loadgen.Ledger {
	l := b.groups[i].Ledger
	l.Add(&b.groups[i].Warmup)
	return l
}

// expect is how far each counter should have moved for what a group came to: as predicted
// for the lifecycles that ended as they should, anything that a close can do for
// those that were opened and did not.
func (b *books) expect(i int, one *teardown.Prediction) map[string]sockstate.Range {
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
func (b *books) checks(p *record.Predicted) []record.Check {
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
		note = "others' connections count in this namespace too"
	}
	checks = append(checks, b.kernels(check("TcpActiveOpens = attempted less failed before a SYN", one(total.Attempted-total.NoSYN), b.grown["TcpActiveOpens"], b.exact, note), "TcpActiveOpens"))
	if b.server != nil {
		ended := b.server.Open
		for _, n := range b.server.ByName() {
			ended += n
		}
		checks = append(checks,
			check("server: sum of outcomes and open = accepted", one(b.server.Accepted), ended, true, ""),
			b.kernels(check("server: accepted = TcpPassiveOpens", sockstate.Range{Min: max(b.grown["TcpPassiveOpens"]-b.doubleHandshakes(), 0), Max: b.grown["TcpPassiveOpens"]}, b.server.Accepted, b.exact, note), "TcpPassiveOpens", "TcpRetransSegs", "TcpExtListenDrops"),
			b.kernels(check("server: accepted = opened by the client", sockstate.Range{Min: max(total.Opened-b.lostHandshakes(), 0), Max: total.Attempted - total.NoSYN}, b.server.Accepted, b.exact, note), "TcpExtListenDrops"))
	}
	seen := teardown.Observed(b.grown)
	// A reset is in flight or not yet noticed, and a minisocket not yet made, until the teardown has settled.
	settled := ""
	if !b.settled {
		settled = "the teardown had not settled when the counters were read"
	}
	for _, name := range []string{teardown.CounterTimeWaits, teardown.CounterAbortOnData, teardown.CounterAbortOnClose} {
		n, few := note, seen[name] < p.Counters[name].Min
		switch {
		case few && b.settled && b.server == nil && b.closesUnseen():
			n = "fewer than this side's closes: the rest ended otherwise, unseen by the client"
		case n == "":
			n = settled
		case few && b.closer(teardown.ServerFirst):
			n = "the target's side counts where the target is"
		}
		c := b.kernels(check(name, p.Counters[name], seen[name], b.exact && b.settled && b.server != nil, n), strings.Split(name, "+")...)
		// A namespace that is ours settles by itself, and others add to the counters, nobody takes away.
		c.Contradicts = few && b.settled && !c.Exact && c.NotRead == "" && !b.lossy && b.closesUnseen()
		checks = append(checks, c)
	}
	return checks
}

// kernels is a check that needs counters of the kernel: without one of them there is nothing to compare.
func (b *books) kernels(c record.Check, counters ...string) record.Check {
	if b.notRead == nil {
		return c
	}
	if why := b.notRead(counters...); why != "" {
		c.Got, c.OK, c.Exact, c.Note, c.NotRead = 0, false, false, "", why
	}
	return c
}

// closer reports whether it is who that closes first, in every group.
func (b *books) closer(who teardown.Who) bool {
	for i := range b.plan.Groups {
		if b.plan.Groups[i].Close.Who != who {
			return false
		}
	}
	return true
}

// closesUnseen reports whether the client closes without waiting, and its closes are counted in this namespace: of both:fin, where
// the target may be first, the target's too.
func (b *books) closesUnseen() bool {
	for i := range b.plan.Groups {
		g := &b.plan.Groups[i]
		away := slices.ContainsFunc(g.Targets, func(t netip.AddrPort) bool { return !t.Addr().IsLoopback() })
		if g.Close.Who != teardown.ClientFirst && (g.Close.Who != teardown.BothAtOnce || away) {
			return false
		}
	}
	return true
}

// lostHandshakes is how many connections the client may hold for open that never were at the
// server: those whose last ACK of the handshake the listener dropped with its queue full. Where
// packets are lost it may be any: a client's RST can overtake its lost ACK.
func (b *books) lostHandshakes() int64 {
	if b.lossy {
		return math.MaxInt32
	}
	return b.grown["TcpExtListenDrops"]
}

// doubleHandshakes is how many connections the kernel may have counted twice as passive opens.
// An ACK of the handshake and a segment behind it, or a repeated one, can be processed on
// two CPUs at once: each makes a child (tcp_create_openreq_child), and one of the two is
// thrown away (inet_csk_complete_hashdance). Without drops and retransmissions nothing repeats.
func (b *books) doubleHandshakes() int64 {
	return b.grown["TcpRetransSegs"] + b.grown["TcpExtListenDrops"]
}

// simultaneous is how many connections' FINs crossed, nil where the counters do not tell.
func (b *books) simultaneous() *int64 {
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

// timeWaitCounters are those that count entries into TIME_WAIT, and what kept others from it.
func timeWaitCounters() []string { return strings.Split(teardown.CounterTimeWaits, "+") }

func one(n int64) sockstate.Range { return sockstate.Range{Min: n, Max: n} }

func check(name string, want sockstate.Range, got int64, exact bool, note string) record.Check {
	return record.Check{Name: name, Want: want, Got: got, OK: want.Contains(got), Exact: exact, Note: note}
}
