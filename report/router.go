package report

import (
	"maps"
	"slices"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// router is what the router between client and server tracked, and what it could not take.
func router(run *record.Run) *section {
	k := run.Tracking
	if k == nil {
		return nil
	}
	lead := "at most " + number(k.Peak, "connection", "connections") + " tracked at once"
	if k.Max > 0 {
		lead += " of at most " + quantity.Count(k.Max)
	}
	s := begin(document.First, "ROUTER", lead)
	if k.InsertFailed+k.Dropped > 0 {
		s.Tone = document.Bad
	}
	t := s.table(document.First, "", "packets", "~")
	add := func(name string, n int64, means string) {
		row := t.row(name, count(n), txt(means))
		if row.Level = levelIf(n > 0); n > 0 {
			row.Tone = document.Bad
		}
	}
	add("insert failed", k.InsertFailed, "clashed with another connection, as when the NAT has no free port")
	add("dropped", k.Dropped, "no entry left for a new connection, or a clash")
	add("early dropped", k.EarlyDropped, "unanswered connections that made room for a new one")
	if k.StatesReason != "" {
		s.note("entries by state were not read: " + k.StatesReason)
	}
	if len(k.States) > 0 {
		states := s.table(document.Detail, "", "entries at the end")
		for _, state := range slices.Sorted(maps.Keys(k.States)) {
			states.row(state, count(k.States[state]))
		}
	}
	return s
}
