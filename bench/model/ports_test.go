package model

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"lastack/sockstate"
)

// loss plays a load on n ports: each arrival takes one if there is one, keeps it for open, and then in TIME_WAIT until the end of its
// bucket of the timer wheel (512 ticks of 4 ms). It returns the share of arrivals that found none, over so many rounds of all ports, from a
// number of rounds after the first fill on.
func loss(n int, rate, open float64, after, rounds int, next func() float64) float64 {
	const bucket, timeout = 2.048, 60.0
	var busy ends
	arrivals, lost, t := 0, 0, 0.3 // not at the edge of a bucket
	round := (math.Floor((timeout+open)/bucket) + 1) * bucket
	begin, end := float64(after)*round, float64(after+rounds)*round
	for t += next() / rate; t < end; t += next() / rate {
		for len(busy) > 0 && busy[0] <= t {
			heap.Pop(&busy)
		}
		found := len(busy) < n
		if t > begin {
			arrivals++
			if !found {
				lost++
			}
		}
		if found {
			// calc_index rounds up, also at the edge.
			heap.Push(&busy, (math.Floor((t+open+timeout)/bucket)+1)*bucket)
		}
	}
	return float64(lost) / float64(arrivals)
}

type ends []float64

func (e ends) Len() int           { return len(e) }
func (e ends) Less(i, j int) bool { return e[i] < e[j] }
func (e ends) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }
func (e *ends) Push(v any)        { *e = append(*e, v.(float64)) }
func (e *ends) Pop() any {
	v := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return v
}

// Paced arrivals on ports that come back in bursts: a simulation of each port agrees, soon after the first fill and long after it. So does a
// run of lastack: 1,000 ports and 100 connections/s came back every 61.44 s, 30 buckets, and not every 61.02 s.
func TestAdmitted(t *testing.T) {
	const n = 1000
	for _, open := range []float64{0, 0.8, 5} {
		for _, over := range []float64{0.5, 0.99, 1.01, 1.1, 1.3, 1.6, 3} {
			for _, after := range []int{1, 60} {
				t.Run(fmt.Sprintf("%g %gx %d", open, over, after), func(t *testing.T) {
					rate := over * n / (open + 62.048)
					sim := (1 - loss(n, rate, open, after, 20, func() float64 { return 1 })) * rate
					got := admitted(n, rate, open, sockstate.TimeWaitLasts(250))
					if math.Abs(got.mean/sim-1) > 0.012 || sim < got.lo*0.998 || sim > got.hi*1.002 {
						t.Errorf("%v/s of %.3f/s get a port, in a simulation %.4f/s", got, rate, sim)
					}
				})
			}
		}
	}
	// By hand: 30 buckets of 2.048 s.
	if got, want := admitted(1000, 100, 0, sockstate.TimeWaitLasts(250)), (span{1000 / 62.048, 1000 / 61.44, 1000 / 61.44}); math.Abs(got.lo-want.lo)+math.Abs(got.mean-want.mean)+math.Abs(got.hi-want.hi) > 1e-9 {
		t.Errorf("%v, want %v", got, want)
	}
	// An orphan with tcp_fin_timeout=5 is in buckets of 0.256 s.
	if got, want := admitted(1000, 400, 0, sockstate.OrphanLasts(5*time.Second, 250)), (span{1000 / 5.256, (1000 + 400*0.12) / 21 / 0.256, 1000 / 5.12}); math.Abs(got.lo-want.lo)+math.Abs(got.mean-want.mean)+math.Abs(got.hi-want.hi) > 1e-9 {
		t.Errorf("orphans: %v, want %v", got, want)
	}
	if got := admitted(28232, 455, 0, sockstate.TimeWaitLasts(250)); got != exactly(455) {
		t.Errorf("%v of 455/s, which need %g ports of 28232", got, 455*62.048)
	}
}

// Under Poisson arrivals the blocked share of the simulation lies in the interval of Erlang's formula.
func TestBlockedIsErlangs(t *testing.T) {
	const n = 500
	random := rand.New(rand.NewPCG(1, 2))
	for _, over := range []float64{0.9, 1, 1.1, 1.3, 2, 5} {
		in := testInput()
		in.Load.Poisson, in.Load.Hold, in.Client.Ports, in.Client.FirstPass = true, constant(time.Second), n, n/2
		rate := over * n / 62.024
		b := need1(t, in, "blocked", "client").at(rate)
		got := loss(n, rate, 1, 3, 100, random.ExpFloat64)
		if slack := 0.003; got < b.lo-slack || got > b.hi+slack {
			t.Errorf("%gx: %.4f of a simulation are blocked, Erlang's formula says %.4f (%.4f to %.4f)", over, got, b.mean, b.lo, b.hi)
		}
	}
}

func TestInUse(t *testing.T) {
	for _, tt := range []struct{ kept, unused, first, want float64 }{
		{100, 6000, 14116, 6000},     // all of those in TIME_WAIT fit into the first pass
		{100, 60000, 14116, 14116},   // round and round the first pass
		{20000, 60000, 14116, 20000}, // more are open
	} {
		if got := InUse(tt.kept, tt.unused, tt.first); got != tt.want {
			t.Errorf("InUse(%g, %g, %g) = %g, want %g", tt.kept, tt.unused, tt.first, got, tt.want)
		}
	}
}
