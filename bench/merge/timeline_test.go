package merge

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
)

// some is a histogram of a part of the values of another.
func some(t *testing.T, rng *rand.Rand, l *record.Latency) *record.Latency {
	t.Helper()
	all, err := hdr.Decode([]byte(l.Hdr))
	if err != nil {
		t.Fatal(err)
	}
	part := record.NewHistogram()
	for _, b := range all.Distribution() {
		if n := rng.Int64N(b.Count + 1); n > 0 {
			if err := part.RecordValues(b.From, n); err != nil {
				t.Fatal(err)
			}
		}
	}
	if part.TotalCount() == 0 {
		return nil
	}
	p := mustLatency(t, part)
	return &p
}

// uneven has the phases of shards end at unequal moments: warm-ups, of whose lifecycles there are no histograms, and loads that were stopped. Some end
// within an interval, and some ticks come late.
func uneven(t *testing.T, rng *rand.Rand, r *record.Run) {
	t.Helper()
	warm, stopped, every := rng.IntN(4), 3+rng.IntN(4), 0.1
	var rows []record.Interval
	for k, iv := range r.Timeline {
		iv.TS, iv.InFlight, iv.Phase = float64(k+1)*every+rng.Float64()/100, int64(100*k+r.Shard.I), record.PhaseLoad
		switch {
		case k < warm:
			iv.Phase, iv.Lifecycle = record.PhaseWarmup, nil
		case k == warm && iv.Lifecycle != nil:
			iv.Lifecycle = some(t, rng, iv.Lifecycle)
		case k > stopped:
			iv.Phase = record.PhaseDrain
		}
		rows = append(rows, iv)
		more := record.Interval{TS: iv.TS + every/10, Phase: iv.Phase, Completed: 1, InFlight: iv.InFlight + 1, Client: map[string]int{"ESTABLISHED": 1000}}
		if k == stopped {
			more.Phase = record.PhaseDrain // the rest of the interval in which it was stopped
		}
		if k == stopped || rng.IntN(10) == 0 {
			rows = append(rows, more)
		}
	}
	r.Timeline, r.Observer.IntervalS = rows, every
}

// inSlots are the rows of a timeline by the number of their interval.
func inSlots(rows []record.Interval) map[int][]record.Interval {
	all := map[int][]record.Interval{}
	for _, iv := range rows {
		at := int(math.Round(iv.TS / 0.1))
		all[at] = append(all[at], iv)
	}
	return all
}

// An interval of the merged timeline is the sum of what all shards did in it, in whatever phase each was.
func TestUnevenPhases(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(11, seed))
		n := 2 + rng.IntN(6)
		if seed == 0 {
			n = 20
		}
		shards, _ := made(t, rng, n)
		for i, r := range shards {
			r.Hosts[0].BootID = fmt.Sprint(i) // each with its own kernel
			uneven(t, rng, r)
		}
		r := merged(t, false, shards...)
		want := text(t, r)
		cut := 1 + rng.IntN(n-1)
		mixed := slices.Clone(shards)
		rng.Shuffle(n, func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		if d := cmp.Diff(want, text(t, merged(t, false, merged(t, true, mixed[cut:]...), merged(t, true, mixed[:cut]...)))); d != "" {
			t.Fatalf("seed %d, in another order:\n%s", seed, d)
		}
		for i := range r.Timeline[1:] {
			was, is := &r.Timeline[i], &r.Timeline[i+1]
			if is.TS < was.TS || phaseOf(is) < phaseOf(was) || !slices.Contains(record.Phases(), is.Phase) {
				t.Errorf("seed %d: %v at %v, then %v at %v", seed, was.Phase, was.TS, is.Phase, is.TS)
			}
		}
		got := inSlots(r.Timeline)
		for at, rows := range got {
			var completed, inFlight, kept int64
			least, most := math.Inf(1), 0.0
			var sockets, places int
			for _, s := range shards {
				own := inSlots(s.Timeline)[at]
				last := &own[len(own)-1]
				inFlight, sockets = inFlight+last.InFlight, sockets+last.Client["ESTABLISHED"]
				named := map[string]bool{}
				for _, iv := range own {
					completed += iv.Completed
					named[iv.Phase] = true
					if iv.Lifecycle != nil {
						kept += iv.Lifecycle.Count
						least, most = min(least, iv.Lifecycle.P50Us), max(most, iv.Lifecycle.P50Us)
					}
					if iv.P50Us > 0 {
						least, most = min(least, iv.P50Us), max(most, iv.P50Us)
					}
				}
				places = max(places, len(named))
			}
			last := &rows[len(rows)-1]
			if last.InFlight != inFlight || last.Client["ESTABLISHED"] != sockets || len(rows) != places {
				t.Errorf("seed %d, interval %d: %d in flight and %d sockets in %d rows, want %d and %d in %d", seed, at, last.InFlight, last.Client["ESTABLISHED"], len(rows), inFlight, sockets, places)
			}
			for _, iv := range rows {
				completed -= iv.Completed
				if iv.Lifecycle != nil {
					kept -= iv.Lifecycle.Count
				}
				if iv.P50Us > 0 && (iv.P50Us < least || iv.P50Us > most) {
					t.Errorf("seed %d, interval %d: p50 %v of shards with %v to %v", seed, at, iv.P50Us, least, most)
				}
			}
			if completed != 0 || kept != 0 {
				t.Errorf("seed %d, interval %d: %d completed and %d timed ones are missing", seed, at, completed, kept)
			}
		}
	}
}

// The percentiles of an interval are those of the lifecycles that it had, and not of the few of which there is a histogram.
func TestPercentile(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ p, known, histogram, rest, want float64 }{
		{0.5, 1, 10, 0, 10},
		{0.5, 0.3, 10, 0, 10}, // whatever else completed was not timed
		{0.5, 0.01, 4000, 900, 900},
		{0.99, 0.01, 4000, 900, 4000},
		{0.5, 0.4, 800, 900, 900},
		{0.5, 0.4, 900, 800, 900},
		{0.5, 0.99, 800, 900, 800},
		{0.99, 0.99, 800, 900, 900},
	} {
		if got := percentile(tc.p, tc.known, tc.histogram, tc.rest); got != tc.want {
			t.Errorf("%+v: %v", tc, got)
		}
	}
}
