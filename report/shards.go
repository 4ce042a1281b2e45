package report

import (
	"fmt"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// shardsWords says of how many parts a merged run is, and on how many hosts they were.
func shardsWords(r *record.Run) string {
	hosts := map[string]bool{}
	for i := range r.Shards {
		hosts[r.Shards[i].Host.BootID] = true
	}
	of := "all of them"
	if n := len(r.Shards); n < r.Shards[0].N {
		of = fmt.Sprintf("these %d", n)
	}
	return fmt.Sprintf("%d of %d, on %s: counts are of %s", len(r.Shards), r.Shards[0].N, number(len(hosts), "host", "hosts"), of)
}

// shards is a merged run's table of its parts.
func shards(r *record.Run) *section {
	if len(r.Shards) == 0 {
		return nil
	}
	limited := 0
	for i := range r.Shards {
		if v := &r.Shards[i].Verdict; !v.Valid || v.LimitedBy != record.LimitTarget {
			limited++
		}
	}
	lead := "all alike"
	if limited > 0 {
		lead = fmt.Sprintf("%d of %d did not meet their rate, or are not valid", limited, len(r.Shards))
	}
	s := begin(document.First, "SHARDS", lead)
	const most = 8 // on the first page
	t := s.table(document.First, "", "attempted", "completed/s", "failed", "lifecycle p99", "late", "clock within", "limited by")
	for i := range r.Shards {
		of := &r.Shards[i]
		var p99, late, clock document.Value
		if l := of.Latency["lifecycle"]; l.Count > 0 {
			p99 = txt(quantity.Micros(l.P99Us))
		}
		if of.StartAt != nil {
			late, clock = txt(quantity.Micros(float64(of.StartSkewUs))), txt(quantity.Micros(float64(of.ClockUncertaintyUs)))
		}
		by := strings.ReplaceAll(record.CapacityWords(of.Verdict.LimitedBy), "_", " ")
		if !of.Verdict.Valid {
			by += ", not valid"
		}
		row := t.row(fmt.Sprint("shard ", of.I), document.Count(of.Connections.Attempted), document.Rate(of.Rate.CompletedPerS), document.Count(of.Connections.Failed),
			p99, late, clock, txt(by))
		row.Level = levelIf(i < most || !of.Verdict.Valid)
		if !of.Verdict.Valid {
			row.Tone = document.Bad
		}
	}
	if n := len(r.Shards); n > most {
		s.say(document.First, fmt.Sprintf("%d more with -v", n-most))
	}
	return s
}
