package loadgen

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/clock"
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
	target := l.listen("127.0.0.1:0", 1024)
	var apart time.Duration
	for range 10 { // a busy machine may have either wait for a CPU
		opens := l.counter("TcpActiveOpens")
		moment := time.Now().Add(80 * time.Millisecond)
		var loads [2]*Generator
		for i := range loads {
			p := keptPlan(target, KeepIdle, 4)
			p.Workers, p.Groups[0].Exchange.Kind = 2, 0
			loads[i] = l.newLoad(Config{Plan: p, Journal: true, StartAt: moment})
		}
		var starting sync.WaitGroup
		for _, g := range loads {
			starting.Go(func() {
				if err := g.Start(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		starting.Wait()
		if n := l.counter("TcpActiveOpens") - opens; n != 0 && time.Now().Before(moment) {
			t.Fatalf("%d connections before the moment", n)
		}
		var results [2]*Result
		for i, g := range loads {
			until(t, g, func(s *Snapshot) bool { return s.Groups[0].Established == 4 })
			g.Mark()
			g.Conclude()
			results[i] = finish(t, g)
			if zero := clock.Of(moment); results[i].Started < zero-int64(time.Millisecond) || results[i].Started > zero+int64(time.Millisecond) {
				t.Errorf("the schedule's zero is %d, the moment %d", results[i].Started, zero)
			}
			if first := began(results[i]); first < results[i].Started {
				t.Errorf("the first connect was %v before the zero", time.Duration(results[i].Started-first))
			}
		}
		if n := l.counter("TcpActiveOpens") - opens; n != 8 {
			t.Errorf("%d connections, want 8", n)
		}
		apart = time.Duration(began(results[0]) - began(results[1])).Abs()
		if apart < time.Millisecond {
			return
		}
		t.Logf("the first connects were %v apart", apart)
	}
	t.Errorf("the first connects were never within 1 ms of each other")
}

func TestStartAtIsOver(t *testing.T) {
	l := newLab(t)
	g := l.newLoad(Config{Plan: loadOf(1, l.listen("127.0.0.1:0", 16)), StartAt: time.Now().Add(-2 * time.Second)})
	err := g.Start(context.Background())
	if !errors.As(err, new(*sockstate.ValueError)) || !strings.Contains(err.Error(), "is 2") || !strings.Contains(err.Error(), "s ago") {
		t.Errorf("%v, want a ValueError that says that it is 2 s ago", err)
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
