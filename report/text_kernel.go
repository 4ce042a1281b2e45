package report

import (
	"fmt"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/sockstate"
)

// predicted sets what the close policy should have brought beside what was seen.
func (t *text) predicted() {
	p := t.run.Predicted
	if len(p.Paths) == 0 && p.TimeWait == "" && len(p.Counters) == 0 {
		t.beside("predicted")
		return
	}
	t.section("PREDICTED", "beside what was observed")
	for _, side := range keys(p.Paths) {
		for i, path := range p.Paths[side] {
			lead := ""
			if i == 0 {
				lead = side
			} else {
				path = "or  " + path
			}
			t.hang("  "+pad(cut(lead, 9), 10), path)
		}
	}
	if p.TimeWait != "" {
		t.hang("  "+pad("TIME_WAIT", 10), "predicted on "+timeWaitWords(p.TimeWait)+t.timeWaitSeen())
	}
	tab := table{indent: "  ", first: 36, cell: 8, notes: true}
	tab.row("kernel counter", "predicted", "counted", "", "")
	for _, name := range keys(p.Counters) {
		if t.checked(name) {
			continue
		}
		want := p.Counters[name]
		if len(t.run.Counters) == 0 {
			tab.row(shortNames(name), quantity.Range(want.Min, want.Max), "not read", "", "")
			continue
		}
		if t.run.Unread(name) != "" {
			tab.row(shortNames(name), quantity.Range(want.Min, want.Max), "-", "not read", "")
			continue
		}
		got := lookup(t.run.Counters, name)
		ok, note := want.Contains(got), ""
		if !ok && !t.alone() {
			note = notComparable("")
		}
		tab.row(shortNames(name), quantity.Range(want.Min, want.Max), quantity.Count(got), agreement(ok, t.alone()), note)
	}
	if len(tab.rows) > 1 {
		tab.write(&t.page)
	}
	for _, n := range p.Notes {
		t.hang("  - ", n)
	}
	t.beside("predicted")
}

// checked reports whether the accounting has a row of that counter.
func (t *text) checked(name string) bool {
	return slices.ContainsFunc(t.run.Accounting, func(c record.Check) bool { return c.Name == name })
}

// alone reports whether the kernel's counters hold nobody else's connections.
func (t *text) alone() bool {
	return t.run.Sandbox.Mode == "root" || t.run.Sandbox.Mode == "user"
}

// agreement is one word, padded so that it stands to the left of its column.
func agreement(ok, exact bool) string {
	switch {
	case ok:
		return pad("ok", 8)
	case exact:
		return "MISMATCH"
	}
	return pad("-", 8)
}

// differs says why two counts differ where there may be others' connections.
func differs(c record.Check) string {
	if c.Contradicts {
		return c.Note
	}
	return notComparable(c.Note)
}

// notComparable says why two counts that differ say nothing.
func notComparable(why string) string {
	if why == "" {
		why = "others' connections may count too"
	}
	return "not comparable: " + why
}

// incomparable reports whether a statement that is not met says nothing.
func incomparable(c record.Check) bool {
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

// mismatches counts the statements that do not hold though nobody else's connections are counted.
func (t *text) mismatches() int {
	n := 0
	for _, c := range t.run.Accounting {
		if !c.OK && c.Exact {
			n++
		}
	}
	return n
}

func timeWaitWords(holder string) string {
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

func (t *text) timeWaitSeen() string {
	tw := t.run.TimeWait
	if t.run.States.Source == "" {
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
// the protocol's prefix. Growth of zero is not in a record.
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

// accounting is every statement that must hold between our counts and the kernel's.
func (t *text) accounting() {
	t.checks("our counts beside the kernel's")
	t.beside("accounting")
}

// checks writes the accounting; what says in a few words what is held against what.
func (t *text) checks(what string) {
	checks := t.run.Accounting
	if len(checks) == 0 {
		return
	}
	t.section("ACCOUNTING", what+": "+agreed(checks))
	tab := table{indent: "  ", first: 36, cell: 8, notes: true}
	tab.row("", "expected", "counted", "", "")
	for _, c := range checks {
		ok, note := c.OK, c.Note
		if incomparable(c) {
			ok, note = false, differs(c)
		}
		got, word := quantity.Count(c.Got), agreement(ok, c.Exact)
		if c.NotRead != "" {
			got, word, note = "-", "not read", c.NotRead
		}
		tab.row(shortNames(c.Name), quantity.Range(c.Want.Min, c.Want.Max), got, word, note)
	}
	tab.write(&t.page)
}

// agreed sums statements up in a few words. Those that cannot be compared are in no other count.
func agreed(checks []record.Check) string {
	bad, out, unread := 0, 0, 0
	for _, c := range checks {
		switch {
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
		return "not read"
	case n == 0:
		return quantity.Plural(out, "it cannot be compared", "none of them can be compared")
	case bad > 0:
		s = fmt.Sprintf("%d of %d DO NOT AGREE", bad, n)
	case out+unread > 0:
		s = fmt.Sprintf("%d %s", n, quantity.Plural(n, "agrees", "agree"))
	case n == 1:
		s = "they agree"
	default:
		s = fmt.Sprintf("all %d agree", n)
	}
	if out > 0 {
		s += fmt.Sprintf(", %d cannot be compared", out)
	}
	if unread > 0 {
		s += fmt.Sprintf(", %d not read", unread)
	}
	return s
}

// counters shows those that tell of trouble, where they grew.
func (t *text) counters() {
	all := t.run.Counters
	split := make([]string, 0, 2)
	for _, side := range keys(t.run.CountersBySide) {
		if len(split) < 2 {
			split = append(split, side)
		}
	}
	tab := table{indent: "  ", first: 27, cell: 9, notes: true}
	head := append([]string{"", "growth"}, split...)
	tab.row(append(head, "")...)
	for _, c := range counterWords() {
		if all[c.name] == 0 {
			continue
		}
		row := []string{c.name, quantity.Count(all[c.name])}
		for _, side := range split {
			row = append(row, quantity.Count(t.run.CountersBySide[side][c.name]))
		}
		words := c.words
		if want, ok := t.run.Predicted.Counters[c.name]; ok && want.Contains(all[c.name]) {
			words += " (as predicted)"
		}
		tab.row(append(row, words)...)
	}
	if len(tab.rows) == 1 {
		if len(all) > 0 {
			t.section("KERNEL", "no retransmission, drop, overflow or reset was counted")
		}
		t.beside("counters", "counters_by_side")
		return
	}
	aside := "counters worth a look"
	if !t.alone() {
		aside += "; they hold everybody's connections in this namespace"
	}
	t.section("KERNEL", aside)
	tab.write(&t.page)
	t.beside("counters", "counters_by_side")
}

func (t *text) tcpInfo() {
	ti := t.run.TCPInfo
	if ti == nil || ti.Sampled == 0 {
		t.beside("tcp_info")
		return
	}
	t.section("TCP_INFO", "of "+quantity.Count(ti.Sampled)+" connections sampled just before they closed")
	rows := latencyRows("  ")
	if ti.RTTUs != nil && ti.RTTUs.Count > 0 {
		latencyRow(&rows, "rtt", *ti.RTTUs)
	}
	if ti.MinRTTUs != nil && ti.MinRTTUs.Count > 0 {
		latencyRow(&rows, "min rtt", *ti.MinRTTUs)
	}
	if len(rows.rows) > 1 {
		rows.write(&t.page)
	}
	facts := []string{"segments sent again " + quantity.Count(ti.Retransmits), "lost " + quantity.Count(ti.Lost)}
	if ti.SndMSS > 0 {
		facts = append(facts, "median MSS "+quantity.Count(ti.SndMSS)+" B")
	}
	if ti.SndCwnd > 0 {
		facts = append(facts, "median cwnd "+quantity.Count(ti.SndCwnd)+" segments")
	}
	t.hang("  ", strings.Join(facts, ";  "))
	t.beside("tcp_info")
}

// server is the embedded server's own ledger.
func (t *text) server() {
	s := t.run.Server
	if s == nil {
		t.beside("server")
		return
	}
	aside := fmt.Sprintf("its own ledger: %d %s, backlog %s", s.Listeners, quantity.Plural(s.Listeners, "listener", "listeners"), quantity.Count(int64(s.Backlog)))
	t.section("SERVER", aside)
	tab := table{indent: "  ", first: 22, cell: 10, notes: true}
	tab.row("accepted", quantity.Count(s.Accepted), "", "")
	share := func(n int64) string { return percent(float64(n), float64(s.Accepted)) }
	sum := s.Open
	for _, name := range slices.Concat(sockstate.LoadOutcomeNames(), sockstate.OutcomeNames(sockstate.ClassServer), unknownOutcomes(s.Outcomes)) {
		n := s.Outcomes[name]
		if n == 0 {
			continue
		}
		sum += n
		tab.row("  "+name, quantity.Count(n), share(n), serverWords(name))
	}
	if s.Open > 0 {
		tab.row("  still open", quantity.Count(s.Open), share(s.Open), "")
	}
	if s.Requests > 0 {
		tab.row("exchanges", quantity.Count(s.Requests), "", "")
	}
	for _, name := range keys(s.AcceptErrors) {
		if s.AcceptErrors[name] > 0 {
			tab.row("accept errors, "+name, quantity.Count(s.AcceptErrors[name]), "", "")
		}
	}
	tab.write(&t.page)
	if sum != s.Accepted {
		t.hang("  ! ", "these add up to "+quantity.Count(sum)+", not the "+quantity.Count(s.Accepted)+" accepted")
	}
	t.beside("server")
}

func unknownOutcomes(m map[string]int64) []string {
	var out []string
	for _, name := range keys(m) {
		if sockstate.ParseOutcome(name) == sockstate.NoOutcome {
			out = append(out, name)
		}
	}
	return out
}

// observer says who observed, and what it cost.
func (t *text) observer() {
	o := t.run.Observer
	if o.Census == "" && o.Trace == "" {
		t.beside("observer")
		return
	}
	t.section("OBSERVER", "")
	say := func(what, mode, reason string) {
		if mode == "" {
			return
		}
		t.hang("  "+pad(what, 9), join(": ", mode, reason))
	}
	say("census", o.Census, o.CensusReason)
	say("trace", o.Trace, o.TraceReason)
	c := o.Cost
	if c.Samples > 0 {
		share := ""
		if cpu := t.run.Pressure.CPU; cpu.CPUs > 0 && cpu.SharesTell() {
			share = " (" + usage(c.CPUS, float64(cpu.CPUs)*cpu.ElapsedS) + " of the machine)"
		}
		s := fmt.Sprintf("%s %s, %s CPU in all%s, the slowest took %s; %s sockets looked at",
			quantity.Count(int64(c.Samples)), quantity.Plural(c.Samples, "sample", "samples"), quantity.Seconds(c.CPUS), share, quantity.Micros(c.LongestMs*1e3), quantity.Count(c.SocketsSeen))
		if c.SkippedTicks > 0 {
			s += "; " + quantity.Count(int64(c.SkippedTicks)) + " intervals without, to leave the load its CPU"
		}
		t.hang("  "+pad("cost", 9), s)
	}
	t.beside("observer")
}
