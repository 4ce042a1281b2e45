package verdict

import (
	"slices"
	"strings"
	"testing"

	"lastack/bench/record"
)

func TestVerdictStalled(t *testing.T) {
	// line is a timeline: of each interval its end, and what was completed in it. warm are of the warm-up.
	type line []struct{ end, completed float64 }
	for _, tt := range []struct {
		name  string
		loadS float64
		p90Us float64
		warm  int
		line  line
		limit string // empty: what it is without
		valid bool
		says  string
	}{
		{"never", 10, 5000, 0, line{{5, 9}, {10, 9}}, "", true, ""},
		{"until the end", 3, 5000, 0, line{{1, 9}, {2, 0}, {3.01, 0}}, record.LimitServer, false, "for 2.00 s of 3.00 s of load, from 1.00 s to 3.00 s,"},
		{"for a while", 10, 5000, 0, line{{1, 9}, {2, 0}, {4, 0}, {10, 9}}, record.LimitServer, true, "for 3.00 s of 10.0 s of load, from 1.00 s to 4.00 s,"},
		{"shortly", 60, 5000, 0, line{{30, 9}, {31, 0}, {32, 0}, {60, 9}}, "", true, "for 2.00 s of 60.0 s of load, from 30.0 s to 32.0 s,"},
		{"too shortly to tell", 10, 5000, 0, line{{1, 9}, {1.5, 0}, {10, 9}}, "", true, ""},
		{"slow lifecycles end in bursts", 10, 2e6, 0, line{{2, 9}, {4, 0}, {6, 9}, {8, 0}, {10, 9}}, "", true, ""},
		{"after a warm-up that is longer than the load", 3, 5000, 2, line{{2.5, 9}, {5, 9}, {6, 9}, {8, 0}}, record.LimitServer, false, "for 2.00 s of 3.00 s of load, from 6.00 s to 8.00 s,"},
		{"after the load", 3, 5000, 0, line{{1, 9}, {3, 9}, {4, 0}, {9, 0}}, "", true, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := closedLoop()
			r.LoadS = tt.loadS
			r.Latency["lifecycle"] = record.Latency{Count: 80_000, MeanUs: 8123.4, P90Us: tt.p90Us}
			without := words(t, &r)
			for i, iv := range tt.line {
				phase := "load"
				if i < tt.warm {
					phase = "warmup"
				}
				r.Timeline = append(r.Timeline, record.Interval{TS: iv.end, Phase: phase, Completed: int64(iv.completed), InFlight: 64})
			}
			got := words(t, &r)
			limit := tt.limit
			if limit == "" {
				limit = without.LimitedBy
			}
			said := strings.Join(got.Reasons, "\n")
			if got.LimitedBy != limit || got.Valid != tt.valid || strings.Contains(said, "no lifecycle was completed") != (tt.says != "") || !strings.Contains(said, tt.says) {
				t.Errorf("%+v: want limit %s, valid %v, %q", got, limit, tt.valid, tt.says)
			}
		})
	}
}

// TestVerdictStalledNot has stretches in which nobody waited for the target.
func TestVerdictStalledNot(t *testing.T) {
	stands := []record.Interval{{TS: 1, Completed: 9, InFlight: 64}, {TS: 5, InFlight: 64}, {TS: 10, Completed: 9}}
	for name, f := range map[string]func(*record.Run){
		"nothing in flight": func(r *record.Run) {
			r.Timeline = []record.Interval{{TS: 1, Completed: 9}, {TS: 5}, {TS: 10, Completed: 9}}
		},
		"one that has begun": func(r *record.Run) {
			r.Timeline = []record.Interval{{TS: 1, Completed: 9}, {TS: 5, InFlight: 1}, {TS: 10, Completed: 9}}
		},
		"held":         func(r *record.Run) { r.Timeline, r.Plan.Groups[0].HoldNs = stands, 25e8 },
		"thinking":     func(r *record.Run) { r.Timeline, r.Plan.Groups[0].ThinkNs, r.Plan.Groups[0].Requests = stands, 1e9, 3 },
		"replies":      func(r *record.Run) { r.Timeline = slices.Clone(stands); r.Timeline[1].Requests = 1 },
		"nothing ever": func(r *record.Run) { r.Timeline = stands; r.Latency["lifecycle"] = record.Latency{} },
	} {
		r := closedLoop()
		r.LoadS = 10
		f(&r)
		if said := strings.Join(words(t, &r).Reasons, "\n"); strings.Contains(said, "no lifecycle was completed") {
			t.Errorf("%s: %s", name, said)
		}
	}
}
