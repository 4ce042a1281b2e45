package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"lastack/bench/metric"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// drainView is a drain. It shows the worst try in full.
type drainView struct {
	run   *record.Run
	drain *record.Drain
	try   *record.DrainTry // nil if there is none
	// n is the number of the try, from 1.
	n int
}

// drainDocument is the report of a drain: first what clients saw, then when, then which clients, then the server.
func drainDocument(run *record.Run) *document.Document {
	d := &drainView{run: run, drain: run.Drain}
	if d.drain == nil {
		d.drain = &record.Drain{}
	}
	if i := metric.WorstTry(d.drain.Tries); i >= 0 {
		d.try, d.n = &d.drain.Tries[i], i+1
	}
	// The sections that every report has get a copy with the data of the try.
	shown := *run
	shown.Accounting = d.accounting()
	if d.try != nil && len(shown.Counters) == 0 {
		shown.Counters = d.try.Counters
	}
	load, brief := drainLoad(run.Plan.Groups)
	sections := []*section{asked(run, load, brief, d.interrupted()), d.score(), d.spread()}
	if v := &run.Verdict; v.LimitedBy != "" || len(v.Reasons) > 0 || v.Valid {
		sections = append(sections, judgement(&shown))
	}
	sections = append(sections, thresholds(run.Thresholds), warnings(), d.pictures())
	if d.try != nil {
		sections = append(sections, d.timeline(), d.fates(), d.queued(), d.listener(), d.reconnect(), d.server(), d.restart(), d.leftBehind())
	}
	sections = append(sections, d.latencies(), accounting(shown.Accounting), kernel(document.Detail, &shown), d.notKnown(), observer(run))
	if d.try != nil {
		sections = append(sections, d.next())
	}
	return build(title(run), stopWords(&d.drain.Stop), d.warnings(), sections...)
}

// accounting lists the checks of the whole run and of the shown try, and the failed exact checks of
// other tries.
func (d *drainView) accounting() []record.Check {
	checks := slices.Clone(d.run.Accounting)
	for i := range d.drain.Tries {
		for _, c := range d.drain.Tries[i].Accounting {
			switch {
			case i+1 == d.n:
				checks = append(checks, c)
			case !c.OK && c.Exact:
				c.Note = join("; ", fmt.Sprintf("in try %d", i+1), c.Note)
				checks = append(checks, c)
			}
		}
	}
	return unique(checks)
}

// several reports whether there are several tries.
func (d *drainView) several() bool { return len(d.drain.Tries) > 1 }

func (d *drainView) interrupted() string {
	if !d.run.Interrupted {
		return ""
	}
	s := "INTERRUPTED after " + quantity.Seconds(d.run.ElapsedS)
	if n := d.drain.Stop.Repeat; n > 1 {
		s += fmt.Sprintf(", with %d of %d tries recorded", len(d.drain.Tries), n)
	}
	return s + ": all numbers are of what came before"
}

// whatCounts explains the scores.
const whatCounts = "counted from the stop on. Failed: requests lost or answered 5xx; connects refused, unreachable or timed out. Lost: without a whole reply"

// fewTries is the most tries of which all scores are shown.
const fewTries = 5

func (d *drainView) score() *section {
	tries := d.drain.Tries
	s := begin(document.First, "SCORE", "no try came far enough to say anything")
	if len(tries) == 0 {
		return s
	}
	line := func(i int) string { return cmp.Or(tries[i].Score, metric.ScoreLine(&tries[i])) }
	s.Tone = document.Good
	calm, undecided := 0, 0
	for i := range tries {
		t := &tries[i]
		if t.Failed() > 0 {
			s.Tone = document.Bad
		}
		switch {
		case t.Requests.Lost() > 0:
		case t.Requests.Open > 0:
			undecided++
		default:
			calm++
		}
		if d.several() && (len(tries) <= fewTries || i+1 == d.n) {
			s.fact(document.First, fmt.Sprintf("try %d", i+1), line(i))
		}
	}
	s.note(whatCounts)
	if !d.several() {
		s.Lead = line(0)
		return s
	}
	switch {
	case undecided > 0:
		s.Lead = fmt.Sprintf("%d of %d tries lost no request; of %d it is not known", calm, len(tries), undecided)
	case calm == len(tries):
		s.Lead = fmt.Sprintf("none of %d tries lost a request", len(tries))
	case calm == 0:
		s.Lead = fmt.Sprintf("each of %d tries lost requests", len(tries))
	default:
		s.Lead = fmt.Sprintf("%d of %d tries lost no request", calm, len(tries))
	}
	s.Lead += fmt.Sprintf("; what follows is of try %d, and no other was worse for clients", d.n)
	return s
}

// spread shows how the tries differ.
func (d *drainView) spread() *section {
	if !d.several() {
		return nil
	}
	s := begin(document.Detail, "TRIES", fmt.Sprintf("how %d tries differ; what was 0 in all of them is left out", len(d.drain.Tries)))
	t := s.table(document.Detail, "", "min", "median", "max", "tries", "~")
	for _, m := range metric.Spreads(d.drain.Tries) {
		if m.Tries > 0 && (m.Min != 0 || m.Max != 0) {
			words := m.Help + given(m.AtLeast > 0, fmt.Sprintf("; at least, in %d", m.AtLeast))
			t.row(m.Name, spreadValue(m.Unit, m.Min), spreadValue(m.Unit, m.Median), spreadValue(m.Unit, m.Max), count(m.Tries), txt(words))
		}
	}
	return s
}

// warnings lists those of the run, and those of the tries, each once.
func (d *drainView) warnings() []string {
	texts := slices.Clone(d.run.Warnings)
	in := make(map[string][]int)
	var order []string
	for i := range d.drain.Tries {
		for _, w := range d.drain.Tries[i].Warnings {
			if in[w] == nil && !slices.Contains(d.run.Warnings, w) {
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
	return texts
}

// notKnown says what could not be known, and why.
func (d *drainView) notKnown() *section {
	if d.try == nil {
		return nil
	}
	s := begin(document.First, "NOT KNOWN", "")
	var words []string
	for _, key := range keys(d.try.Unknown) {
		// With connections left, it is known that the last one was not gone.
		if key != "last_gone_s" || d.try.Connections.Left() <= 0 {
			what := cmp.Or(unknownWords()[key], key)
			words = append(words, what)
			s.note("- " + what + given(what != key, " ("+key+")") + ": " + d.try.Unknown[key])
		}
	}
	if len(words) == 0 {
		return nil
	}
	s.Lead = some(words, 3)
	return s
}

// askedSeconds is askedTime for seconds.
func askedSeconds(s float64) string { return askedTime(int64(min(s*1e9, 1e18))) }

// quoted is a command in quotes.
func quoted(command []string) string { return "\"" + shell(command) + "\"" }

// stopWords says how the server was stopped.
func stopWords(s *record.DrainStop) string {
	after := " after " + askedSeconds(s.AfterS) + " of load"
	sig := cmp.Or(s.Signal, "a signal")
	var out string
	switch s.Way {
	case record.DrainByPID:
		out = fmt.Sprintf("%s to process %d%s", sig, s.PID, after)
	case record.DrainByExec:
		out = sig + " to the server that " + quoted(s.Command) + " started," + after
	case record.DrainByHook:
		out = "the server" + given(len(s.Exec) > 0, " that "+quoted(s.Exec)+" started") + " is stopped by the hook \"" + strings.Join(s.Command, " ") + "\"" + after
	default:
		return "how the server was stopped was not recorded"
	}
	switch {
	case s.Signal == "SIGKILL": // ends it
	case s.Then != "":
		out += "; " + s.Then + " if it still runs " + askedSeconds(s.GraceS) + " later"
	case s.Signal == "SIGHUP" || s.Signal == "SIGUSR2":
		out += "; a reload: it should stay"
	case s.GraceS > 0:
		out += "; it has " + askedSeconds(s.GraceS) + " to end"
	}
	for _, a := range s.Also {
		out += "; " + quoted(a) + " runs beside it"
	}
	switch by := quoted(s.Restart); {
	case len(s.Restart) == 0:
	case s.Handover:
		out += "; " + by + " is started before the signal, so that both share the port"
	default:
		out += "; restarted with " + by + " as soon as it is gone"
	}
	return out + given(s.Repeat > 1, fmt.Sprintf("; %d tries", s.Repeat))
}

// drainLoad describes the groups of a plan, in sentences and in a few words.
func drainLoad(groups []record.Group) (load, brief string) {
	if len(groups) == 0 {
		return "not recorded", ""
	}
	same := !slices.ContainsFunc(groups, func(g record.Group) bool { return g.Exchange != groups[0].Exchange })
	var parts, few []string
	for i := range groups {
		g := &groups[i]
		n := quantity.Count(int64(g.Connections))
		s, short, exchange := "", n+" "+g.Name, given(!same && g.Exchange != "", " ("+g.Exchange+")")
		switch g.Name {
		case "idle":
			s = n + " idle clients that keep a connection"
		case "in-flight":
			s = n + quantity.Plural(g.Connections, " that sends", " that send") + " one request after the other" + given(g.ThinkNs > 0, ", "+askedTime(g.ThinkNs)+" apart")
		case "partial":
			s = n + " with half a request sent"
		case "queued":
			s = n + " connections in the accept queue"
		case "arrivals":
			s = askedRate(g.RateFrom) + " new connections/s"
			short = s
		default:
			s, exchange = g.Name+": "+describe(g, 0, 0), ""
		}
		parts, few = append(parts, s+exchange), append(few, short)
	}
	return join("; ", strings.Join(parts, "; "), given(same && groups[0].Exchange != "", "all speak "+groups[0].Exchange)), strings.Join(few, ", ")
}
