package report

import (
	"fmt"
	"maps"
	"slices"
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
	if n := len(r.Shards); n == 1 {
		of = "this one"
	} else if n < r.Shards[0].N {
		of = fmt.Sprintf("these %d", n)
	}
	return fmt.Sprintf("%d of %d, on %s: counts are of %s", len(r.Shards), r.Shards[0].N, number(len(hosts), "host", "hosts"), of)
}

// summed reports whether peaks of the kernel's sockets are sums: a merged run adds up those of its network namespaces.
func summed(r *record.Run) bool {
	for i := range r.Shards {
		if r.Shards[i].Kernel() != r.Shards[0].Kernel() {
			return true
		}
	}
	return false
}

// peakWords is a peak of the kernel's sockets. A sum of peaks is an upper bound.
func peakWords(r *record.Run, n int) string {
	return "peak " + given(summed(r), "at most ") + quantity.Count(int64(n))
}

// shards is a merged run's table of its parts.
func shards(r *record.Run) *section {
	if len(r.Shards) == 0 {
		return nil
	}
	lead, odd := oddShards(r.Shards)
	s := begin(document.First, "SHARDS", lead)
	t := s.table(document.First, "shard", "attempted", "completed/s", "failed", "lifecycle p99", "late", "limited by", "+clock within")
	for _, isOdd := range []bool{true, false} { // those first, since a first page has room for a few
		for i := range r.Shards {
			if of := &r.Shards[i]; odd(of) == isOdd {
				shardRow(t, of)
			}
		}
	}
	return s
}

// oddShards says how many shards are not valid, and how many are limited by something else than most of the others, and which.
func oddShards(shards []record.ShardResult) (lead string, odd func(*record.ShardResult) bool) {
	limits := map[string]int{}
	for i := range shards {
		if v := &shards[i].Verdict; v.Valid {
			limits[v.LimitedBy]++
		}
	}
	usual := ""
	for _, l := range slices.Sorted(maps.Keys(limits)) {
		if limits[l] > limits[usual] {
			usual = l
		}
	}
	var parts []string
	valid := 0
	for _, n := range limits {
		valid += n
	}
	if n := len(shards) - valid; n > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d not valid", n, len(shards)))
	}
	for _, l := range slices.Sorted(maps.Keys(limits)) {
		switch l {
		case usual:
		case record.LimitTarget:
			parts = append(parts, fmt.Sprintf("%d of %d met the rate", limits[l], len(shards)))
		default:
			parts = append(parts, fmt.Sprintf("%d of %d limited by %s", limits[l], len(shards), shardLimit(l)))
		}
	}
	if len(parts) == 0 {
		return "all alike", func(*record.ShardResult) bool { return false }
	}
	return strings.Join(parts, ", "), func(s *record.ShardResult) bool { return !s.Verdict.Valid || s.Verdict.LimitedBy != usual }
}

func shardLimit(by string) string { return strings.ReplaceAll(record.CapacityWords(by), "_", " ") }

func shardRow(t *table, of *record.ShardResult) {
	var p99, late, clock document.Value
	if l := of.Latency["lifecycle"]; l.Count > 0 {
		p99 = document.Micros(l.P99Us)
	}
	if of.StartAt != nil {
		late, clock = document.Micros(of.StartSkewUs), document.Micros(of.ClockUncertaintyUs)
	}
	by := shardLimit(of.Verdict.LimitedBy)
	if !of.Verdict.Valid {
		by += ", not valid"
	}
	row := t.row(fmt.Sprint(of.I), document.Count(of.Connections.Attempted), document.Rate(of.Rate.CompletedPerS), document.Count(of.Connections.Failed),
		p99, late, txt(by), clock)
	row.Level = document.First
	if !of.Verdict.Valid {
		row.Tone = document.Bad
	}
}
