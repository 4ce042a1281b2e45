package report

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"lastack/bench/record"
)

// allocated is how many bytes f allocates: unlike its time, the same on a busy machine.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// However absurd what a record holds is, its page stays within bounds, and so do the memory and the time that it takes.
func TestAbsurdRecords(t *testing.T) {
	word, words := strings.Repeat("x", 1<<20), strings.Repeat("äöü ", 1<<18)
	many := func(n int) []string {
		var list []string
		for i := range n {
			list = append(list, fmt.Sprintf("%d", i))
		}
		return list
	}
	for _, tt := range []struct {
		name   string
		change func(r *record.Run)
		lines  int
	}{
		{"a long word", func(r *record.Run) { r.Warnings = []string{word} }, 300},
		{"a long text", func(r *record.Run) { r.Warnings = []string{words} }, 400},
		{"a long word everywhere", func(r *record.Run) {
			r.Version, r.Kind, r.Plan.Command, r.Plan.EngineReason = word, word, []string{word}, word
			r.Outcomes[word], r.Counters[word] = 1, 1
			r.Verdict.LimitedBy, r.Verdict.Reasons, r.Verdict.Advice = word, []string{word}, []string{word}
			r.Timeline[0].Phase, r.Timeline[0].Client = word, map[string]int{word: 5}
			r.Accounting[0].Name, r.Accounting[0].Note = word, word
			r.Thresholds = []record.ThresholdResult{{Expr: word, GotText: word, Reason: word}}
			r.Sandbox.Sysctls = map[string]string{word: word}
		}, 4000},
		{"many targets and sources", func(r *record.Run) {
			r.Plan.Groups[0].Targets, r.Plan.Groups[0].Sources = many(50_000), many(50_000)
		}, 300},
		{"many phases and states", func(r *record.Run) {
			r.Timeline = nil
			for _, s := range many(5_000) {
				r.Timeline = append(r.Timeline, record.Interval{Phase: s, Client: map[string]int{s: 1}, Server: map[string]int{s: 1}})
			}
		}, 300},
		{"many groups of a drain", func(r *record.Run) {
			r.Kind = record.KindDrain
			try := record.DrainTry{Groups: make([]record.DrainGroup, 5_000)}
			for i, s := range many(5_000) {
				try.Groups[i].Name, try.Groups[i].OpenAtStop = s, 1
			}
			r.Drain = &record.Drain{Tries: []record.DrainTry{try}}
		}, 300},
		{"many warnings and statements of many tries", func(r *record.Run) {
			r.Kind, r.Warnings, r.Drain = record.KindDrain, many(5_000), &record.Drain{}
			for i := range 200 {
				try := record.DrainTry{Warnings: many(5_000)}
				for j := range 50 {
					try.Accounting = append(try.Accounting, record.Check{Name: fmt.Sprint(i, j), Exact: true})
				}
				r.Drain.Tries = append(r.Drain.Tries, try)
			}
		}, 40_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := sample(t, "veth")
			tt.change(r)
			var page []byte
			const most = 600 << 20
			if n := allocated(func() { page = render(t, "text", r) }); n > most {
				t.Errorf("%d MiB were allocated, want at most %d", n>>20, most>>20)
			}
			checkPage(t, page)
			if n := allocated(func() { checkFirst(t, show(t, View{Format: "text"}, r)) }); n > most {
				t.Errorf("the first page: %d MiB were allocated, want at most %d", n>>20, most>>20)
			}
			if n := strings.Count(string(page), "\n"); n > tt.lines {
				t.Errorf("%d lines, want at most %d", n, tt.lines)
			}
			for _, format := range []string{"md", "csv", "hlog", "html"} {
				if n := allocated(func() { page = render(t, format, r) }); n > most || len(page) > 3<<19 {
					t.Errorf("%s: %d MiB were allocated, want at most %d; %d bytes", format, n>>20, most>>20, len(page))
				}
			}
		})
	}
}
