package verdict

import (
	"strings"
	"testing"
	"time"

	"lastack/bench/record"
)

func TestShards(t *testing.T) {
	at := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	met := record.Verdict{Valid: true, LimitedBy: record.LimitTarget}
	shards := func(change func(all []record.ShardResult)) record.Run {
		all := make([]record.ShardResult, 3)
		for i := range all {
			all[i] = record.ShardResult{Shard: record.Shard{I: i, N: 3, StartAt: &at, StartSkewUs: 100, ClockUncertaintyUs: 20}, Verdict: met}
		}
		if change != nil {
			change(all)
		}
		return record.Run{Kind: record.KindRun, Shards: all}
	}
	for _, tt := range []struct {
		name  string
		run   record.Run
		valid bool
		limit string
		says  string
	}{
		{"all alike", shards(nil), true, record.LimitTarget, "all 3 shards started within 40.0 µs of each other"},
		{
			"one was limited", shards(func(all []record.ShardResult) { all[1].Verdict.LimitedBy = record.LimitGeneratorCPU }),
			true, record.LimitGeneratorCPU, "limited by the generator's CPU: shard 1, of 0 to 2",
		},
		{
			"one is not valid", shards(func(all []record.ShardResult) {
				all[2].Verdict = record.Verdict{LimitedBy: record.LimitHalted, Reasons: []string{"it was halted for 2 s"}}
			}), false, record.LimitHalted, "shard 2 is not valid: it was halted for 2 s",
		},
		{
			"late", shards(func(all []record.ShardResult) {
				all[2].StartSkewUs, all[2].Pressure.CPU.GeneratorBusiest = 40_000, 0.97
			}), true, record.LimitTarget, "shard 2 was late by 40.0 ms: its generator's CPU was full",
		},
		{
			"absent", shards(func(all []record.ShardResult) {
				for i := range all {
					all[i].Absent = []int{3, 4}
				}
			}), true, record.LimitTarget, "shards 3 and 4 did not come",
		},
		{"without clocks", shards(func(all []record.ShardResult) { all[1].StartAt = nil }), true, record.LimitTarget, "did not compare their clocks"},
		{"missing", func() record.Run {
			r := shards(nil)
			r.ShardsMissing = []int{1}
			return r
		}(), false, record.LimitTarget, "shard 1 took part, and is missing here"},
		{"interrupted", func() record.Run {
			r := shards(func(all []record.ShardResult) {
				for i := range all {
					all[i].Interrupted = true
				}
			})
			r.Interrupted = true
			return r
		}(), true, record.LimitInterrupted, "stopped by a signal after"},
		{"one interrupted", func() record.Run {
			r := shards(func(all []record.ShardResult) { all[1].Interrupted = true })
			r.Interrupted = true
			return r
		}(), false, record.LimitInterrupted, "shard 1 was stopped by a signal and the others were not"},
	} {
		v := words(t, &tt.run)
		if said := strings.Join(v.Reasons, "\n"); v.Valid != tt.valid || v.LimitedBy != tt.limit || !strings.Contains(said, tt.says) {
			t.Errorf("%s: valid %v, limited by %s, %q; want %v, %s, %q", tt.name, v.Valid, v.LimitedBy, said, tt.valid, tt.limit, tt.says)
		}
	}
}
