package compare

import (
	"math/rand/v2"
	"slices"
	"testing"

	"lastack/bench/metric"
	"lastack/bench/record"
	"lastack/sockstate/socktest/golden"
)

// recorded are runs of one build of a second each, on two CPUs that other programs kept busy: p with 2,000 connections/s and no delay of the
// server, s and t in turn with 1,000/s and delays of 5 ms and of 5.25 ms. What no metric reads was left out.
func recorded(t *testing.T) (runs map[string][]*record.Run) {
	t.Helper()
	golden.Decode(t, "testdata/runs.json.gz", &runs)
	return runs
}

// draw takes n of the runs, in random order.
func draw(r *rand.Rand, runs []*record.Run, n int) []*record.Run {
	taken := make([]*record.Run, n)
	for i, j := range r.Perm(len(runs))[:n] {
		taken[i] = runs[j]
	}
	return taken
}

// Two sets of runs of one build differ nowhere in the table in at least 95 of 100 tries.
func TestNoiseIsNoDifference(t *testing.T) {
	all := recorded(t)
	for _, pool := range []string{"p", "s", "t"} {
		// With 10 a side the chance of an alarm is close to alpha; its 99.9 % quantile is 8 of 50.
		for n, of := range map[int]struct{ tries, limit int }{2: {20, 0}, 5: {100, 5}, 10: {50, 8}} {
			random := rand.New(rand.NewPCG(1, uint64(n)))
			alarms := 0
			for range of.tries {
				runs := draw(random, all[pool], 2*n)
				c, err := Compare(runs[:n], runs[n:], Options{})
				if err != nil {
					t.Fatal(err)
				}
				if c.Result == Differs {
					alarms++
				}
			}
			if alarms > of.limit {
				t.Errorf("%s, %d a side: a difference in %d of %d tries", pool, n, alarms, of.tries)
			}
		}
	}
}

// bound is a threshold on runs.
func bound(t *testing.T, expr string) metric.Relative {
	t.Helper()
	r, err := metric.ParseRelative(func(name string) (metric.Metric, error) { return metric.Lookup(record.KindRun, name) }, expr)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A gate fails on the same build in no more than about 5 of 100 tries, however noisy its metric is; if noise is much smaller than the bound, never.
// On a server that is 5 % slower a narrower one fails.
func TestGates(t *testing.T) {
	const tries, n, limit = 100, 5, 12 // the 99.9 % quantile
	all := recorded(t)
	random := rand.New(rand.NewPCG(3, 0))
	same := []metric.Relative{bound(t, "lifecycle.p50<+25%"), bound(t, "lifecycle.p99<+5%"), bound(t, "lifecycle.min<+5%")}
	for _, pool := range []string{"p", "s", "t"} {
		missed := make([]int, len(same))
		for range tries {
			runs := draw(random, all[pool], 2*n)
			sides := [2]side{newSide(runs[:n], nil), newSide(runs[n:], nil)}
			for i, g := range same {
				if r, _ := evaluate([]metric.Relative{g}, &sides); !r[0].OK {
					missed[i]++
				}
			}
		}
		if slices.Max(missed) > limit || pool != "p" && missed[2] > 0 {
			t.Errorf("%s: the gates failed in %v of %d tries on the same build", pool, missed, tries)
		}
	}
	found := 0
	for range tries {
		sides := [2]side{newSide(draw(random, all["s"], n), nil), newSide(draw(random, all["t"], n), nil)}
		if r, _ := evaluate([]metric.Relative{bound(t, "lifecycle.min<+2%")}, &sides); !r[0].OK {
			found++
		}
	}
	if found < tries*9/10 {
		t.Errorf("the gate failed in %d of %d tries on a slower server", found, tries)
	}
}

// Several gates of one comparison fail on the same build together in no more than about 5 of 100 tries.
func TestGatesTogether(t *testing.T) {
	const tries, n, limit = 100, 5, 12 // the 99.9 % quantile
	all := recorded(t)
	random := rand.New(rand.NewPCG(4, 0))
	var gates []metric.Relative
	for _, name := range []string{"lifecycle.p99", "lifecycle.p90", "connect.p99", "exchange.p99", "connect.p90", "lag.p99"} {
		gates = append(gates, bound(t, name+"<+5%"))
	}
	for _, pool := range []string{"p", "s", "t"} {
		failed := 0
		for range tries {
			runs := draw(random, all[pool], 2*n)
			c, err := Compare(runs[:n], runs[n:], Options{Thresholds: gates})
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(c.Thresholds, func(r record.ThresholdResult) bool { return !r.OK }) {
				failed++
			}
		}
		if failed > limit {
			t.Errorf("%s: a gate failed in %d of %d tries on the same build", pool, failed, tries)
		}
	}
}

// A server that is 5 % slower is found with 10 runs a side in at least 9 of 10 tries, and its delay named as the only cause.
func TestSlowdownIsFound(t *testing.T) {
	const tries, n = 50, 10
	all := recorded(t)
	random := rand.New(rand.NewPCG(2, 0))
	found := 0
	for range tries {
		c, err := Compare(draw(random, all["s"], n), draw(random, all["t"], n), Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range c.Rows {
			if r.Metric == "lifecycle.min" && r.Result == Worse {
				found++
			}
		}
		if len(c.Why) == 0 || c.Why[0].Key != "server.delay" {
			t.Fatalf("the causes are %+v, want server.delay first", c.Why)
		}
	}
	if found < tries*9/10 {
		t.Errorf("found in %d of %d tries", found, tries)
	}
}
