package report

import (
	"fmt"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
	"lastack/sockstate"
)

// predicted sets what the close policy should have brought beside what was seen.
func predicted(run *record.Run) *document.Section {
	p := &run.Predicted
	if len(p.Paths) == 0 && p.TimeWait == "" && len(p.Counters) == 0 {
		return nil
	}
	s := &document.Section{ID: "predicted", Title: "PREDICTED", Lead: "beside what was observed"}
	var f document.Facts
	for _, side := range keys(p.Paths) {
		for i, path := range p.Paths[side] {
			name := side
			if i > 0 {
				name, path = "", "or  "+path
			}
			f.Facts = append(f.Facts, document.Fact{Name: name, Text: path})
		}
	}
	if p.TimeWait != "" {
		f.Facts = append(f.Facts, document.Fact{Name: "TIME_WAIT", Text: "predicted on " + holderWords(p.TimeWait) + timeWaitSeen(run)})
	}
	t := table(document.Detail, "kernel counter", "predicted", "counted", "", "~")
	for _, name := range keys(p.Counters) {
		if slices.ContainsFunc(run.Accounting, func(c record.Check) bool { return c.Name == name }) {
			continue
		}
		want := p.Counters[name]
		cells := []document.Value{document.Range(want)}
		switch got := lookup(run.Counters, name); {
		case len(run.Counters) == 0:
			cells = append(cells, document.Absent("not read"))
		case run.Unread(name) != "":
			cells = append(cells, document.Absent("not read"))
		case !want.Contains(got) && !alone(run):
			cells = append(cells, count(got), nil, txt(notComparable("")))
		default:
			cells = append(cells, count(got), agreement(want.Contains(got), true))
		}
		t.Rows = append(t.Rows, row(document.Detail, shortNames(name), cells...))
	}
	s.Blocks = append(s.Blocks, f, t)
	for _, n := range p.Notes {
		s.Blocks = append(s.Blocks, note(document.Detail, "- "+n)...)
	}
	return s
}

// alone reports whether the kernel's counters hold nobody else's connections.
func alone(run *record.Run) bool { return run.Sandbox.Mode == "root" || run.Sandbox.Mode == "user" }

// agreement says in a word whether two counts agree, nothing where that they do not says nothing.
func agreement(ok, exact bool) document.Value {
	switch {
	case ok:
		return txt("ok")
	case exact:
		return txt("MISMATCH")
	}
	return document.Absent("")
}

// notComparable says why two counts that differ say nothing.
func notComparable(why string) string {
	if why == "" {
		why = "others' connections may count too"
	}
	return "not comparable: " + why
}

// incomparable reports whether a statement that is not met says nothing.
func incomparable(c *record.Check) bool {
	return c.NotRead == "" && !c.Exact && (!c.OK || !c.Want.Contains(c.Got))
}

// shortNames takes the prefixes off the counters of a sum, which would not fit its column.
func shortNames(name string) string {
	if !strings.Contains(name, "+") {
		return name
	}
	parts := strings.Split(name, "+")
	for i, p := range parts {
		parts[i] = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(p), "TcpExt"), "Tcp")
	}
	return strings.Join(parts, " + ")
}

func holderWords(holder string) string {
	switch holder {
	case "none":
		return "neither side"
	case "either":
		return "either side, as it falls"
	case "both":
		return "both sides"
	}
	return "the " + holder
}

func timeWaitSeen(run *record.Run) string {
	tw := &run.TimeWait
	if run.States.Source == "" {
		return ""
	}
	var seen []string
	for _, side := range keys(tw.PeakBySide) {
		if tw.PeakBySide[side] > 0 {
			seen = append(seen, "the "+side+" (peak "+quantity.Count(int64(tw.PeakBySide[side]))+")")
		}
	}
	switch {
	case len(seen) > 0:
		return "; seen on " + strings.Join(seen, " and ")
	case tw.Peak > 0:
		return "; seen (peak " + quantity.Count(int64(tw.Peak)) + ")"
	}
	return "; none seen"
}

// lookup finds a counter, or the sum of several as "TW + TWKilled", with or without
// the protocol's prefix.
func lookup(counters map[string]int64, name string) int64 {
	var sum int64
	for _, part := range strings.Split(name, "+") {
		part = strings.TrimSpace(part)
		for _, prefix := range []string{"", "TcpExt", "Tcp"} {
			if n, ok := counters[prefix+part]; ok {
				sum += n
				break
			}
		}
	}
	return sum
}

// accounting is every statement that must hold between our counts and the kernel's. The first page has those that do not.
func accounting(run *record.Run, what string, checks []record.Check) *document.Section {
	if len(checks) == 0 {
		return nil
	}
	s := &document.Section{ID: "accounting", Title: "ACCOUNTING", Level: document.First}
	var bad bool
	s.Lead, bad = agreed(what, checks)
	t := table(levelIf(bad), "", "expected", "counted", "", "~")
	if bad {
		s.Tone = document.Bad
	}
	for i := range checks {
		c := &checks[i]
		cells := []document.Value{document.Range(c.Want), count(c.Got), agreement(c.OK, c.Exact), txt(c.Note)}
		wrong := !c.OK && !incomparable(c)
		switch {
		case c.NotRead != "":
			cells, wrong = []document.Value{document.Range(c.Want), document.Absent("not read: " + c.NotRead)}, false
		case incomparable(c):
			why := notComparable(c.Note)
			if c.Contradicts {
				why, wrong = c.Note, true
			}
			cells[2], cells[3] = agreement(false, c.Exact), txt(why)
		}
		t.Rows = append(t.Rows, row(levelIf(wrong), shortNames(c.Name), cells...))
	}
	s.Blocks = append(s.Blocks, t)
	return s
}

// agreed sums statements up in a few words. Those that cannot be compared are in no other count.
func agreed(what string, checks []record.Check) (words string, isBad bool) {
	bad, out, unread := 0, 0, 0
	for i := range checks {
		switch c := &checks[i]; {
		case c.NotRead != "":
			unread++
		case incomparable(c) && !c.Contradicts:
			out++
		case !c.OK:
			bad++
		}
	}
	n := len(checks) - out - unread
	var s string
	switch {
	case n == 0 && out == 0:
		return what + ": not read", false
	case n == 0:
		return what + ": " + quantity.Plural(out, "it cannot be compared", "none of them can be compared"), false
	case bad > 0:
		s = fmt.Sprintf("%s: %d of %d DO NOT AGREE", what, bad, n)
	default:
		s = fmt.Sprintf("%s agree: %d of %d", what, n, n)
	}
	if out > 0 {
		s += fmt.Sprintf(", %d cannot be compared", out)
	}
	if unread > 0 {
		s += fmt.Sprintf(", %d not read", unread)
	}
	return s, bad > 0
}

// kernel shows the counters that tell of trouble, where they grew.
func kernel(run *record.Run) *document.Section {
	all := run.Counters
	if len(all) == 0 {
		return nil
	}
	s := &document.Section{ID: "kernel", Title: "KERNEL", Level: document.First}
	t := table(document.Detail, "", "growth")
	sides := keys(run.CountersBySide)
	sides = sides[:min(len(sides), 2)]
	for _, side := range sides {
		t.Columns = append(t.Columns, document.Column{Name: side, Level: document.First})
	}
	t.Columns = append(t.Columns, document.Column{Level: document.First, Words: true})
	var grown []string
	expected := 0
	for _, c := range counterWords() {
		if all[c.name] == 0 {
			continue
		}
		r := row(document.Detail, c.name, count(all[c.name]))
		for _, side := range sides {
			r.Cells = append(r.Cells, count(run.CountersBySide[side][c.name]))
		}
		words := c.words
		if want, ok := run.Predicted.Counters[c.name]; ok && want.Contains(all[c.name]) {
			words += " (as predicted)"
			expected++
		} else if c.name != "TcpExtTWRecycled" { // no trouble, and said of TIME_WAIT
			grown = append(grown, strings.TrimPrefix(strings.TrimPrefix(c.name, "TcpExt"), "Tcp")+" "+quantity.Count(all[c.name]))
		}
		r.Cells = append(r.Cells, txt(words))
		t.Rows = append(t.Rows, r)
	}
	const named = 5
	switch {
	case len(grown) == 0:
		s.Lead = "no retransmission, drop, overflow or reset was counted"
		if expected > 0 {
			s.Lead = "no retransmission, drop, overflow or reset but those predicted"
		}
	case len(grown) > named:
		s.Lead = strings.Join(grown[:named], ", ") + " and " + number(len(grown)-named, "counter", "counters") + " more"
	default:
		s.Lead = strings.Join(grown, ", ")
	}
	if !alone(run) && len(t.Rows) > 0 {
		s.Lead += " (everybody's in this namespace)"
	}
	if len(t.Rows) > 0 {
		s.Blocks = append(s.Blocks, t)
	}
	return s
}

// tcpInfo is what TCP_INFO said of connections just before they closed.
func tcpInfo(run *record.Run) *document.Section {
	ti := run.TCPInfo
	if ti == nil || ti.Sampled == 0 {
		return nil
	}
	s := &document.Section{ID: "tcp_info", Title: "TCP_INFO", Lead: "of " + quantity.Count(ti.Sampled) + " connections sampled just before they closed"}
	t := latencyColumns(document.Detail)
	if ti.RTTUs != nil && ti.RTTUs.Count > 0 {
		t.Rows = append(t.Rows, latencyRow("rtt", *ti.RTTUs))
	}
	if ti.MinRTTUs != nil && ti.MinRTTUs.Count > 0 {
		t.Rows = append(t.Rows, latencyRow("min rtt", *ti.MinRTTUs))
	}
	facts := []string{"segments sent again " + quantity.Count(ti.Retransmits), "lost " + quantity.Count(ti.Lost)}
	if ti.SndMSS > 0 {
		facts = append(facts, "median MSS "+quantity.Count(ti.SndMSS)+" B")
	}
	if ti.SndCwnd > 0 {
		facts = append(facts, "median cwnd "+quantity.Count(ti.SndCwnd)+" segments")
	}
	s.Blocks = append(append(s.Blocks, t), note(document.Detail, strings.Join(facts, ";  "))...)
	return s
}

// server is what the embedded server counted.
func server(run *record.Run) *document.Section {
	sv := run.Server
	if sv == nil {
		return nil
	}
	s := &document.Section{ID: "server", Title: "SERVER", Lead: "its own counts: " + number(sv.Listeners, "listener", "listeners") + ", backlog " + quantity.Count(int64(sv.Backlog))}
	t := table(document.Detail, "", "", "", "~")
	add := func(name string, n int64, part document.Value, words string) {
		t.Rows = append(t.Rows, row(document.Detail, name, count(n), part, txt(words)))
	}
	of := func(n int64) document.Value { return share(float64(n), float64(sv.Accepted)) }
	add("accepted", sv.Accepted, nil, "")
	sum := sv.Open
	for _, name := range ordered(sv.Outcomes, slices.Concat(sockstate.LoadOutcomeNames(), sockstate.OutcomeNames(sockstate.ClassServer))) {
		n := sv.Outcomes[name]
		if n == 0 {
			continue
		}
		sum += n
		add("  "+name, n, of(n), serverWords(name))
	}
	if sv.Open > 0 {
		add("  still open", sv.Open, of(sv.Open), "")
	}
	if sv.Requests > 0 {
		add("exchanges", sv.Requests, nil, "")
	}
	for _, name := range keys(sv.AcceptErrors) {
		if sv.AcceptErrors[name] > 0 {
			add("accept errors, "+name, sv.AcceptErrors[name], nil, "")
		}
	}
	s.Blocks = append(s.Blocks, t)
	if sum != sv.Accepted {
		s.Blocks = append(s.Blocks, doubt("these add up to "+quantity.Count(sum)+", not the "+quantity.Count(sv.Accepted)+" accepted"))
	}
	return s
}

// observer says who observed, and what it cost.
func observer(run *record.Run) *document.Section {
	o := &run.Observer
	if o.Census == "" && o.Trace == "" {
		return nil
	}
	s := &document.Section{ID: "observer", Title: "OBSERVER"}
	var f document.Facts
	say := func(what, mode, reason string) {
		if mode != "" {
			f.Facts = append(f.Facts, document.Fact{Name: what, Text: join(": ", mode, reason)})
		}
	}
	say("census", o.Census, o.CensusReason)
	say("trace", o.Trace, o.TraceReason)
	c := &o.Cost
	if c.Samples > 0 {
		part := ""
		if cpu := &run.Pressure.CPU; cpu.CPUs > 0 && cpu.SharesTell() {
			part = " (" + quantity.Usage(c.CPUS, float64(cpu.CPUs)*cpu.ElapsedS) + " of the machine)"
		}
		text := fmt.Sprintf("%s, %s CPU in all%s, the slowest took %s; %s sockets looked at",
			number(c.Samples, "sample", "samples"), quantity.Seconds(c.CPUS), part, quantity.Micros(c.LongestMs*1e3), quantity.Count(c.SocketsSeen))
		if c.SkippedTicks > 0 {
			text += "; " + quantity.Count(int64(c.SkippedTicks)) + " intervals without, to leave the load its CPU"
		}
		say("cost", text, "")
	}
	s.Blocks = append(s.Blocks, f)
	return s
}
