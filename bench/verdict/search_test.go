package verdict

import (
	"slices"
	"testing"

	"lastack/bench/record"
)

// The rate without a search is that of the lifecycles whose connect found a port at once: here 64 slots, 2 ms each.
func TestWithoutSearch(t *testing.T) {
	lifecycles := func(fast, slow int) record.Latency { return latencyOf(t, fast, slow) }
	const says = "without the search the load would open about 32,000/s, as fast as while connect found ports at once"
	for _, tt := range []struct {
		name string
		with func(*record.Run)
		want string
	}{
		{"as measured", func(r *record.Run) { r.Latency["lifecycle"] = lifecycles(14_100, 1968+64) }, says},
		{"held for 2 ms", func(r *record.Run) {
			r.Latency["lifecycle"] = lifecycles(14_100, 1968+64)
			r.Plan.Groups[0].HoldNs = 2e6
		}, "without the search the load would open about 16,000/s, as fast as while connect found ports at once"},
		{"too few that found one", func(r *record.Run) { r.Latency["lifecycle"] = lifecycles(99, 1968+64) }, ""},
		{"no histogram", func(r *record.Run) { r.Latency["lifecycle"] = record.Latency{Count: 16_000} }, ""},
		{"two groups", func(r *record.Run) {
			r.Latency["lifecycle"] = lifecycles(14_100, 1968+64)
			r.Plan.Groups = append(r.Plan.Groups, r.Plan.Groups[0])
		}, ""},
	} {
		r := closedLoop()
		walks(&r)
		tt.with(&r)
		v := words(t, &r)
		i := slices.IndexFunc(v.Reasons, func(s string) bool { return len(s) > 18 && s[:18] == "without the search" })
		if v.LimitedBy != record.LimitPortSearch || (i >= 0) != (tt.want != "") || i >= 0 && v.Reasons[i] != tt.want {
			t.Errorf("%s: limited by %s, %q, want %q", tt.name, v.LimitedBy, v.Reasons, tt.want)
		}
	}
}

// Where the rate without a search is known, the interval in which the ports ran out is told apart by it.
func TestFirstPassReckoned(t *testing.T) {
	r := closedLoop()
	walks(&r)
	r.LoadS, r.Connections.Opened = 4, 16_084
	r.Latency["lifecycle"] = latencyOf(t, 14_100, 1968+64)
	const want = "the load opened about 32,000/s until all ports that connect tries first were taken, after 441 ms, and 553.0/s from then on; they are the ports of one parity, 14,116 of 28,232"
	if v := words(t, &r); v.Reasons[0] != want {
		t.Errorf("%q, want %q", v.Reasons[0], want)
	}
}

// latencyOf is of so many lifecycles of 2 ms, and of 120 ms.
func latencyOf(t *testing.T, fast, slow int) record.Latency {
	t.Helper()
	h := record.NewHistogram()
	for ns, n := range map[int64]int{2_000_000: fast, 120_000_000: slow} {
		if err := h.RecordValues(ns, int64(n)); err != nil {
			t.Fatal(err)
		}
	}
	l, err := record.NewLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	return l
}
