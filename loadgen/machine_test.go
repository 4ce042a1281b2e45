package loadgen

import (
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate"
	"lastack/sockstate/clock"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

// fakePlan is a closed loop of count lifecycles on a fakeLoop.
func fakePlan(count int64) Plan {
	p := validPlan()
	p.Duration, p.Count, p.Workers = 0, count, 1
	p.Groups[0].Connections = 2
	return p
}

// runFake carries a plan out without a kernel.
func runFake(t *testing.T, p Plan, loops *fakeLoops) *Result {
	t.Helper()
	g, err := New(Config{Plan: p, Backend: sockio.Backend{New: loops.new}, Slots: 16})
	if err != nil {
		t.Fatal(err)
	}
	mustStart(context.Background(), t, g)
	select {
	case <-g.Done():
	case <-time.After(time.Minute):
		t.Fatalf("the load hangs: %+v", g.Snapshot())
	}
	r, err := g.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	return r
}

// What a kernel seldom says: each failure of a step, and where it is counted.
func TestOddCompletions(t *testing.T) {
	const n = 6
	fail := func(op, as sockio.Op, e sockio.Errno, taken int) func(l *fakeLoop, c call) {
		return func(l *fakeLoop, c call) {
			if c.op == op {
				l.complete(as, c.s, e, taken)
				return
			}
			wellBehaved(l, c)
		}
	}
	dial := func(as sockio.Op, e sockio.Errno, taken int) func(l *fakeLoop, c call) {
		return fail(sockio.OpConnect, as, e, taken)
	}
	for _, tc := range []struct {
		name   string
		on     func(l *fakeLoop, c call)
		change func(p *Plan, g *Group)
		want   sockstate.Outcome
		noSYN  int64
		closes int // calls of Close
		errno  sockio.Errno
	}{
		{name: "a well-behaved peer", on: wellBehaved, want: sockstate.OutcomeFIN, closes: n},
		{name: "socket: ENOMEM", on: dial(sockio.OpSocket, syscall.ENOMEM, 0), want: sockstate.OutcomeNoMemory, noSYN: n},
		{name: "socket: ENOBUFS", on: dial(sockio.OpSocket, syscall.ENOBUFS, 0), want: sockstate.OutcomeNoMemory, noSYN: n},
		{name: "socket: EMFILE", on: dial(sockio.OpSocket, syscall.EMFILE, 0), want: sockstate.OutcomeNoFD, noSYN: n},
		{name: "socket: ENFILE", on: dial(sockio.OpSocket, syscall.ENFILE, 0), want: sockstate.OutcomeNoFD, noSYN: n},
		{name: "socket: EAFNOSUPPORT", on: dial(sockio.OpSocket, syscall.EAFNOSUPPORT, 0), want: sockstate.OutcomeOther, noSYN: n, errno: syscall.EAFNOSUPPORT},
		{name: "setsockopt: ENOPROTOOPT", on: dial(sockio.OpSetsockopt, syscall.ENOPROTOOPT, 0), want: sockstate.OutcomeOther, noSYN: n, closes: n, errno: syscall.ENOPROTOOPT},
		{name: "bind: EADDRINUSE", on: dial(sockio.OpBind, syscall.EADDRINUSE, 0), want: sockstate.OutcomeNoLocalPort, noSYN: n, closes: n},
		{name: "bind: EADDRNOTAVAIL", on: dial(sockio.OpBind, syscall.EADDRNOTAVAIL, 0), want: sockstate.OutcomeOther, noSYN: n, closes: n, errno: syscall.EADDRNOTAVAIL},
		{name: "connect: EADDRNOTAVAIL", on: dial(sockio.OpConnect, syscall.EADDRNOTAVAIL, 0), want: sockstate.OutcomeNoLocalPort, noSYN: n, closes: n},
		{name: "connect: ENOBUFS", on: dial(sockio.OpConnect, syscall.ENOBUFS, 0), want: sockstate.OutcomeNoMemory, noSYN: n, closes: n},
		{name: "connect: EHOSTUNREACH at once", on: dial(sockio.OpConnect, syscall.EHOSTUNREACH, 0), want: sockstate.OutcomeUnreachable, noSYN: n, closes: n},
		{name: "connect: EHOSTUNREACH after a SYN", on: dial(sockio.OpConnect, syscall.EHOSTUNREACH, 1), want: sockstate.OutcomeUnreachable, closes: n},
		{name: "connect: EHOSTDOWN", on: dial(sockio.OpConnect, syscall.EHOSTDOWN, 1), want: sockstate.OutcomeUnreachable, closes: n},
		{name: "connect: ETIMEDOUT", on: dial(sockio.OpConnect, syscall.ETIMEDOUT, 1), want: sockstate.OutcomeConnectTimeout, closes: n},
		{name: "connect: EPERM, as a firewall says", on: dial(sockio.OpConnect, syscall.EPERM, 1), want: sockstate.OutcomeOther, closes: n, errno: syscall.EPERM},
		{name: "connect: EPROTO, by ICMP", on: dial(sockio.OpConnect, syscall.EPROTO, 1), want: sockstate.OutcomeUnreachable, closes: n},
		{name: "connect: EACCES, by ICMP", on: dial(sockio.OpConnect, syscall.EACCES, 1), want: sockstate.OutcomeUnreachable, closes: n},
		{name: "connect: EACCES at once", on: dial(sockio.OpConnect, syscall.EACCES, 0), want: sockstate.OutcomeOther, noSYN: n, closes: n, errno: syscall.EACCES},
		{name: "connect is silent", on: func(l *fakeLoop, c call) {
			if c.op != sockio.OpConnect {
				wellBehaved(l, c)
			}
		}, change: func(_ *Plan, g *Group) { g.ConnectTimeout = time.Millisecond }, want: sockstate.OutcomeConnectTimeout, closes: n},
		{name: "connect is called late", on: func(l *fakeLoop, c call) {
			if c.op == sockio.OpConnect && clock.Now()-c.at < int64(20*time.Millisecond) {
				delete(l.sent, c.s) // its turn has not come
				l.queue = append(l.queue, c)
				return
			}
			wellBehaved(l, c)
		}, change: func(_ *Plan, g *Group) { g.ConnectTimeout = 5 * time.Millisecond }, want: sockstate.OutcomeFIN, closes: n},
		{name: "connect takes long itself", on: func(l *fakeLoop, c call) {
			if c.op == sockio.OpConnect {
				time.Sleep(10 * time.Millisecond)
				l.sent[c.s] = clock.Now()
				l.queue = append(l.queue, call{op: sockio.OpPoll, s: c.s}) // the answer, next
				return
			}
			if c.op == sockio.OpPoll {
				l.complete(sockio.OpConnect, c.s, 0, 0)
				l.complete(sockio.OpSend, c.s, 0, 1)
				return
			}
			wellBehaved(l, c)
		}, change: func(_ *Plan, g *Group) { g.ConnectTimeout, g.Connections = 5*time.Millisecond, 1 }, want: sockstate.OutcomeFIN, closes: n},
		{name: "send: ETIMEDOUT", on: func(l *fakeLoop, c call) {
			if c.op == sockio.OpConnect {
				l.complete(sockio.OpConnect, c.s, 0, 0)
				l.complete(sockio.OpSend, c.s, syscall.ETIMEDOUT, 0)
				return
			}
			wellBehaved(l, c)
		}, want: sockstate.OutcomeOther, closes: n, errno: syscall.ETIMEDOUT},
		{name: "recv: EHOSTUNREACH", on: fail(sockio.OpRecv, sockio.OpRecv, syscall.EHOSTUNREACH, 0), want: sockstate.OutcomeOther, closes: n, errno: syscall.EHOSTUNREACH},
		{name: "recv: ECONNRESET", on: fail(sockio.OpRecv, sockio.OpRecv, syscall.ECONNRESET, 0), want: sockstate.OutcomeCutInRequest, closes: n},
		{name: "recv: EIO in the hold", on: func(l *fakeLoop, c call) {
			if c.op == sockio.OpRecv && l.calls[sockio.OpRecv]%2 == 0 {
				l.complete(sockio.OpRecv, c.s, syscall.EIO, 0)
				return
			}
			wellBehaved(l, c)
		}, change: func(_ *Plan, g *Group) { g.Hold, g.Connections = time.Minute, 1 }, want: sockstate.OutcomeOther, closes: n, errno: syscall.EIO},
		{name: "EOF came before the close", on: fail(sockio.OpPeerEnd, sockio.OpPeerEnd, 0, 0), want: sockstate.OutcomeClosedEarly, closes: n},
		{name: "RST came before the close", on: fail(sockio.OpPeerEnd, sockio.OpPeerEnd, syscall.ECONNRESET, 0), want: sockstate.OutcomeRSTReceived, closes: n},
		{name: "RST came before the close by RST", on: fail(sockio.OpPeerEnd, sockio.OpPeerEnd, syscall.ECONNRESET, 0), change: func(_ *Plan, g *Group) {
			g.Close = mustPolicy("client:rst")
		}, want: sockstate.OutcomeRSTReceived, closes: n},
		{name: "the kernel gave up before the close", on: fail(sockio.OpPeerEnd, sockio.OpPeerEnd, syscall.ETIMEDOUT, 0), want: sockstate.OutcomeOther, closes: n, errno: syscall.ETIMEDOUT},
		{name: "close: EIO", on: fail(sockio.OpClose, sockio.OpClose, syscall.EIO, 0), want: sockstate.OutcomeFIN, closes: n},
		{name: "setsockopt SO_LINGER: EINVAL", on: func(l *fakeLoop, c call) {
			if c.op == sockio.OpSetsockopt {
				l.complete(sockio.OpSetsockopt, c.s, syscall.EINVAL, 0)
				return
			}
			wellBehaved(l, c)
		}, change: func(_ *Plan, g *Group) { g.Close = mustPolicy("client:rst") }, want: sockstate.OutcomeRSTSent, closes: n},
		{name: "shutdown: ENOTCONN, and then the reset", on: func(l *fakeLoop, c call) {
			switch {
			case c.op == sockio.OpShutdown:
				l.complete(sockio.OpShutdown, c.s, syscall.ENOTCONN, 0)
			case c.op == sockio.OpRecv && l.calls[sockio.OpShutdown] > 0 && l.calls[sockio.OpRecv]%2 == 0:
				l.complete(sockio.OpRecv, c.s, syscall.ECONNRESET, 0)
			default:
				wellBehaved(l, c)
			}
		}, change: func(_ *Plan, g *Group) { g.Close, g.Connections = mustPolicy("client:half"), 1 }, want: sockstate.OutcomeRSTReceived, closes: n},
		{name: "late completions of a free slot", on: func(l *fakeLoop, c call) {
			wellBehaved(l, c)
			if c.op == sockio.OpClose {
				return
			}
			l.complete(sockio.OpTimeout, 15, 0, 0)
			l.complete(sockio.OpRecv, 14, syscall.ECONNRESET, 0)
			l.complete(sockio.OpWake, -1, 0, 0)
		}, change: func(_ *Plan, g *Group) { g.Connections = 16 }, want: sockstate.OutcomeFIN, closes: n},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := fakePlan(n)
			if tc.change != nil {
				tc.change(&p, &p.Groups[0])
			}
			loops := &fakeLoops{on: tc.on}
			r := runFake(t, p, loops)
			got := &r.Groups[0].Ledger
			var want Ledger
			want.Outcomes[tc.want] = n
			if d := cmp.Diff(want.Outcomes, got.Outcomes); d != "" {
				t.Errorf("outcomes (-want +got):\n%s", d)
			}
			if got.Attempted != n || got.NoSYN != tc.noSYN {
				t.Errorf("attempted %d, without a SYN %d; want %d and %d", got.Attempted, got.NoSYN, n, tc.noSYN)
			}
			if closes := loops.made[0].calls[sockio.OpClose]; closes != tc.closes {
				t.Errorf("%d sockets closed, want %d", closes, tc.closes)
			}
			errnos := map[sockio.Errno]int64{}
			if tc.errno != 0 {
				errnos[tc.errno] = n
			}
			if d := cmp.Diff(errnos, r.Groups[0].Errnos); d != "" {
				t.Errorf("errnos (-want +got):\n%s", d)
			}
			if timers := len(loops.made[0].timers); timers > 2 { // slots that rest
				t.Errorf("%d timers are left", timers)
			}
		})
	}
}

// A slot that this host refused a connection rests, whatever the load.
func TestRefusedSlotsRest(t *testing.T) {
	p := fakePlan(0)
	p.Duration, p.Count = 100*time.Millisecond, 0
	r := runFake(t, p, &fakeLoops{on: func(l *fakeLoop, c call) { l.complete(sockio.OpSocket, c.s, syscall.ENOMEM, 0) }})
	// 2 slots, each once in 10 ms.
	if n := r.Groups[0].Ledger.Attempted; n < 1 || n > 24 {
		t.Errorf("attempted %d, want at most 22", n)
	}
}

func TestWorkerThatCannotStart(t *testing.T) {
	want := &sockio.Error{Call: "epoll_create1", Errno: syscall.EMFILE}
	for _, workers := range []int{1, 3} {
		p := fakePlan(5)
		p.Workers, p.Groups[0].Connections = workers, 6
		loops := &fakeLoops{on: wellBehaved, err: func(n int) error {
			if n == workers-1 {
				return want
			}
			return nil
		}}
		_, err := New(Config{Plan: p, Backend: sockio.Backend{New: loops.new}})
		if !errors.Is(err, syscall.EMFILE) || !strings.Contains(err.Error(), "epoll_create1") {
			t.Errorf("New() = %v, want %v", err, want)
		}
		for i, l := range loops.made[:workers-1] {
			if !l.closed {
				t.Errorf("the loop of worker %d is still open", i)
			}
		}
	}
}

// A loop that fails ends the load; what was measured until then is returned.
func TestLoopThatFails(t *testing.T) {
	want := &sockio.Error{Call: "epoll_wait", Errno: syscall.EBADF}
	for _, tc := range []struct {
		name   string
		change func(p *Plan, g *Group)
	}{
		{"closed loop", func(*Plan, *Group) {}},
		{"open loop", func(_ *Plan, g *Group) { g.RateFrom, g.RateTo = 5000, 5000 }},
		{"plateau", func(_ *Plan, g *Group) { g.Plateau, g.Connections = time.Hour, 500 }},
		{"never", func(_ *Plan, g *Group) { g.Close, g.Connections = teardown.Never, 500 }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := validPlan()
			p.Duration, p.Workers = time.Hour, 2
			tc.change(&p, &p.Groups[0])
			loops := &fakeLoops{}
			loops.on = func(l *fakeLoop, c call) {
				if l == loops.made[0] && l.calls[sockio.OpConnect] >= 100 {
					l.fail = want
				}
				wellBehaved(l, c)
			}
			g, err := New(Config{Plan: p, Backend: sockio.Backend{New: loops.new}})
			if err != nil {
				t.Fatal(err)
			}
			mustStart(context.Background(), t, g)
			<-g.Done()
			r, err := g.Wait()
			if !errors.Is(err, syscall.EBADF) || !strings.Contains(err.Error(), "load worker ") {
				t.Errorf("Wait() = %v, want %v of a worker", err, want)
			}
			l := &r.Groups[0].Ledger
			var sum int64
			for _, n := range l.Outcomes {
				sum += n
			}
			if l.Attempted < 100 || sum != l.Attempted {
				t.Errorf("attempted %d, outcomes %d; want 100 or more, all accounted for", l.Attempted, sum)
			}
			if r.Interrupted {
				t.Error("the result says that it was interrupted, but nobody did")
			}
			if err := g.Close(); !errors.Is(err, syscall.EBADF) {
				t.Errorf("Close() = %v, want %v", err, want)
			}
		})
	}
}

// Whatever the order of the calls, nothing hangs and no loop is used after its end.
func TestOrderOfCalls(t *testing.T) {
	ctx := context.Background()
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	type step = func(g *Generator)
	var (
		start     = func(g *Generator) { mustStart(ctx, t, g) }
		startDead = func(g *Generator) { mustStart(cancelled, t, g) }
		snapshot  = func(g *Generator) { g.Snapshot() }
		interrupt = (*Generator).Interrupt
		closes    = func(g *Generator) { _ = g.Close() }
		done      = func(g *Generator) { <-g.Done() }
		waits     = func(g *Generator) { _, _ = g.Wait() }
		threads   = func(g *Generator) { g.Threads() }
	)
	for name, steps := range map[string][]step{
		"New without Start":         {closes},
		"close twice":               {closes, closes},
		"run, close twice":          {start, interrupt, waits, closes, closes},
		"snapshot first":            {snapshot, start, snapshot, interrupt, waits, snapshot, closes, snapshot},
		"snapshot after close":      {closes, snapshot},
		"interrupt before start":    {interrupt, snapshot, start, waits, closes},
		"interrupt twice":           {start, interrupt, interrupt, waits, interrupt, closes, interrupt},
		"interrupt after close":     {closes, interrupt},
		"start after close":         {closes, start, snapshot, waits},
		"wait after close":          {closes, done, waits},
		"close while it runs":       {start, snapshot, closes, waits, snapshot},
		"cancelled before start":    {startDead, waits, snapshot, closes},
		"wait twice":                {start, interrupt, waits, waits, closes},
		"snapshots of the result":   {start, interrupt, done, snapshot, snapshot, waits, snapshot, closes},
		"threads, before and after": {threads, start, threads, closes, threads},
	} {
		t.Run(name, func(t *testing.T) {
			p := validPlan()
			p.Duration, p.Workers = time.Hour, 3
			g, err := New(Config{Plan: p, Backend: sockio.Backend{New: (&fakeLoops{on: wellBehaved}).new}})
			if err != nil {
				t.Fatal(err)
			}
			over := make(chan struct{})
			go func() {
				defer close(over)
				for _, s := range steps {
					s(g)
				}
				_ = g.Close()
			}()
			select {
			case <-over:
			case <-time.After(time.Minute):
				t.Fatal("it hangs")
			}
		})
	}
}

// A worker with nothing left to do must not keep a snapshot waiting for the others.
func TestSnapshotOfIdleWorkers(t *testing.T) {
	p := fakePlan(0)
	p.Duration, p.Count, p.Workers = time.Hour, 0, 4
	g, err := New(Config{Plan: p, Backend: sockio.Backend{New: (&fakeLoops{on: wellBehaved}).new}})
	if err != nil {
		t.Fatal(err)
	}
	mustStart(context.Background(), t, g)
	var last int64
	for range 50 {
		s := g.Snapshot()
		if s.Done || s.Closing {
			t.Fatalf("over already: %+v", s)
		}
		if s.Ledger.Attempted < last {
			t.Fatalf("attempted went from %d to %d", last, s.Ledger.Attempted)
		}
		last = s.Ledger.Attempted
	}
	g.Interrupt()
	<-g.Done()
	s := g.Snapshot()
	r, err := g.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if !s.Done || s.Open != 0 || s.Ledger.Attempted != r.Groups[0].Ledger.Attempted {
		t.Errorf("last snapshot %+v, attempted in all %d", s, r.Groups[0].Ledger.Attempted)
	}
	if !r.Interrupted {
		t.Error("the result does not say that it was interrupted")
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
}

// The lifecycle times of the intervals are those of the result, value by value, and the warm-up's stand apart.
func TestIntervalsAddUp(t *testing.T) {
	p := fakePlan(0)
	p.Duration, p.Count, p.Warmup, p.Workers = 50*time.Millisecond, 0, 20*time.Millisecond, 2
	g, err := New(Config{Plan: p, Backend: sockio.Backend{New: (&fakeLoops{on: wellBehaved}).new}})
	if err != nil {
		t.Fatal(err)
	}
	mustStart(context.Background(), t, g)
	measured, warmup := newHistogram(), int64(0)
	for over := false; !over; {
		s := g.Snapshot()
		measured.Merge(s.Interval)
		warmup += s.IntervalWarmup.TotalCount()
		over = s.Done
	}
	r, err := g.Wait()
	if err != nil {
		t.Fatal(err)
	}
	if want := r.Groups[0].Warmup.Completed(); warmup != want || want == 0 {
		t.Errorf("%d lifecycles of the warm-up in the intervals, %d in the result", warmup, want)
	}
	if want := r.Groups[0].Latency[sockstate.LatencyLifecycle]; !measured.Equals(want) || want.TotalCount() == 0 {
		t.Errorf("the intervals hold %d lifecycle times, the result %d, and not all alike", measured.TotalCount(), want.TotalCount())
	}
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
}
