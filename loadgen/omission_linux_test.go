package loadgen

import (
	"context"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"lastack/server"
	"lastack/sockstate"
	"lastack/sockstate/sockio"
	"lastack/sockstate/socktest"
)

const stalled = 500 * time.Millisecond

// stalledLoad runs a load whose server stops once for stalled, after some lifecycles. calm are
// the lifecycle times of before and after.
func stalledLoad(t *testing.T, p Plan, after int64) (r *GroupResult, calm *hdrhistogram.Histogram) {
	t.Helper()
	l := newLab(t)
	backend, stall := socktest.Stalling(sockio.Backend{New: sockio.NewEpoll})
	s := l.serve(server.Config{Exchange: p.Groups[0].Exchange, Close: p.Groups[0].Close, Slots: 4000, Backend: backend})
	p.Groups[0].Targets = s.Addrs()
	g := l.start(context.Background(), p)
	calm = newHistogram()
	until(t, g, func(s *Snapshot) bool {
		calm.Merge(s.Interval)
		return s.Ledger.Completed() >= after
	})
	stall(stalled)
	// Those that met it, and those that came right behind them.
	until(t, g, func(s *Snapshot) bool { return s.Ledger.Completed() >= 2*after })
	r = &finish(t, g).Groups[0]
	calm.Merge(g.Snapshot().Interval)
	return r, calm
}

func p99(h *hdrhistogram.Histogram) time.Duration { return time.Duration(h.ValueAtQuantile(99)) }

// Coordinated omission: a closed loop does not notice a stall but with the connections that it
// has in flight; an open loop counts all who would have come, from when they would have.
func TestCoordinatedOmission(t *testing.T) {
	t.Run("open loop", func(t *testing.T) {
		p := loadOf(0, (*lab).nobody(nil))
		p.Count, p.Duration = 0, 2*time.Second
		g := &p.Groups[0]
		g.Connections, g.RateFrom, g.RateTo, g.Close = 0, 1000, 1000, mustPolicy("client:rst")
		r, _ := stalledLoad(t, p, 200)
		if got := p99(r.Latency[sockstate.LatencyLifecycle]); got <= 300*time.Millisecond || r.Ledger.Completed() != 2000 {
			t.Errorf("p99 of lifecycle %v of %d; a quarter of the arrivals met a stall of %v", got, r.Ledger.Completed(), stalled)
		}
	})
	t.Run("closed loop", func(t *testing.T) {
		const n = 20_000
		const limit = 50 * time.Millisecond
		for try := 1; ; try++ {
			p := loadOf(n, (*lab).nobody(nil))
			g := &p.Groups[0]
			g.Connections, g.Close = 64, mustPolicy("client:rst")
			g.Hold = 15 * time.Millisecond // so that the CPU is not what they wait for; no part of the lifecycle's time
			r, calm := stalledLoad(t, p, 1000)
			h := r.Latency[sockstate.LatencyLifecycle]
			if h.TotalCount() != n || time.Duration(h.Max()) < stalled/2 {
				t.Fatalf("%d samples, the longest %v: the stall is not among them", h.TotalCount(), time.Duration(h.Max()))
			}
			switch {
			case p99(h) < limit:
				return
			case p99(calm) < limit/2:
				t.Fatalf("p99 of lifecycle %v, without the stall %v: 64 of %d met it", p99(h), p99(calm), n)
			case try == 3:
				t.Skipf("this machine is busy: p99 of lifecycle %v without the stall too", p99(calm))
			}
		}
	})
}
