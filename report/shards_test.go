package report

import (
	"fmt"
	"strings"
	"testing"

	"lastack/bench/record"
)

// A peak that a merged run added up is shown as an upper bound, one that was seen in one network namespace as a fact.
func TestSumsOfPeaks(t *testing.T) {
	run := func(hosts ...string) *record.Run {
		r := &record.Run{
			Result:   record.Result{Connections: record.Connections{Attempted: 9, Completed: 9, PeakOpen: 4}},
			States:   record.States{Peak: map[string]map[string]int{"client": {"ESTABLISHED": 4}}},
			TimeWait: record.TimeWait{Entered: 9, Peak: 7, PeakBySide: map[string]int{"client": 7}, FinWait2MiniPeak: 2, OrphanPeak: 3},
		}
		for i, boot := range hosts {
			r.Shards = append(r.Shards, record.ShardResult{Shard: record.Shard{I: i, N: len(hosts)}, Host: record.Host{BootID: boot, NetNS: "n"}})
		}
		return r
	}
	const sums = "peaks are upper bounds"
	for _, tt := range []struct {
		hosts     []string
		want, not []string
	}{
		{nil, []string{"most at once 4", "; peak 7", "peak 7 client 7", "peak 2", "peak 3"}, []string{sums, "at most"}},
		{[]string{"a"}, []string{"most at once 4", "; peak 7"}, []string{sums, "at most"}},
		{[]string{"a", "a"}, []string{"at most 4 at once", "; peak 7"}, []string{sums, "most at once", "peak at most"}},
		{
			[]string{"a", "a", "b"},
			[]string{"at most 4 at once", sums, "; peak at most 7", "peak 7 at most: client 7", "peak at most 2", "peak at most 3"},
			[]string{"most at once", "; peak 7"},
		},
	} {
		r := run(tt.hosts...)
		got := words(t, connections(r)) + " " + words(t, states(r)) + " " + words(t, timeWait(r))
		for _, w := range tt.want {
			if !strings.Contains(got, w) {
				t.Errorf("%q: want %q in %q", tt.hosts, w, got)
			}
		}
		for _, w := range tt.not {
			if strings.Contains(got, w) {
				t.Errorf("%q: %q is in %q", tt.hosts, w, got)
			}
		}
		const seen = "; seen on the client (peak %s7)"
		r.States.Source = "proc"
		if got, want := timeWaitSeen(r), fmt.Sprintf(seen, given(len(tt.hosts) == 3, "at most ")); got != want {
			t.Errorf("%q: %q, want %q", tt.hosts, got, want)
		}
	}
}
