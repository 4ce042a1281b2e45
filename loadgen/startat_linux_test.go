package loadgen

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/clock"
	"lastack/sockstate/exchange"
)

// began is when a load's first connect was called.
func began(r *Result) int64 {
	var first int64
	for _, c := range r.Journal.Conns {
		if first == 0 || c.Began < first {
			first = c.Began
		}
	}
	return first
}

// Two generators told the same moment have the same zero, start nothing before it, and start within a millisecond of each other.
func TestStartAt(t *testing.T) {
	l := newLab(t)
	target := l.listen("127.0.0.1:0", 4096)
	for range 20 { // a busy machine lets either wait for a CPU
		apart, err := startTogether(t, l, target, time.Now().Add(200*time.Millisecond))
		if err == nil && apart < time.Millisecond {
			return
		}
		t.Logf("the first connects were %v apart (%v)", apart, err)
	}
	t.Error("the first connects were never within 1 ms of each other")
}

// startTogether is how far apart the first connects of two loads are that begin at a moment. The error is that of a load which came
// too late for it.
func startTogether(t *testing.T, l *lab, target netip.AddrPort, moment time.Time) (time.Duration, error) {
	t.Helper()
	opens := l.counter("TcpActiveOpens")
	var loads [2]*Generator
	for i := range loads {
		p := keptPlan(target, KeepIdle, 4)
		p.Workers, p.Groups[0].Exchange = 2, exchange.Spec{}
		loads[i] = l.newLoad(Config{Plan: p, Journal: true, StartAt: moment})
	}
	late := make(chan error, len(loads))
	for _, g := range loads {
		go func() { late <- g.Start(context.Background()) }()
	}
	if err := errors.Join(<-late, <-late); err != nil {
		return 0, err
	}
	var first [2]int64
	for i, g := range loads {
		until(t, g, func(s *Snapshot) bool { return s.Groups[0].Established == 4 })
		g.Mark()
		g.Conclude()
		r := finish(t, g)
		if off := time.Duration(r.Started - clock.Of(moment)).Abs(); off > time.Millisecond {
			t.Errorf("the schedule's zero is %v off the moment", off)
		}
		if first[i] = began(r); first[i] < r.Started {
			t.Errorf("the first connect was %v before the zero", time.Duration(r.Started-first[i]))
		}
	}
	if n := l.counter("TcpActiveOpens") - opens; n != 8 {
		t.Errorf("%d connections, want 8", n)
	}
	return time.Duration(first[0] - first[1]).Abs(), nil
}

func TestStartAtIsOver(t *testing.T) {
	l := newLab(t)
	g := l.newLoad(Config{Plan: loadOf(1, l.listen("127.0.0.1:0", 16)), StartAt: time.Now().Add(-5 * time.Second)})
	err := g.Start(context.Background())
	if !errors.As(err, new(*sockstate.ValueError)) || !strings.Contains(err.Error(), "is 5") || !strings.Contains(err.Error(), "s ago") {
		t.Errorf("%v, want a ValueError that says that it is 5 s ago", err)
	}
}

// Whatever ends the wait for the moment, nothing is started.
func TestStartAtIsInterrupted(t *testing.T) {
	for name, end := range map[string]func(g *Generator, cancel func()){
		"context":   func(_ *Generator, cancel func()) { cancel() },
		"Interrupt": func(g *Generator, _ func()) { g.Interrupt() },
		"Close": func(g *Generator, _ func()) {
			if err := g.Close(); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			before := l.counter("TcpActiveOpens")
			g := l.newLoad(Config{Plan: loadOf(1, l.listen("127.0.0.1:0", 16)), StartAt: time.Now().Add(time.Hour)})
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			started := make(chan error)
			go func() { started <- g.Start(ctx) }()
			end(g, cancel)
			if err := <-started; err != nil {
				t.Fatal(err)
			}
			r := finish(t, g)
			if n := r.Total().Ledger.Attempted + l.counter("TcpActiveOpens") - before; n != 0 {
				t.Errorf("%d lifecycles were started", n)
			}
			if name != "Close" && !r.Interrupted {
				t.Error("the load does not know that it was interrupted")
			}
		})
	}
}
