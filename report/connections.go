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
func rates(run *record.Run) *section {
	r := run.Rate
	if r == (record.Rate{}) {
		return nil
	}
	s := begin(document.First, "RATES", "")
	t := s.table(document.Detail, "", "", "", "~")
	part := func(v float64) document.Value { return share(v, r.TargetPerS) }
	perS := func(v float64) string { return quantity.PerSecond(v) + "/s" }
	opened := "opened " + perS(r.OpenedPerS)
	if r.TargetPerS > 0 {
		t.row("asked for", document.Rate(r.TargetPerS))
		opened += ", " + quantity.Usage(r.OpenedPerS, r.TargetPerS) + " of the " + perS(r.TargetPerS) + " asked for"
	}
	t.row("opened", document.Rate(r.OpenedPerS), part(r.OpenedPerS))
	completed := "completed " + perS(r.CompletedPerS)
	if n := completedLater(run); n > 0 {
		// A share of the target rate would say nothing about the target.
		t.row("completed", document.Rate(r.CompletedPerS), nil, txt("while connections were opened; "+quantity.Count(n)+" more after that"))
		completed += ", and " + quantity.Count(n) + " after the last was opened"
	} else {
		t.row("completed", document.Rate(r.CompletedPerS), part(r.CompletedPerS))
	}
	exchanges := ""
	if r.RequestsPerS > 0 {
		t.row("exchanges", document.Rate(r.RequestsPerS))
		exchanges = "exchanges " + perS(r.RequestsPerS)
	}
	s.Lead = join("; ", opened, completed, exchanges)
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
func connections(run *record.Run) *section {
	r := &run.Result
	c := &r.Connections
	s := begin(document.First, "CONNECTIONS", "none was attempted")
	if c.Attempted == 0 && len(r.Outcomes) == 0 {
		return s
	}
	n := quantity.Count
	ended := ", all completed"
	if c.Completed != c.Attempted {
		ended = ", " + n(c.Completed) + " completed (" + quantity.Share(float64(c.Completed), float64(c.Attempted)) + ")" +
			given(c.Failed > 0, ", "+n(c.Failed)+" failed") + given(c.Unfinished > 0, ", "+n(c.Unfinished)+" unfinished")
	}
	peak := given(c.PeakOpen > 0, "most at once "+n(c.PeakOpen))
	if len(run.Shards) > 1 && c.PeakOpen > 0 { // the sum of their peaks, each at its own moment
		peak = "at most " + n(c.PeakOpen) + " at once"
	}
	s.Lead = join("; ", n(c.Attempted)+" attempted"+ended, peak) +
		given(c.Capped > 0, "; "+number(c.Capped, "arrival", "arrivals")+" waited at the cap")
	t := s.table(levelIf(c.Failed > 0 || c.Unfinished > 0), "", "", "", "~")
	if c.Scheduled > 0 {
		never := c.Scheduled - c.Attempted
		s.Lead += given(never != 0, ", "+n(never)+" never started")
		t.row("scheduled", count(c.Scheduled), nil, txt(given(never != 0, number(never, "arrival", "arrivals")+" never started")))
	}
	t.row("attempted", count(c.Attempted))
	t.outcomes(r, run.Timeline, run.Plan.Groups)
	s.note(join(";  ", "opened "+n(c.Opened), given(c.Requests > 0, "exchanges completed "+n(c.Requests)), peak,
		given(c.Capped > 0, "arrivals that waited at the cap "+n(c.Capped))))
	s.replies(r)
	s.unaccounted(r)
	return s
}

// replies shows the HTTP replies by status, unless all are 2xx, and examples of invalid replies.
func (s *section) replies(r *record.Result) {
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
		s.add(document.Note{Level: document.First, Text: "HTTP replies: " + strings.Join(parts, ";  ")})
	}
	for _, kind := range ordered(r.ExchangeErrors, sockstate.FaultNames()) {
		if example := r.ExchangeExamples[kind]; example != "" {
			s.doubt(kind + ", the first: " + example)
		}
	}
}

// unaccounted says which counts do not add up.
func (s *section) unaccounted(r *record.Result) {
	c := &r.Connections
	attempted := ", not the " + quantity.Count(c.Attempted) + " attempted"
	if sum := c.Completed + c.Failed + c.Unfinished; sum != c.Attempted {
		s.doubt("completed + failed + unfinished = " + quantity.Count(sum) + attempted + ": " + quantity.Count(c.Attempted-sum) + " unaccounted for")
	}
	var sum int64
	for _, n := range r.Outcomes {
		sum += n
	}
	if sum != c.Attempted {
		s.doubt("the outcomes add up to " + quantity.Count(sum) + attempted)
	}
}

// outcomes adds the rows completed, failed and unfinished with the outcomes under each, and when in the timeline, if there is one, the
// failures were. How far a client saw the end depends on the plan.
func (t *table) outcomes(r *record.Result, timeline []record.Interval, plan []record.Group) {
	c := &r.Connections
	part := func(n int64) document.Value { return share(float64(n), float64(c.Attempted)) }
	// The first page has the number of each class in a sentence, and the outcomes of the lifecycles that did not complete.
	level := document.Detail
	outcome := func(name string, n int64, note string) {
		words := outcomeWords(name)
		if name == sockstate.OutcomeFIN.String() {
			words = finWords(plan)
		}
		if n > 0 {
			t.row("  "+name, count(n), part(n), txt(join("; ", words, note))).Level = level
		}
	}
	unpredicted := r.UnexpectedResets()
	for _, of := range []struct {
		class sockstate.OutcomeClass
		name  string
		n     int64
	}{{sockstate.ClassEnd, "completed", c.Completed}, {sockstate.ClassFailure, "failed", c.Failed}, {sockstate.ClassUnfinished, "unfinished", c.Unfinished}} {
		if of.n <= 0 && of.class != sockstate.ClassEnd {
			continue
		}
		t.row(of.name, count(of.n), part(of.n))
		if of.class == sockstate.ClassFailure {
			outcome(sockstate.OutcomeRSTReceived.String(), unpredicted, "not what the policy predicts")
		}
		for _, name := range sockstate.OutcomeNames(of.class) {
			n, note := r.Outcomes[name], ""
			switch {
			case name == sockstate.OutcomeRSTReceived.String():
				n -= unpredicted
			case name == sockstate.OutcomeOther.String():
				note = join("; ", join(", ", counts(r.ExchangeErrors), counts(r.Errnos)), span(timeline, name))
			case of.class == sockstate.ClassFailure:
				note = span(timeline, name)
			}
			outcome(name, n, note)
		}
		level = document.First
	}
	for _, name := range keys(r.Outcomes) {
		if !slices.Contains(sockstate.LoadOutcomeNames(), name) {
			outcome(name, r.Outcomes[name], "unknown to this version of lastack")
		}
	}
}

func counts(m map[string]int64) string {
	var parts []string
	for _, k := range keys(m) {
		parts = append(parts, k+" "+quantity.Count(m[k]))
	}
	return strings.Join(parts, ", ")
}

// span says from when to when the timeline has an outcome.
func span(timeline []record.Interval, outcome string) string {
	from, before, last := -1.0, 0.0, 0.0
	for i := range timeline {
		if timeline[i].Failures[outcome] > 0 {
			if last = timeline[i].TS; from < 0 {
				from = before
			}
		}
		before = timeline[i].TS
	}
	if from < 0 {
		return ""
	}
	return strings.TrimSuffix(quantity.Clock(from), " s") + "-" + quantity.Clock(last)
}

// groups shows the result of each group if there are several.
func groups(run *record.Run) *section {
	if len(run.Groups) == 0 {
		return nil
	}
	s := begin(document.First, "GROUPS", fmt.Sprintf("%d, each with its own result", len(run.Groups)))
	for i := range run.Groups {
		g := &run.Groups[i]
		about, plan := "", run.Plan.Groups
		for j := range run.Plan.Groups {
			if p := &run.Plan.Groups[j]; p.Name == g.Name {
				about, plan = describe(p, 0, 0), run.Plan.Groups[j:j+1]
			}
		}
		s.note(g.Name + ": " + about)
		t := s.table(document.Detail, "", "", "", "~")
		t.ID = g.Name
		t.row("attempted", count(g.Connections.Attempted), nil,
			txt("opened "+quantity.PerSecond(g.Rate.OpenedPerS)+"/s, completed "+quantity.PerSecond(g.Rate.CompletedPerS)+"/s"))
		t.outcomes(&g.Result, nil, plan)
		s.replies(&g.Result)
		s.unaccounted(&g.Result)
		s.latencies(document.Detail, run, g.Name, &g.Result)
	}
	return s
}
