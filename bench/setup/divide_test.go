package setup

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"lastack/bench/sandbox"
	"lastack/bench/shard"
	"lastack/loadgen"
)

// What the shards have adds up to the whole, and each of them knows that it is the same whole.
func TestDivide(t *testing.T) {
	addrs := func(n int) (all []netip.Addr) {
		for i := range n {
			all = append(all, netip.AddrFrom4([4]byte{127, 0, 1, byte(i)}))
		}
		return all
	}
	for _, whole := range []loadgen.Plan{
		{Groups: []loadgen.Group{{Connections: 10}}},
		{Groups: []loadgen.Group{{Connections: 65, Plateau: time.Second, CloseRate: 90}}},
		{Groups: []loadgen.Group{{RateFrom: 900, RateTo: 2700, Sources: addrs(7)}}, Duration: time.Second},
		{Groups: []loadgen.Group{{RateFrom: 30, RateTo: 30, Connections: 11}, {Connections: 4}}, Count: 1001},
	} {
		for _, n := range []int{1, 2, 3, 4} {
			var sum loadgen.Plan
			sum.Groups = make([]loadgen.Group, len(whole.Groups))
			digests := map[string]bool{}
			var phases []float64
			for i := range n {
				s := Spec{Plan: whole, Names: []string{"web.example:80"}, Sandbox: &sandbox.Spec{}}
				if i > 0 { // hosts differ
					s.Plan.Groups = slices.Clone(whole.Groups)
					s.Plan.Workers, s.Plan.Groups[0].Seed = i, uint64(i)
				}
				if err := s.Divide(shard.Shard{I: i, N: n}); err != nil {
					t.Fatal(err)
				}
				if s.Shard.I != i || s.Shard.N != n {
					t.Errorf("%+v", s.Shard)
				}
				digests[s.Shard.PlanSHA256] = true
				sum.Count += s.Plan.Count
				for k := range s.Plan.Groups {
					g, all := &s.Plan.Groups[k], &sum.Groups[k]
					all.Connections += g.Connections
					all.RateFrom += g.RateFrom
					all.RateTo += g.RateTo
					all.CloseRate += g.CloseRate
					all.Sources = append(all.Sources, g.Sources...)
				}
				phases = append(phases, s.Plan.Groups[0].Phase)
			}
			if len(digests) != 1 || sum.Count != whole.Count || phases[n-1] != float64(n-1)/float64(n) {
				t.Errorf("%d shards: %d digests, count %d of %d, phases %v", n, len(digests), sum.Count, whole.Count, phases)
			}
			for k := range whole.Groups {
				g, want := &sum.Groups[k], &whole.Groups[k]
				if g.Connections != want.Connections || g.RateFrom != want.RateFrom || g.RateTo != want.RateTo || g.CloseRate != want.CloseRate || len(g.Sources) != len(want.Sources) {
					t.Errorf("%d shards: group %+v, want %+v", n, g, want)
				}
			}
		}
	}
}

// Another load has another digest.
func TestDigestDiffers(t *testing.T) {
	seen := map[string]int{}
	for i, s := range []Spec{
		{Plan: loadgen.Plan{Groups: []loadgen.Group{{RateFrom: 10, RateTo: 10}}}, Names: []string{"a:1"}},
		{Plan: loadgen.Plan{Groups: []loadgen.Group{{RateFrom: 20, RateTo: 20}}}, Names: []string{"a:1"}},
		{Plan: loadgen.Plan{Groups: []loadgen.Group{{RateFrom: 10, RateTo: 10}}}, Names: []string{"b:1"}},
		{Plan: loadgen.Plan{Groups: []loadgen.Group{{RateFrom: 10, RateTo: 10}}, Duration: 1}, Names: []string{"a:1"}},
		{Plan: loadgen.Plan{Groups: []loadgen.Group{{RateFrom: 10, RateTo: 10}}}, Server: &Server{Backlog: 5}},
		{Plan: loadgen.Plan{Groups: []loadgen.Group{{RateFrom: 10, RateTo: 10}}}, Sandbox: &sandbox.Spec{Topology: sandbox.Veth}},
	} {
		d, err := s.digest()
		if was, ok := seen[d]; err != nil || ok {
			t.Errorf("%d has the digest of %d (%v)", i, was, err)
		}
		seen[d] = i
	}
}
