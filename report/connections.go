package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
	"lastack/sockstate"
)

// rates says how fast connections were made.
func rates(run *record.Run) *document.Section {
	r := run.Rate
	if r == (record.Rate{}) {
		return nil
	}
	s := &document.Section{ID: "rates", Title: "RATES", Level: document.First}
	t := table(document.Detail, "", "", "", "~")
	part := func(v float64) document.Value { return share(v, r.TargetPerS) }
	perS := func(v float64) string { return quantity.PerSecond(v) + "/s" }
	opened := "opened " + perS(r.OpenedPerS)
	if r.TargetPerS > 0 {
		t.Rows = append(t.Rows, row(document.Detail, "asked for", document.Rate(r.TargetPerS)))
		opened += ", " + quantity.Usage(r.OpenedPerS, r.TargetPerS) + " of the " + perS(r.TargetPerS) + " asked for"
	}
	t.Rows = append(t.Rows, row(document.Detail, "opened", document.Rate(r.OpenedPerS), part(r.OpenedPerS)))
	completed := "completed " + perS(r.CompletedPerS)
	if n := completedLater(run); n > 0 {
		// A share of the target rate would say nothing about the target.
		later := "while connections were opened; " + quantity.Count(n) + " more after that"
		t.Rows = append(t.Rows, row(document.Detail, "completed", document.Rate(r.CompletedPerS), nil, txt(later)))
		completed += ", and " + quantity.Count(n) + " after the last was opened"
	} else {
		t.Rows = append(t.Rows, row(document.Detail, "completed", document.Rate(r.CompletedPerS), part(r.CompletedPerS)))
	}
	exchanges := ""
	if r.RequestsPerS > 0 {
		t.Rows = append(t.Rows, row(document.Detail, "exchanges", document.Rate(r.RequestsPerS)))
		exchanges = "exchanges " + perS(r.RequestsPerS)
	}
	s.Lead = join("; ", opened, completed, exchanges)
	s.Blocks = append(s.Blocks, t)
	return s
}

// completedLater is how many lifecycles of an open loop completed after the last had begun, because they were held. It is 0 if they are
// too few to matter.
func completedLater(run *record.Run) int64 {
	later := run.Connections.Completed - int64(math.Round(run.Rate.CompletedPerS*run.LoadS))
	if run.Rate.TargetPerS <= 0 || run.LoadS <= 0 || later*100 < run.Connections.Completed {
		return 0
	}
	return later
}

// connections accounts for every lifecycle: the table counts each exactly once.
func connections(run *record.Run) *document.Section {
	r := &run.Result
	c := &r.Connections
	s := &document.Section{ID: "connections", Title: "CONNECTIONS", Level: document.First}
	if c.Attempted == 0 && len(r.Outcomes) == 0 {
		s.Lead = "none was attempted"
		return s
	}
	s.Lead = number(c.Attempted, "attempted", "attempted")
	if c.Completed == c.Attempted {
		s.Lead += ", all completed"
	} else {
		s.Lead += ", " + quantity.Count(c.Completed) + " completed (" + quantity.Share(float64(c.Completed), float64(c.Attempted)) + ")"
		if c.Failed > 0 {
			s.Lead += ", " + quantity.Count(c.Failed) + " failed"
		}
		if c.Unfinished > 0 {
			s.Lead += ", " + quantity.Count(c.Unfinished) + " unfinished"
		}
	}
	if c.PeakOpen > 0 {
		s.Lead += "; most at once " + quantity.Count(c.PeakOpen)
	}
	if c.Capped > 0 {
		s.Lead += "; " + number(c.Capped, "arrival", "arrivals") + " waited at the cap"
	}
	t := table(levelIf(c.Failed > 0 || c.Unfinished > 0), "", "", "", "~")
	if c.Scheduled > 0 {
		never := ""
		if c.Scheduled != c.Attempted {
			never = number(c.Scheduled-c.Attempted, "arrival", "arrivals") + " never started"
			s.Lead += ", " + quantity.Count(c.Scheduled-c.Attempted) + " never started"
		}
		t.Rows = append(t.Rows, row(document.Detail, "scheduled", count(c.Scheduled), nil, txt(never)))
	}
	t.Rows = append(t.Rows, row(document.Detail, "attempted", count(c.Attempted)))
	t.Rows = append(t.Rows, outcomes(r, run.Timeline, run.Plan.Groups)...)
	s.Blocks = append(s.Blocks, t)

	facts := []string{"opened " + quantity.Count(c.Opened)}
	if c.Requests > 0 {
		facts = append(facts, "exchanges completed "+quantity.Count(c.Requests))
	}
	if c.PeakOpen > 0 {
		facts = append(facts, "most at once "+quantity.Count(c.PeakOpen))
	}
	if c.Capped > 0 {
		facts = append(facts, "arrivals that waited at the cap "+quantity.Count(c.Capped))
	}
	s.Blocks = append(s.Blocks, note(document.Detail, strings.Join(facts, ";  "))...)
	s.Blocks = append(s.Blocks, replies(r)...)
	s.Blocks = append(s.Blocks, unaccounted(r)...)
	return s
}

// replies shows the HTTP replies by status, unless all are 2xx, and examples of invalid replies.
func replies(r *record.Result) []document.Block {
	var out []document.Block
	all, other := r.Replies()
	if other > 0 || r.HTTP["1xx"] > 0 {
		var parts []string
		for _, class := range ordered(r.HTTP, sockstate.StatusClassNames()) {
			switch n := r.HTTP[class]; {
			case n == 0:
			case class == "1xx":
				parts = append(parts, class+" (interim) "+quantity.Count(n))
			default:
				parts = append(parts, class+" "+quantity.Count(n)+" ("+quantity.Share(float64(n), float64(all))+")")
			}
		}
		out = append(out, note(document.First, "HTTP replies: "+strings.Join(parts, ";  "))...)
	}
	for _, kind := range ordered(r.ExchangeErrors, sockstate.FaultNames()) {
		if example := r.ExchangeExamples[kind]; example != "" {
			out = append(out, doubt(kind+", the first: "+example))
		}
	}
	return out
}

// unaccounted says which counts do not add up.
func unaccounted(r *record.Result) []document.Block {
	var out []document.Block
	c := &r.Connections
	if sum := c.Completed + c.Failed + c.Unfinished; sum != c.Attempted {
		out = append(out, doubt("completed + failed + unfinished = "+quantity.Count(sum)+", not the "+quantity.Count(c.Attempted)+" attempted: "+
			quantity.Count(c.Attempted-sum)+" unaccounted for"))
	}
	var sum int64
	for _, n := range r.Outcomes {
		sum += n
	}
	if sum != c.Attempted {
		out = append(out, doubt("the outcomes add up to "+quantity.Count(sum)+", not the "+quantity.Count(c.Attempted)+" attempted"))
	}
	return out
}

// outcomes are the rows completed, failed and unfinished with the outcomes under each, and where in
// the timeline, if there is one, the failures were. How far a client saw the end depends on the plan.
func outcomes(r *record.Result, timeline []record.Interval, plan []record.Group) []document.Row {
	var rows []document.Row
	c := &r.Connections
	add := func(name string, n int64) {
		rows = append(rows, row(document.Detail, name, count(n), share(float64(n), float64(c.Attempted))))
	}
	// The first page says in a sentence how many completed, failed and did not finish, and then how the others ended.
	level := document.Detail
	outcome := func(name string, n int64, note string) {
		if n <= 0 {
			return
		}
		w := outcomeWords(name)
		if name == sockstate.OutcomeFIN.String() {
			w = finWords(plan)
		}
		rows = append(rows, row(level, "  "+name, count(n), share(float64(n), float64(c.Attempted)), txt(join("; ", w, note))))
	}
	endFailed, endCompleted := splitResets(r)

	add("completed", c.Completed)
	for _, name := range sockstate.OutcomeNames(sockstate.ClassEnd) {
		n := r.Outcomes[name]
		if name == sockstate.OutcomeRSTReceived.String() {
			n = endCompleted
		}
		outcome(name, n, "")
	}
	level = document.First
	if c.Failed > 0 {
		add("failed", c.Failed)
		outcome(sockstate.OutcomeRSTReceived.String(), endFailed, "not what the policy predicts")
		for _, name := range sockstate.OutcomeNames(sockstate.ClassFailure) {
			note := span(timeline, name)
			if name == sockstate.OutcomeOther.String() {
				note = join("; ", join(", ", counts(r.ExchangeErrors), counts(r.Errnos)), note)
			}
			outcome(name, r.Outcomes[name], note)
		}
	}
	if c.Unfinished > 0 {
		add("unfinished", c.Unfinished)
		for _, name := range sockstate.OutcomeNames(sockstate.ClassUnfinished) {
			outcome(name, r.Outcomes[name], "")
		}
	}
	for _, name := range keys(r.Outcomes) {
		if !slices.Contains(sockstate.LoadOutcomeNames(), name) {
			outcome(name, r.Outcomes[name], "unknown to this version of lastack")
		}
	}
	return rows
}

// splitResets splits the received resets into failed and completed: what the other outcomes
// leave of each.
func splitResets(r *record.Result) (failed, completed int64) {
	all := r.Outcomes[sockstate.OutcomeRSTReceived.String()]
	failed = r.Connections.Failed
	for _, name := range sockstate.OutcomeNames(sockstate.ClassFailure) {
		failed -= r.Outcomes[name]
	}
	failed = max(0, min(failed, all))
	return failed, all - failed
}

func counts(m map[string]int64) string {
	var parts []string
	for _, k := range keys(m) {
		parts = append(parts, k+" "+quantity.Count(m[k]))
	}
	return strings.Join(parts, ", ")
}

// span says between which samples of the timeline an outcome was seen.
func span(timeline []record.Interval, outcome string) string {
	first, last := -1, -1
	for i := range timeline {
		if timeline[i].Failures[outcome] > 0 {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < 0 {
		return ""
	}
	from := 0.0
	if first > 0 {
		from = timeline[first-1].TS
	}
	return strings.TrimSuffix(clock(from), " s") + "-" + clock(timeline[last].TS)
}

// clock prints a time of the timeline.
func clock(s float64) string {
	if math.Abs(s) >= 1e9 {
		return fmt.Sprintf("%.1e s", s)
	}
	return fmt.Sprintf("%.1f s", s)
}

// groups shows the result of each group if there are several.
func groups(run *record.Run) *document.Section {
	if len(run.Groups) == 0 {
		return nil
	}
	s := &document.Section{ID: "groups", Title: "GROUPS", Level: document.First, Lead: fmt.Sprintf("%d, each with its own result", len(run.Groups))}
	for i := range run.Groups {
		g := &run.Groups[i]
		about, plan := "", run.Plan.Groups
		for j := range run.Plan.Groups {
			if p := &run.Plan.Groups[j]; p.Name == g.Name {
				about, plan = describe(p, 0, 0), run.Plan.Groups[j:j+1]
			}
		}
		s.Blocks = append(s.Blocks, document.Note{Text: g.Name + ": " + about})
		t := table(document.Detail, "", "", "", "~")
		t.Rows = append(t.Rows, row(document.Detail, "attempted", count(g.Connections.Attempted), nil,
			txt("opened "+quantity.PerSecond(g.Rate.OpenedPerS)+"/s, completed "+quantity.PerSecond(g.Rate.CompletedPerS)+"/s")))
		t.Rows = append(t.Rows, outcomes(&g.Result, nil, plan)...)
		s.Blocks = append(s.Blocks, t)
		s.Blocks = append(s.Blocks, replies(&g.Result)...)
		s.Blocks = append(s.Blocks, unaccounted(&g.Result)...)
		t, _ = latencyTable(document.Detail, &g.Result)
		s.Blocks = append(s.Blocks, t)
	}
	return s
}
