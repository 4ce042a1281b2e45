package report

import (
	"lastack/bench/record"
	"lastack/report/document"
)

// planData is a plan for programs: a row for each thing that it says, in columns that do not depend on the load. Numbers are in the unit of
// their row. What has no end has no value, but grows.
func planData(run *record.Run, c *record.Capacity) *section {
	s := begin(document.Data, "PLAN", "")
	t := s.table(document.Data, "kind", "side", "name", "unit", "rate per s", "value", "at least", "at most", "grows per s",
		"limit", "used at most", "reached from per s", "reached per s", "reached to per s", "full after s", "of need", "source", "change", "text")
	add := func(kind string) (set func(column string, v document.Value)) {
		row := t.row(kind, make([]document.Value, len(t.Columns)-1)...)
		row.Level = document.Data
		return func(column string, v document.Value) {
			for i := range t.Columns {
				if t.Columns[i].Name == column {
					row.Cells[i] = v
				}
			}
		}
	}
	exact := func(v float64) document.Value { return document.Number(finite(v)) }
	estimate := func(set func(string, document.Value), e *record.Estimate) {
		if e.Endless {
			set("grows per s", exact(e.Value))
			return
		}
		set("value", exact(e.Value))
		set("at least", exact(e.Lo))
		set("at most", exact(e.Hi))
	}
	for i, reason := range run.Verdict.Reasons {
		set := add("answer")
		if f := run.Verdict.Findings; i < len(f) {
			set("name", txt(f[i].Code))
		}
		set("text", txt(reason))
	}
	for i := range c.Limits {
		l := &c.Limits[i]
		set := add("limit")
		set("side", txt(l.Side))
		set("name", txt(l.Name))
		set("unit", txt(l.Unit))
		set("rate per s", exact(c.Asked.RateTo))
		estimate(set, &l.Peak)
		set("limit", exact(l.Max))
		if !l.Peak.Endless {
			set("used at most", exact(l.Use))
		}
		if r := l.Reached; r != nil {
			set("reached from per s", exact(r.Lo))
			set("reached per s", exact(r.Value))
			if r.Hi < mostRate {
				set("reached to per s", exact(r.Hi))
			}
		}
		if l.FullAfterS != nil {
			set("full after s", exact(l.FullAfterS.Value))
		}
		set("of need", txt(l.Need))
		set("source", txt(l.Source))
	}
	for i := range c.Needs {
		n := &c.Needs[i]
		for j := range n.At {
			set := add("need")
			set("side", txt(n.Side))
			set("name", txt(n.Name))
			set("unit", txt(n.Unit))
			set("rate per s", exact(c.Rates[j]))
			estimate(set, &n.At[j])
			set("source", txt(n.Formula))
		}
	}
	for i := range c.Changes {
		ch := &c.Changes[i]
		set := add("change")
		set("side", txt(ch.Side))
		set("name", txt(ch.Key))
		set("change", txt(becomes(ch.From, ch.To)))
		set("source", txt(ch.Where))
		set("text", txt(ch.Why))
	}
	for i := range c.Effects {
		e := &c.Effects[i]
		set := add("sensitivity")
		set("side", txt(e.Side))
		set("name", txt(e.Input))
		set("change", txt(becomes(e.From, e.To)))
		set("reached per s", exact(e.ReachedPerS))
		set("of need", txt(e.First))
	}
	for _, a := range c.Assumed {
		add("assumed")("text", txt(a))
	}
	return s
}
