package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/sockstate"
)

// connections is the ledger: every lifecycle stands in it exactly once.
func (t *text) connections() {
	c := t.run.Connections
	t.section("CONNECTIONS", "")
	if c.Attempted == 0 && len(t.run.Outcomes) == 0 {
		t.line("  none was attempted")
		t.beside("connections", "outcomes", "errnos", "warmup")
		return
	}
	tab := table{indent: "  ", first: 20, cell: 10, notes: true}
	if c.Scheduled > 0 {
		note := ""
		if c.Scheduled != c.Attempted {
			note = quantity.Count(c.Scheduled-c.Attempted) + " arrivals never started"
		}
		tab.row("scheduled", quantity.Count(c.Scheduled), "", note)
	}
	tab.row("attempted", quantity.Count(c.Attempted), "", "")
	ledger(&tab, t.run.Result, t.run.Timeline, t.run.Plan.Groups)
	tab.write(&t.page)

	var facts []string
	facts = append(facts, "opened "+quantity.Count(c.Opened))
	if c.Requests > 0 {
		facts = append(facts, "exchanges completed "+quantity.Count(c.Requests))
	}
	if c.PeakOpen > 0 {
		facts = append(facts, "most at once "+quantity.Count(c.PeakOpen))
	}
	if c.Capped > 0 {
		facts = append(facts, "arrivals that waited at the cap "+quantity.Count(c.Capped))
	}
	t.hang("  ", strings.Join(facts, ";  "))
	t.replies("  ", &t.run.Result)
	for _, doubt := range doubts(t.run.Result) {
		t.hang("  ! ", doubt)
	}
	t.beside("connections", "outcomes", "errnos", "warmup", "http", "exchange_errors", "exchange_examples")
}

// replies shows the HTTP replies by status, where they are not all 2xx, and examples of what was no reply.
func (t *text) replies(indent string, r *record.Result) {
	all, other := r.Replies()
	if other > 0 || r.HTTP["1xx"] > 0 {
		var parts []string
		for _, class := range ordered(r.HTTP, sockstate.StatusClassNames()) {
			switch n := r.HTTP[class]; {
			case n == 0:
			case class == "1xx":
				parts = append(parts, class+" (interim) "+quantity.Count(n))
			default:
				parts = append(parts, class+" "+quantity.Count(n)+" ("+percent(float64(n), float64(all))+")")
			}
		}
		t.hang(indent+"HTTP replies: ", strings.Join(parts, ";  "))
	}
	for _, kind := range ordered(r.ExchangeErrors, sockstate.FaultNames()) {
		if example := r.ExchangeExamples[kind]; example != "" {
			t.hang(indent+"! ", kind+", the first: "+example)
		}
	}
}

// doubts says where a ledger does not add up.
func doubts(r record.Result) []string {
	var out []string
	c := r.Connections
	if sum := c.Completed + c.Failed + c.Unfinished; sum != c.Attempted {
		out = append(out, "completed + failed + unfinished = "+quantity.Count(sum)+", not the "+quantity.Count(c.Attempted)+" attempted: "+
			quantity.Count(c.Attempted-sum)+" unaccounted for")
	}
	var sum int64
	for _, n := range r.Outcomes {
		sum += n
	}
	if sum != c.Attempted {
		out = append(out, "the outcomes add up to "+quantity.Count(sum)+", not the "+quantity.Count(c.Attempted)+" attempted")
	}
	return out
}

// ledger adds the rows completed, failed and unfinished with the outcomes under each, and where in
// the timeline, if there is one, the failures were. How far a client saw the end depends on the plan.
func ledger(tab *table, r record.Result, timeline []record.Interval, plan []record.Group) {
	c := r.Connections
	share := func(n int64) string { return percent(float64(n), float64(c.Attempted)) }
	outcome := func(name string, n int64, note string) {
		if n <= 0 {
			return
		}
		w := outcomeWords(name)
		if name == sockstate.OutcomeFIN.String() {
			w = finWords(plan)
		}
		if w != "" && note != "" {
			note = w + "; " + note
		} else {
			note = w + note
		}
		tab.row("  "+name, quantity.Count(n), share(n), note)
	}
	endFailed, endCompleted := splitResets(r)

	tab.row("completed", quantity.Count(c.Completed), share(c.Completed), "")
	for _, name := range sockstate.OutcomeNames(sockstate.ClassEnd) {
		n := r.Outcomes[name]
		if name == sockstate.OutcomeRSTReceived.String() {
			n = endCompleted
		}
		outcome(name, n, "")
	}
	if c.Failed > 0 {
		tab.row("failed", quantity.Count(c.Failed), share(c.Failed), "")
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
		tab.row("unfinished", quantity.Count(c.Unfinished), share(c.Unfinished), "")
		for _, name := range sockstate.OutcomeNames(sockstate.ClassUnfinished) {
			outcome(name, r.Outcomes[name], "")
		}
	}
	for _, name := range keys(r.Outcomes) {
		if !slices.Contains(sockstate.LoadOutcomeNames(), name) {
			outcome(name, r.Outcomes[name], "unknown to this version of lastack")
		}
	}
}

// splitResets tells the received resets that failed from those that completed: what the
// other outcomes leave of failed and of completed.
func splitResets(r record.Result) (failed, completed int64) {
	all := r.Outcomes[sockstate.OutcomeRSTReceived.String()]
	failed = r.Connections.Failed
	for _, name := range sockstate.OutcomeNames(sockstate.ClassFailure) {
		failed -= r.Outcomes[name]
	}
	failed = max(0, min(failed, all))
	return failed, all - failed
}

func join(sep string, parts ...string) string {
	var some []string
	for _, p := range parts {
		if p != "" {
			some = append(some, p)
		}
	}
	return strings.Join(some, sep)
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
	for i, iv := range timeline {
		if iv.Failures[outcome] > 0 {
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

// clock is a point of the timeline.
func clock(s float64) string {
	if math.Abs(s) >= 1e9 {
		return fmt.Sprintf("%.1e s", s)
	}
	return fmt.Sprintf("%.1f s", s)
}

func (t *text) rates() {
	r := t.run.Rate
	if r == (record.Rate{}) && !t.concerns("rate") {
		return
	}
	t.section("RATES", "")
	tab := table{indent: "  ", first: 20, cell: 10, notes: true}
	if r.TargetPerS > 0 {
		tab.row("asked for", quantity.PerSecond(r.TargetPerS)+"/s", "", "")
	}
	share := func(v float64) string { return percent(v, r.TargetPerS) }
	tab.row("opened", quantity.PerSecond(r.OpenedPerS)+"/s", share(r.OpenedPerS), "")
	if n := t.completedLater(); n > 0 {
		// Its share of the rate asked for would be no statement about the target.
		tab.row("completed", quantity.PerSecond(r.CompletedPerS)+"/s", "", "while connections were opened; "+quantity.Count(n)+" more after that")
	} else {
		tab.row("completed", quantity.PerSecond(r.CompletedPerS)+"/s", share(r.CompletedPerS), "")
	}
	if r.RequestsPerS > 0 {
		tab.row("exchanges", quantity.PerSecond(r.RequestsPerS)+"/s", "", "")
	}
	tab.write(&t.page)
	t.beside("rate")
}

// completedLater is how many lifecycles of an open loop ended, as they should, when no more began: those that were still held.
// 0 if they are too few to matter.
func (t *text) completedLater() int64 {
	run := t.run
	later := run.Connections.Completed - int64(math.Round(run.Rate.CompletedPerS*run.LoadS))
	if run.Rate.TargetPerS <= 0 || run.LoadS <= 0 || later*100 < run.Connections.Completed {
		return 0
	}
	return later
}

func (t *text) latencies() {
	r := t.run.Result
	if len(r.Latency) == 0 && len(r.LatencyAbsent) == 0 && !t.concerns("latency", "latency_absent") {
		return
	}
	t.section("LATENCY", "")
	t.latencyTable("  ", r)
	thin := int64(math.MaxInt64)
	for _, l := range r.Latency {
		if l.Count > 0 {
			thin = min(thin, l.Count)
		}
	}
	if _, ok := r.Latency["lag"]; ok {
		t.hang("  ", "lag: from the scheduled to the actual start, the generator's own delay; lifecycle: from the scheduled start to the end, less the hold")
	}
	if _, ok := r.Latency["connect"]; ok && t.run.Plan.Engine == "uring" {
		t.hang("  ", "connect: io_uring takes operations in batches, so under load it holds what stood in the same batch")
	}
	if thin < 10_000 {
		t.hang("  ", "few samples: p99.9 rests on fewer than 10 values where the count is below 10,000, p99 below 1,000")
	}
	t.beside("latency", "latency_absent")
}

// latencyTable writes a row for each latency of r, and why the others are absent.
func (t *text) latencyTable(indent string, r record.Result) {
	rows := latencyRows(indent)
	for _, name := range ordered(r.Latency, sockstate.LatencyNames()) {
		if l := r.Latency[name]; l.Count > 0 {
			latencyRow(&rows, name, l)
		}
	}
	if len(rows.rows) > 1 {
		rows.write(&t.page)
	}
	for _, name := range ordered(r.Latency, sockstate.LatencyNames()) {
		if r.Latency[name].Count == 0 && r.LatencyAbsent[name] == "" {
			t.hang(indent+pad(name, 9), "  no samples")
		}
	}
	for _, name := range ordered(r.LatencyAbsent, sockstate.LatencyNames()) {
		t.hang(indent+pad(name, 11), "not measured: "+r.LatencyAbsent[name])
	}
}

func latencyRows(indent string) table {
	tab := table{indent: indent, first: 9, cell: 8}
	tab.row("", "count", "min   ", "mean   ", "p50   ", "p90   ", "p99   ", "p99.9   ", "max   ")
	return tab
}

func latencyRow(tab *table, name string, l record.Latency) {
	tab.row(name, quantity.Count(l.Count), cell(l.MinUs), cell(l.MeanUs), cell(l.P50Us), cell(l.P90Us), cell(l.P99Us), cell(l.P999Us), cell(l.MaxUs))
}

// groups shows each group's own result, where there are several.
func (t *text) groups() {
	groups := t.run.Groups
	if len(groups) == 0 {
		return
	}
	t.section("GROUPS", "")
	for i, g := range groups {
		if i > 0 {
			t.blank()
		}
		about, plan := "", t.run.Plan.Groups
		for _, p := range t.run.Plan.Groups {
			if p.Name == g.Name {
				about, plan = describe(p, 0, 0), []record.Group{p}
			}
		}
		t.hang("  "+g.Name+":", about)
		tab := table{indent: "    ", first: 20, cell: 10, notes: true}
		tab.row("attempted", quantity.Count(g.Connections.Attempted), "", "opened "+quantity.PerSecond(g.Rate.OpenedPerS)+"/s, completed "+quantity.PerSecond(g.Rate.CompletedPerS)+"/s")
		ledger(&tab, g.Result, nil, plan)
		tab.write(&t.page)
		t.replies("    ", &g.Result)
		for _, doubt := range doubts(g.Result) {
			t.hang("    ! ", doubt)
		}
		t.latencyTable("    ", g.Result)
	}
	t.beside("groups")
}
