package merge

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
)

func TestAxis(t *testing.T) {
	t.Parallel()
	ends := func(at ...int64) []int64 { return at }
	for _, c := range []struct {
		name string
		of   [][]int64
		want []int64
	}{
		{"alike", [][]int64{ends(1, 2, 3), ends(1, 2, 3)}, ends(1, 2, 3)},
		{"one is longer", [][]int64{ends(1, 2), ends(1, 2, 3, 4)}, ends(1, 2, 3, 4)},
		{"twice the interval", [][]int64{ends(1, 2, 3, 4, 5), ends(2, 4, 6)}, ends(2, 4, 6)},
		{"a late tick", [][]int64{ends(1, 2, 3, 4), ends(1, 3, 4)}, ends(1, 3, 4)},
		{"nothing in common", [][]int64{ends(3, 6), ends(2, 4)}, ends(6)},
		{"the last one came in between", [][]int64{ends(2, 4, 6), ends(1, 2, 3)}, ends(2, 4, 6)},
		{"no timeline", [][]int64{nil, ends(1, 2), nil}, ends(1, 2)},
	} {
		for _, turned := range []bool{false, true} {
			var a axis
			for i := range c.of {
				if turned {
					i = len(c.of) - 1 - i
				}
				a = a.with(c.of[i])
			}
			if d := cmp.Diff(c.want, a.ends); d != "" {
				t.Errorf("%s, turned %v:\n%s", c.name, turned, d)
			}
		}
	}
	a := axis{}.with(ends(1e9, 2e9, 3e9, 4e9, 5e9)).coarser()
	if d := cmp.Diff(ends(2e9, 4e9, 5e9), a.ends); d != "" {
		t.Error(d)
	}
	// What was the last is no end any more once another is.
	if d := cmp.Diff(ends(2e9, 4e9, 6e9, 7e9), a.with(ends(1e9, 2e9, 3e9, 4e9, 5e9, 6e9, 7e9)).ends); d != "" {
		t.Error(d)
	}
	// One at 0 has all factors of 2.
	if a := (axis{}).with(ends(0, 1e9)).coarser(); len(a.ends) != 1 || a.ends[0] != 1e9 {
		t.Error(a)
	}
	if a.at(1) != 2e9 || a.at(2e9) != 2e9 || a.at(4e9+1) != 5e9 || a.at(9e9) != 5e9 {
		t.Error(a.at(1), a.at(2e9), a.at(4e9+1), a.at(9e9))
	}
}

// A record cannot have more rows in one interval than any run makes: they would take memory that no coarser axis gives back.
func TestManyRowsAtOnce(t *testing.T) {
	t.Parallel()
	shards, _ := made(t, rand.New(rand.NewPCG(17, 17)), 2)
	rows := shards[0].Timeline[:0:0]
	var completed int64
	for i := range 1000 {
		rows = append(rows, record.Interval{TS: 0.001, Phase: record.Phases()[i%2], Completed: 1, Lifecycle: shards[0].Timeline[0].Lifecycle})
		completed++
	}
	shards[0].Timeline = rows
	m := Merger{timeline: timeline{most: 1}}
	for i, r := range shards {
		m.Add(fmt.Sprint(i), again(t, r))
		if n := len(m.timeline.rows); n > mostInOne {
			t.Errorf("%d rows", n)
		}
	}
	r, err := m.Result(false)
	if err != nil {
		t.Fatal(err)
	}
	for i := range r.Timeline {
		completed -= r.Timeline[i].Completed
	}
	for i := range shards[1].Timeline {
		completed += shards[1].Timeline[i].Completed
	}
	if completed != 0 {
		t.Errorf("%d more completed than in the rows", completed)
	}
}

// apartTicks has shards look at unequal instants: at intervals of two lengths, late, and with intervals that were folded.
func apartTicks(rng *rand.Rand, r *record.Run) {
	every := []float64{0.125, 0.25}[rng.IntN(2)]
	var rows []record.Interval
	at := 0
	for k, iv := range r.Timeline {
		at++
		if k > 0 && rng.IntN(8) == 0 {
			at++ // nobody looked meanwhile
		}
		iv.TS, iv.Phase, iv.InFlight, iv.Completed = float64(at)*every+rng.Float64()/100, record.PhaseLoad, int64(10+at), int64(1+rng.IntN(9))
		iv.Client = map[string]int{"ESTABLISHED": 1 + at}
		rows = append(rows, iv)
	}
	r.Timeline, r.Observer.IntervalS = rows, every
}

// At the end of each interval of a merged timeline, as many were completed as in all shards until then, and its levels are those of the shards that
// went on: whatever the order, and also where it is folded for want of memory.
func TestUnequalIntervals(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(13, seed))
		n := 2 + rng.IntN(5)
		shards, _ := made(t, rng, n)
		for i, r := range shards {
			r.Hosts[0].BootID = fmt.Sprint(i)
			apartTicks(rng, r)
		}
		most := []int{0, 20, 60}[seed%3]
		all := func(runs ...*record.Run) *record.Run {
			m := Merger{timeline: timeline{most: most}}
			for i, r := range runs {
				m.Add(fmt.Sprint(i), again(t, r))
			}
			r, err := m.Result(true)
			if err != nil {
				t.Fatal(err)
			}
			return again(t, r)
		}
		r := all(shards...)
		mixed := append([]*record.Run{}, shards...)
		rng.Shuffle(n, func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		cut := 1 + rng.IntN(n-1)
		for how, other := range map[string]*record.Run{"in another order": all(mixed...), "by groups": all(all(mixed[:cut]...), all(mixed[cut:]...))} {
			if d := cmp.Diff(r.Timeline, other.Timeline); d != "" {
				t.Errorf("seed %d, %s:\n%s", seed, how, d)
			}
		}
		var completed int64
		for k := range r.Timeline {
			row := &r.Timeline[k]
			completed += row.Completed
			end := math.Round(row.TS/0.125) * 0.125
			var want, inFlight int64
			var sockets int
			for _, s := range shards {
				for i := range s.Timeline {
					iv := &s.Timeline[i]
					if at := math.Round(iv.TS/s.Observer.IntervalS) * s.Observer.IntervalS; at <= end {
						want += iv.Completed
						if at == end {
							inFlight, sockets = inFlight+iv.InFlight, sockets+iv.Client["ESTABLISHED"]
						}
					}
				}
			}
			if completed != want || row.InFlight != inFlight || row.Client["ESTABLISHED"] != sockets {
				t.Errorf("seed %d, until %v: %d completed, %d in flight, %d sockets; want %d, %d, %d", seed, end, completed, row.InFlight, row.Client["ESTABLISHED"], want, inFlight, sockets)
			}
		}
		if most == 0 {
			continue
		}
		var m Merger
		m.timeline.most = most
		for i, s := range shards {
			m.Add(fmt.Sprint(i), again(t, s))
		}
		if got := m.timeline.pages(); got > most && len(m.timeline.axis.ends) > 1 {
			t.Errorf("seed %d: %d pages of %d", seed, got, most)
		}
		if coarse := m.timeline.axis.coarse; coarse == 0 || !slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.Contains(w, "intervals are longer") }) {
			t.Errorf("seed %d: %d times as long, warnings %q", seed, 1<<coarse, r.Warnings)
		}
	}
}
