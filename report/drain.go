package report

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"lastack/bench/metric"
	"lastack/bench/quantity"
	"lastack/bench/record"
)

// drainText is a drain on its way to a page. Of several tries it shows one in full: the worst.
type drainText struct {
	text
	drain *record.Drain
	try   *record.DrainTry // nil if there is none
	// n is the number of try, from 1.
	n int
}

// renderDrain writes the report of a drain that people read: what clients suffered first, then when, then to whom,
// then what became of the server.
func renderDrain(b *bytes.Buffer, run *record.Run) {
	d := &drainText{drain: run.Drain}
	if d.drain == nil {
		d.drain = &record.Drain{}
	}
	if i := metric.WorstTry(d.drain.Tries); i >= 0 {
		d.try, d.n = &d.drain.Tries[i], i+1
	}
	// A copy, in which the sections that every page has find what belongs to the try.
	shown := *run
	shown.Accounting = d.accountingOf(run.Accounting)
	if d.try != nil && len(shown.Counters) == 0 {
		shown.Counters = d.try.Counters
	}
	d.run, d.warned = &shown, make([]bool, len(shown.Warnings))

	if d.try != nil {
		for _, s := range []func(){d.timeline, d.listener, d.connections, d.requests, d.queued, d.reconnect, d.server, d.restart, d.leftBehind} {
			s()
		}
	}
	d.latencies()
	d.checks("what must agree")
	d.beside("accounting")
	d.counters()
	d.notKnown()
	d.observer()
	body := d.page
	d.page = page{}
	d.headline()
	d.score()
	d.spread()
	if v := run.Verdict; v.LimitedBy != "" || len(v.Reasons) > 0 || v.Valid {
		d.verdict()
	}
	d.thresholds()
	d.warnings()
	b.Write(d.b.Bytes())
	b.Write(body.b.Bytes())
}

// accountingOf has the statements about the whole run and about the shown try, and those of other tries that
// do not hold though they must.
func (d *drainText) accountingOf(whole []record.Check) []record.Check {
	checks := slices.Clone(whole)
	seen := make(map[record.Check]bool)
	for _, c := range checks {
		seen[c] = true
	}
	for i, try := range d.drain.Tries {
		for _, c := range try.Accounting {
			if i+1 != d.n {
				if c.OK || !c.Exact {
					continue
				}
				c.Note = join("; ", fmt.Sprintf("in try %d", i+1), c.Note)
			}
			if !seen[c] {
				seen[c] = true
				checks = append(checks, c)
			}
		}
	}
	return checks
}

// several reports whether a try must be told from others.
func (d *drainText) several() bool { return len(d.drain.Tries) > 1 }

// headline says how the server was stopped, under which load, and where.
func (d *drainText) headline() {
	r := d.run
	d.hang(join(" ", "lastack", r.Version, "drain")+":", stopWords(d.drain.Stop))
	if r.Interrupted {
		done := len(d.drain.Tries)
		s := "INTERRUPTED after " + quantity.Seconds(r.ElapsedS)
		if n := d.drain.Stop.Repeat; n > 1 {
			s += fmt.Sprintf(", with %d of %d tries recorded", done, n)
		}
		d.line(s + ": all numbers are of what came before")
	}
	d.hang("  load      ", drainLoad(r.Plan.Groups))
	if len(r.Plan.Groups) > 0 {
		d.hang("  target    ", d.target(r.Plan.Groups))
		d.resolved()
	}
	d.hang("  where     ", where(r.Sandbox))
	d.setSysctls()
	for _, h := range r.Hosts {
		d.hang("  host      ", host(h))
		if s := sysctls(h); s != "" {
			d.hang("  sysctls   ", s)
		}
	}
	d.hang("  run       ", d.when())
	if why := r.Plan.EngineReason; why != "" {
		d.hang("  engine    ", r.Plan.Engine+", because "+why)
	}
	if len(r.Plan.Command) > 0 {
		d.hang("  command   ", shell(r.Plan.Command))
	}
	d.beside("plan", "hosts", "sandbox", "shard", "started", "elapsed_s")
}

// whatCounts explains the scores.
const whatCounts = "counted from the stop on. Failed: requests lost or answered 5xx; connects refused, unreachable or not answered in time. Lost: never answered in whole"

// fewTries is the most tries whose scores are all shown.
const fewTries = 5

func (d *drainText) score() {
	tries := d.drain.Tries
	line := func(i int) string {
		if s := tries[i].Score; s != "" {
			return s
		}
		return metric.ScoreLine(&tries[i])
	}
	switch {
	case len(tries) == 0:
		d.section("SCORE", "no try came far enough to say anything")
		return
	case len(tries) == 1:
		d.section("SCORE", line(0))
		d.hang("  ", whatCounts)
		return
	}
	calm, undecided := 0, 0
	for i := range tries {
		switch r := &tries[i].Requests; {
		case r.Lost() > 0:
		case r.Open > 0:
			undecided++
		default:
			calm++
		}
	}
	aside := fmt.Sprintf("%d of %d tries lost no request", calm, len(tries))
	switch {
	case undecided > 0:
		aside += fmt.Sprintf("; of %d it is not known", undecided)
	case calm == len(tries):
		aside = fmt.Sprintf("none of %d tries lost a request", len(tries))
	case calm == 0:
		aside = fmt.Sprintf("each of %d tries lost requests", len(tries))
	}
	d.section("SCORE", aside)
	if len(tries) > fewTries {
		d.hangAt(fmt.Sprintf("  worst, try %d: ", d.n), line(d.n-1))
	} else {
		for i := range tries {
			d.hangAt(fmt.Sprintf("  try %d: ", i+1), line(i))
		}
	}
	d.hang("  ", whatCounts)
	d.hang("  ", fmt.Sprintf("the timeline and the tables below are of try %d: no other was worse for clients", d.n))
}

// spread shows how the tries differ.
func (d *drainText) spread() {
	if !d.several() {
		return
	}
	d.section("TRIES", fmt.Sprintf("how %d tries differ; what was 0 in all of them is left out", len(d.drain.Tries)))
	tab := table{indent: "  ", first: 17, cell: 8, notes: true}
	tab.row("", "min   ", "median   ", "max   ", "tries", "")
	for _, m := range metric.Spread(d.drain.Tries) {
		if m.Tries == 0 || m.Min == 0 && m.Max == 0 {
			continue
		}
		show := func(v float64) string { return spreadCell(m.Unit, v) }
		words := metricWords(m.Metric)
		if m.AtLeast > 0 {
			words += fmt.Sprintf("; at least, in %d", m.AtLeast)
		}
		tab.row(m.Metric, show(m.Min), show(m.Median), show(m.Max), quantity.Count(int64(m.Tries)), words)
	}
	tab.write(&d.page)
}

// warnings lists those of the run that no section took, and those of the tries, each once.
func (d *drainText) warnings() {
	var texts []string
	for i, w := range d.run.Warnings {
		if !d.warned[i] {
			texts = append(texts, w)
		}
	}
	of := make(map[string]bool)
	for _, w := range d.run.Warnings {
		of[w] = true
	}
	in := make(map[string][]int)
	var order []string
	for i, try := range d.drain.Tries {
		for _, w := range try.Warnings {
			if of[w] {
				continue
			}
			if in[w] == nil {
				order = append(order, w)
			}
			in[w] = append(in[w], i+1)
		}
	}
	for _, w := range order {
		switch n := len(in[w]); {
		case !d.several():
			texts = append(texts, w)
		case n == 1:
			texts = append(texts, fmt.Sprintf("%s (in try %d)", w, in[w][0]))
		default:
			texts = append(texts, fmt.Sprintf("%s (in %d of %d tries)", w, n, len(d.drain.Tries)))
		}
	}
	if len(texts) == 0 {
		return
	}
	d.section("WARNINGS", "")
	for _, w := range texts {
		d.hang("  ! ", w)
	}
}

// notKnown says what could not be known, and why.
func (d *drainText) notKnown() {
	if d.try == nil {
		return
	}
	unknown := keys(d.try.Unknown)
	if d.try.Connections.Left() > 0 {
		// That it did not come is known, and said beside the connections.
		unknown = slices.DeleteFunc(unknown, func(key string) bool { return key == "last_gone_s" })
	}
	if len(unknown) == 0 {
		return
	}
	d.section("NOT KNOWN", "")
	for _, key := range unknown {
		d.hang("  - "+unknownWords(key)+":", d.try.Unknown[key])
	}
}

// askedSeconds is asked for seconds.
func askedSeconds(s float64) string { return asked(int64(min(s*1e9, 1e18))) }

// stopWords says how the server was stopped.
func stopWords(s record.DrainStop) string {
	after := " after " + askedSeconds(s.AfterS) + " of load"
	sig := s.Signal
	if sig == "" {
		sig = "a signal"
	}
	var out string
	switch s.Way {
	case record.DrainByPID:
		out = fmt.Sprintf("%s to process %d%s", sig, s.PID, after)
	case record.DrainByExec:
		out = sig + " to the server that \"" + shell(s.Command) + "\" started, " + strings.TrimPrefix(after, " ")
	case record.DrainByHook:
		which := "the server"
		if len(s.Exec) > 0 {
			which += " that \"" + shell(s.Exec) + "\" started"
		}
		out = which + " is stopped by the hook \"" + strings.Join(s.Command, " ") + "\"" + after
	default:
		return "how the server was stopped was not recorded"
	}
	switch {
	case s.Then != "":
		out += "; " + s.Then + " if it is still there " + askedSeconds(s.GraceS) + " later"
	case s.Signal == "SIGHUP" || s.Signal == "SIGUSR2":
		out += "; a reload: it is to stay"
	case s.GraceS > 0:
		out += "; it has " + askedSeconds(s.GraceS) + " to end"
	}
	for _, a := range s.Also {
		out += "; \"" + shell(a) + "\" runs beside it"
	}
	if len(s.Restart) > 0 {
		by := "\"" + shell(s.Restart) + "\""
		if s.Handover {
			out += "; " + by + " is started before the signal, so that both share the port"
		} else {
			out += "; restarted with " + by + " as soon as it is gone"
		}
	}
	if s.Repeat > 1 {
		out += fmt.Sprintf("; %d tries", s.Repeat)
	}
	return out
}

// drainLoad puts the groups of a plan in words.
func drainLoad(groups []record.Group) string {
	var parts []string
	same := true
	for _, g := range groups {
		same = same && g.Exchange == groups[0].Exchange
	}
	for _, g := range groups {
		n := quantity.Count(int64(g.Connections))
		var s string
		switch g.Name {
		case "idle":
			s = n + " idle clients that keep a connection"
		case "in-flight":
			s = n + quantity.Plural(g.Connections, " that asks", " that ask") + " one request after the other"
			if g.ThinkNs > 0 {
				s += ", " + asked(g.ThinkNs) + " apart"
			}
		case "partial":
			s = n + " with half a request sent"
		case "queued":
			s = n + " connections in the accept queue"
		case "arrivals":
			s = askedRate(g.RateFrom) + " new connections/s"
		default:
			s = g.Name + ": " + describe(g, 0, 0)
			parts = append(parts, s)
			continue
		}
		if !same && g.Exchange != "" {
			s += " (" + g.Exchange + ")"
		}
		parts = append(parts, s)
	}
	if len(parts) == 0 {
		return "not recorded"
	}
	s := strings.Join(parts, "; ")
	if same && groups[0].Exchange != "" {
		s += "; all speak " + groups[0].Exchange
	}
	return s
}
