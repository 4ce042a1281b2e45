package verify

import (
	"math"
	"slices"
	"testing"
	"time"

	"lastack/bench/model"
	"lastack/loadgen"
	"lastack/sockstate/teardown"
)

// The holds of the groups have the mean of the distribution, and nearly its spread.
func TestHolds(t *testing.T) {
	for _, tt := range []struct {
		hold           string
		n              int
		least, longest time.Duration
		deviation      float64 // s
	}{
		{"0s", 1, 0, 0, 0},
		{"3s", 1, 3 * time.Second, 3 * time.Second, 0},
		{"2s..8s", parts, 2150 * time.Millisecond, 7850 * time.Millisecond, 6 / math.Sqrt(12)},
		{"exp:4s", parts, 100 * time.Millisecond, 16 * time.Second, 4},
	} {
		hold := text[model.Time](t, tt.hold)
		all := holdsOf(hold)
		sum, squares := 0.0, 0.0
		for _, d := range all {
			sum += d.Seconds()
			squares += math.Pow((d - hold.Mean).Seconds(), 2)
		}
		n := float64(len(all))
		const near = 20 * time.Millisecond
		if len(all) != tt.n || !slices.IsSorted(all) || math.Abs(sum/n-hold.Mean.Seconds()) > 1e-6 || (all[0]-tt.least).Abs() > near || (all[len(all)-1]-tt.longest).Abs() > near {
			t.Errorf("%s: %v, mean %v", tt.hold, all, sum/n)
		}
		if d := math.Sqrt(squares / n); math.Abs(d-tt.deviation) > 0.06*tt.deviation {
			t.Errorf("%s: deviation %v, want %v", tt.hold, d, tt.deviation)
		}
	}
}

// The groups of a hold that varies are one load of the experiment's rate, whose arrivals take turns.
func TestGroups(t *testing.T) {
	e := &experiment{rate: 50}
	l := &model.Load{Hold: text[model.Time](t, "1s..3s"), Close: teardown.Policy{Who: teardown.ClientFirst, How: teardown.FIN}}
	all := e.groups(l, holdsOf(l.Hold), 7)
	rate := 0.0
	for i := range all {
		g := &all[i]
		rate += g.RateFrom
		if g.RateFrom != g.RateTo || g.Phase != float64(i)/parts || g.Seed != 0 || g.CloseTimeout <= g.Hold {
			t.Errorf("group %d: %+v", i, g)
		}
	}
	if math.Abs(rate-e.rate) > 1e-9 {
		t.Errorf("%v/s, want %v", rate, e.rate)
	}
	l.Poisson = true
	all = e.groups(l, holdsOf(l.Hold), 7)
	seeds := map[uint64]bool{}
	for _, g := range all {
		seeds[g.Seed] = g.Phase == 0 && g.Poisson
	}
	if len(seeds) != parts || slices.ContainsFunc(all, func(g loadgen.Group) bool { return !seeds[g.Seed] }) {
		t.Errorf("seeds %v", seeds)
	}
	// A server that closes first has one hold for all.
	if l.Close.Who = teardown.ServerFirst; holdsVary(l) {
		t.Error("a server's hold varies")
	}
}
