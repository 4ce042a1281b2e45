package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
	"lastack/sockstate"
)

// predicted shows the close policy's prediction beside what was observed.
func predicted(run *record.Run) *section {
	p := &run.Predicted
	if len(p.Paths) == 0 && p.TimeWait == "" && len(p.Counters) == 0 {
		return nil
	}
	s := begin(document.Detail, "PREDICTED", "beside what was observed")
	for _, side := range keys(p.Paths) {
		for i, path := range p.Paths[side] {
			s.fact(document.Detail, given(i == 0, side), given(i > 0, "or  ")+path)
		}
	}
	s.fact(document.Detail, "TIME_WAIT", given(p.TimeWait != "", "predicted on "+holderWords(p.TimeWait)+timeWaitSeen(run)))
	t := s.table(document.Detail, "kernel counter", "predicted", "counted", "|result", "~")
	for _, name := range keys(p.Counters) {
		if slices.ContainsFunc(run.Accounting, func(c record.Check) bool { return c.Name == name }) {
			continue
		}
		want, got := p.Counters[name], lookup(run.Counters, name)
		cells := []document.Value{count(got), agreement(want.Contains(got), true)}
		switch {
		case len(run.Counters) == 0, run.Unread(name) != "":
			cells = []document.Value{document.Absent("not read")}
		case !want.Contains(got) && !alone(run):
			cells = []document.Value{count(got), nil, txt(notComparable(""))}
		}
		t.row(shortNames(name), append([]document.Value{document.Range(want)}, cells...)...)
	}
	for _, n := range p.Notes {
		s.note("- " + n)
	}
	return s
}

// alone reports whether the kernel's counters hold nobody else's connections.
func alone(run *record.Run) bool { return run.Sandbox.Mode == "root" || run.Sandbox.Mode == "user" }

// agreement says in a word whether two counts agree. If they need not agree exactly, a difference says nothing.
func agreement(ok, exact bool) document.Value {
	switch {
	case ok:
		return txt("ok")
	case exact:
		return txt("MISMATCH")
	}
	return document.Absent("")
}

// notComparable says why a difference of two counts says nothing.
func notComparable(why string) string {
	return "not comparable: " + cmp.Or(why, "others' connections may count too")
}

// incomparable reports whether a check says nothing: its counts may differ.
func incomparable(c *record.Check) bool {
	return c.NotRead == "" && !c.Exact && (!c.OK || !c.Want.Contains(c.Got))
}

// shortNames shortens the names in a sum of counters to fit a column.
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
	return cmp.Or(map[string]string{"none": "neither side", "either": "one side or the other", "both": "both sides"}[holder], "the "+holder)
}

func timeWaitSeen(run *record.Run) string {
	tw := &run.TimeWait
	peak := func(n int) string { return " (" + peakWords(run, n) + ")" }
	var seen []string
	for _, side := range keys(tw.PeakBySide) {
		if n := tw.PeakBySide[side]; n > 0 {
			seen = append(seen, "the "+side+peak(n))
		}
	}
	switch {
	case run.States.Source == "":
		return ""
	case len(seen) > 0:
		return "; seen on " + strings.Join(seen, " and ")
	case tw.Peak > 0:
		return "; seen" + peak(tw.Peak)
	}
	return "; none seen"
}

// lookup finds a counter, or a sum like "TW + TWKilled", with or without the protocol's prefix.
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

// accounting shows the checks of our counts against the kernel's. The first page has those that failed.
func accounting(checks []record.Check) *section {
	if len(checks) == 0 {
		return nil
	}
	lead, bad := agreed("our counts and the kernel's", checks)
	s := begin(document.First, "ACCOUNTING", lead)
	if bad {
		s.Tone = document.Bad
	}
	t := s.table(levelIf(bad), "", "expected", "counted", "|result", "~")
	for i := range checks {
		c := &checks[i]
		cells := []document.Value{document.Range(c.Want), count(c.Got), agreement(c.OK, c.Exact), txt(c.Note)}
		wrong := !c.OK && !incomparable(c)
		switch {
		case c.NotRead != "":
			cells, wrong = []document.Value{cells[0], document.Absent("not read: " + c.NotRead)}, false
		case incomparable(c):
			why := notComparable(c.Note)
			if c.Contradicts {
				why, wrong = c.Note, true
			}
			cells[2], cells[3] = agreement(false, c.Exact), txt(why)
		}
		t.row(shortNames(c.Name), cells...).Level = levelIf(wrong)
	}
	return s
}

// agreed sums checks up in a few words. Those that cannot be compared are in no other count.
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
	switch {
	case n == 0 && out == 0:
		return what + ": not read", false
	case n == 0:
		return what + ": " + quantity.Plural(out, "it cannot be compared", "none of them can be compared"), false
	case bad > 0:
		words = fmt.Sprintf("%s: %d of %d DO NOT AGREE", what, bad, n)
	default:
		words = fmt.Sprintf("%s agree: %d of %d", what, n, n)
	}
	return words + given(out > 0, fmt.Sprintf(", %d cannot be compared", out)) + given(unread > 0, fmt.Sprintf(", %d not read", unread)), bad > 0
}

// countersNamed is the most counters that the lead names.
const countersNamed = 5

// kernel shows the counters that tell of trouble, if they grew.
func kernel(level document.Level, run *record.Run) *section {
	all := run.Counters
	if len(all) == 0 {
		return nil
	}
	s := begin(level, "KERNEL", "no retransmission, drop, overflow or reset was counted")
	t := s.table(document.Detail, "", "growth")
	sides := keys(run.CountersBySide)
	sides = sides[:min(len(sides), 2)]
	for _, side := range sides {
		t.Columns = append(t.Columns, document.Column{Name: side, Level: document.First})
	}
	t.Columns = append(t.Columns, document.Column{Level: document.First, Words: true})
	var grown []string
	for _, c := range counterWords() {
		n := all[c.name]
		if n == 0 {
			continue
		}
		words := c.words
		if want, ok := run.Predicted.Counters[c.name]; ok && want.Contains(n) {
			words += " (as predicted)"
			s.Lead = "no retransmission, drop, overflow or reset but those predicted"
		} else if c.name != "TcpExtTWRecycled" { // no trouble, and TIME_WAIT has it
			grown = append(grown, strings.TrimPrefix(strings.TrimPrefix(c.name, "TcpExt"), "Tcp")+" "+quantity.Count(n))
		}
		r := t.row(c.name, count(n))
		for _, side := range sides {
			r.Cells = append(r.Cells, count(run.CountersBySide[side][c.name]))
		}
		r.Cells = append(r.Cells, txt(words))
	}
	if len(grown) > 0 {
		more := len(grown) - countersNamed
		s.Lead = strings.Join(grown[:min(len(grown), countersNamed)], ", ") + given(more > 0, " and "+number(more, "counter", "counters")+" more")
	}
	s.Lead += given(!alone(run) && len(t.Rows) > 0, " ("+allSockets+")")
	return s
}

// tcpInfo is what TCP_INFO said of connections just before they closed.
func tcpInfo(run *record.Run) *section {
	ti := run.TCPInfo
	if ti == nil || ti.Sampled == 0 {
		return nil
	}
	s := begin(document.Detail, "TCP_INFO", "of "+quantity.Count(ti.Sampled)+" connections sampled just before they closed")
	t := s.latencyTable(document.Detail)
	if ti.RTTUs != nil && ti.RTTUs.Count > 0 {
		t.latency("rtt", *ti.RTTUs)
	}
	if ti.MinRTTUs != nil && ti.MinRTTUs.Count > 0 {
		t.latency("min rtt", *ti.MinRTTUs)
	}
	s.note(join(";  ", "retransmitted segments "+quantity.Count(ti.Retransmits), "lost "+quantity.Count(ti.Lost),
		given(ti.SndMSS > 0, "median MSS "+quantity.Count(ti.SndMSS)+" B"), given(ti.SndCwnd > 0, "median cwnd "+quantity.Count(ti.SndCwnd)+" segments")))
	return s
}

// server is what the embedded server counted.
func server(run *record.Run) *section {
	sv := run.Server
	if sv == nil {
		return nil
	}
	s := begin(document.Detail, "SERVER", "its own counts: "+number(sv.Listeners, "listener", "listeners")+", backlog "+quantity.Count(int64(sv.Backlog)))
	t := s.table(document.Detail, "", "", "", "~")
	t.row("accepted", count(sv.Accepted))
	sum := sv.Open
	ended := func(name string, n int64, words string) {
		if n != 0 {
			t.row("  "+name, count(n), share(float64(n), float64(sv.Accepted)), txt(words))
		}
	}
	for _, name := range ordered(sv.Outcomes, slices.Concat(sockstate.LoadOutcomeNames(), sockstate.OutcomeNames(sockstate.ClassServer))) {
		sum += sv.Outcomes[name]
		ended(name, sv.Outcomes[name], outcomeWords(name))
	}
	ended("still open", sv.Open, "")
	if sv.Requests > 0 {
		t.row("exchanges", count(sv.Requests))
	}
	for _, name := range keys(sv.AcceptErrors) {
		if sv.AcceptErrors[name] > 0 {
			t.row("accept errors, "+name, count(sv.AcceptErrors[name]))
		}
	}
	if sum != sv.Accepted {
		s.doubt("these add up to " + quantity.Count(sum) + ", not the " + quantity.Count(sv.Accepted) + " accepted")
	}
	return s
}

// observer says who observed, and what it cost.
func observer(run *record.Run) *section {
	o := &run.Observer
	if o.Census == "" && o.Trace == "" {
		return nil
	}
	s := begin(document.Detail, "OBSERVER", "")
	s.fact(document.Detail, "census", given(o.Census != "", join(": ", o.Census, o.CensusReason)))
	s.fact(document.Detail, "trace", given(o.Trace != "", join(": ", o.Trace, o.TraceReason)))
	if c, cpu := &o.Cost, &run.Pressure.CPU; c.Samples > 0 {
		part := given(cpu.CPUs > 0 && cpu.SharesTell(), " ("+quantity.Usage(c.CPUS, float64(cpu.CPUs)*cpu.ElapsedS)+" of the machine)")
		s.fact(document.Detail, "cost", fmt.Sprintf("%s, %s CPU in all%s, the slowest took %s; %s sockets looked at",
			number(c.Samples, "sample", "samples"), quantity.Seconds(c.CPUS), part, quantity.Micros(c.LongestMs*1e3), quantity.Count(c.SocketsSeen))+
			given(c.SkippedTicks > 0, "; "+quantity.Count(int64(c.SkippedTicks))+" skipped, to leave CPU to the load"))
	}
	return s
}
