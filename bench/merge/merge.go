// Package merge makes one record of those of the shards of a run:
//
//	histograms        bucket by bucket, so that the merged one is that of all values
//	counts, outcomes  added
//	timelines         added on one axis, the number of the interval
//	kernel's figures  once for each network namespace: shards in one saw each other's sockets, and the largest of theirs counts
//	hosts, pressure, observers, verdicts   kept for each shard
//	accounting        the sums of what was expected and counted
//
// A merged record can be merged again. The result depends on neither the order nor the grouping.
package merge

import (
	"cmp"
	"fmt"
	"slices"

	"lastack/bench/record"
	"lastack/bench/shard"
	"lastack/bench/verdict"
)

// Merger takes records one after the other, so that only one needs to be in memory.
type Merger struct {
	parts    []part
	from     map[int]string // by a shard's number, the record that it came from
	latency  map[string]*record.LatencySum
	groups   []group
	timeline timeline
	traces   traces
	first    *record.Run // without its timeline: what all have in common
	problems []string
}

// part is a shard, and the name of the record that it came from.
type part struct {
	record.ShardResult
	name  string
	runID string
	// among says that the record has more shards.
	among bool
}

// String names it in a message.
func (p *part) String() string {
	if p.among {
		return fmt.Sprintf("shard %d in %s", p.I, p.name)
	}
	return p.name
}

// Error lists what is wrong with the records.
type Error struct {
	Problems []string
	// Missing is set if some shards are missing, and nothing else is wrong.
	Missing bool
}

func (e *Error) Error() string {
	s := e.Problems[0]
	if n := len(e.Problems) - 1; n > 0 {
		s += fmt.Sprintf(" (and %d more)", n)
	}
	return s
}

// Add takes a record, whose name is for messages. The run must not be used after that.
func (m *Merger) Add(name string, r *record.Run) {
	problem := func(format string, args ...any) {
		m.problems = append(m.problems, name+" "+fmt.Sprintf(format, args...))
	}
	switch {
	case r.Kind != "" && r.Kind != record.KindRun:
		problem("is the record of a %s: want the shards of a run", r.Kind)
		return
	case r.Shard == nil && len(r.Shards) == 0:
		problem("is no shard: its run had one process (lastack run --shard I/N makes shards)")
		return
	}
	parts := partsOf(name, r)
	// A duplicate or a foreign record is named, and not added up.
	if !m.fits(parts) {
		return
	}
	m.take(parts)
	if err := m.addLatency(r); err != nil {
		problem("cannot be merged: %v", err)
	}
	if err := m.traces.add(r); err != nil {
		problem("cannot be merged: %v", err)
	}
	if err := m.timeline.add(r); err != nil {
		problem("cannot be merged: %v", err)
	}
	if m.first == nil {
		r.Timeline = nil
		m.first = r
	}
}

// partsOf are the shards of a record, merged or not.
func partsOf(name string, r *record.Run) (parts []part) {
	if r.Shard == nil {
		for i := range r.Shards {
			parts = append(parts, part{r.Shards[i], name, r.RunID, len(r.Shards) > 1})
		}
		return parts
	}
	s := record.ShardResult{
		Shard: *r.Shard, Version: r.Version, Build: r.Build, Started: r.Started, ElapsedS: r.ElapsedS, LoadS: r.LoadS, Interrupted: r.Interrupted, Plan: r.Plan, Sandbox: r.Sandbox,
		Result: r.Result, Warmup: r.Warmup, Server: r.Server, TCPInfo: r.TCPInfo, States: r.States, TimeWait: r.TimeWait, Counters: r.Counters, CountersBySide: r.CountersBySide,
		Pressure: r.Pressure, Tracking: r.Tracking, Generator: r.Generator, Observer: r.Observer, Settle: r.Settle, Predicted: r.Predicted, Accounting: r.Accounting, Verdict: r.Verdict, Warnings: r.Warnings,
	}
	if len(r.Hosts) > 0 {
		s.Host = r.Hosts[0]
		s.Host.ClockOffsetUs = r.Shard.ClockOffsetUs
	}
	s.Latency = summaries(r.Latency)
	s.States.Dwell = nil
	for side, states := range r.States.Dwell {
		if s.States.Dwell == nil {
			s.States.Dwell = map[string]map[string]record.Latency{}
		}
		s.States.Dwell[side] = summaries(states)
	}
	for i := range r.Groups {
		g := r.Groups[i]
		g.Latency = summaries(g.Latency)
		s.Groups = append(s.Groups, g)
	}
	return []part{{s, name, r.RunID, false}}
}

// summaries are latencies without their histograms.
func summaries(all map[string]record.Latency) map[string]record.Latency {
	s := make(map[string]record.Latency, len(all))
	for k, l := range all {
		l.Hdr = ""
		s[k] = l
	}
	return s
}

// fits checks new shards of one record against those that there are, and against each other.
func (m *Merger) fits(parts []part) (ok bool) {
	ok = true
	problem := func(format string, args ...any) {
		ok = false
		m.problems = append(m.problems, fmt.Sprintf(format, args...))
	}
	first := &parts[0]
	if len(m.parts) > 0 {
		first = &m.parts[0]
	}
	if of := parts[0].runID; of != first.runID {
		problem("%s is of another run (%s) than %s (%s)", parts[0].name, named(of), first.name, named(first.runID))
		return false
	}
	inside := make(map[int]bool, len(parts))
	for i := range parts {
		p := &parts[i]
		from, there := m.from[p.I]
		switch {
		case p.N > shard.Most:
			problem("%s says that it is one of %d shards: a run has at most %d", p, p.N, shard.Most)
		case p.N < 1 || p.I < 0 || p.I >= p.N:
			problem("%s says that it is shard %d of %d, which there is not", p, p.I, p.N)
		case p.N != first.N:
			problem("%s is one of %d shards, %s one of %d", p, p.N, first, first.N)
		case p.PlanSHA256 != first.PlanSHA256:
			problem("%s has another plan than %s: the load differs", p, first)
		case p.runID == "" && len(m.parts) > 0 && apart(p, first):
			problem("%s is of another run than %s: they were not under load at the same time", p, first)
		case inside[p.I]:
			problem("shard %d is there twice in %s", p.I, p.name)
		case there:
			problem("shard %d is there twice: %s and %s", p.I, from, p.name)
		}
		inside[p.I] = true
	}
	return ok
}

// take keeps shards that fit.
func (m *Merger) take(parts []part) {
	if m.from == nil {
		m.from = make(map[int]string)
	}
	for i := range parts {
		m.from[parts[i].I] = parts[i].name
	}
	m.parts = append(m.parts, parts...)
}

func named(runID string) string { return cmp.Or(runID, "which has no name") }

// apart reports whether two loads were not going on at any time together, as far as their clocks say.
func apart(a, b *part) bool {
	if b.Started.Before(a.Started) {
		a, b = b, a
	}
	return b.Started.Sub(a.Started).Seconds() > a.ElapsedS
}

// Result is the merged record. Without partial, all shards that took part must be there. The error is an *Error.
func (m *Merger) Result(partial bool) (*record.Run, error) {
	if len(m.problems) > 0 {
		return nil, &Error{Problems: m.problems}
	}
	if len(m.parts) == 0 {
		return nil, &Error{Problems: []string{"there is no record to merge"}}
	}
	slices.SortFunc(m.parts, func(a, b part) int { return cmp.Compare(a.I, b.I) })
	missing := m.missing()
	if len(missing) > 0 && !partial {
		are := "is"
		if len(missing) > 1 {
			are = "are"
		}
		return nil, &Error{Problems: []string{fmt.Sprintf("%s of 0 to %d %s missing", shard.Names(missing), m.parts[0].N-1, are)}, Missing: true}
	}
	r, err := m.run()
	if err != nil {
		return nil, &Error{Problems: []string{err.Error()}}
	}
	r.ShardsMissing = missing
	r.Verdict = verdict.Judge(r)
	return r, nil
}

// missing lists the shards that took part and are not there.
func (m *Merger) missing() (missing []int) {
	absent := make([]bool, m.parts[0].N)
	for i := range m.parts {
		for _, k := range m.parts[i].Absent {
			if k >= 0 && k < len(absent) {
				absent[k] = true
			}
		}
	}
	for i := range absent {
		if _, ok := m.from[i]; !ok && !absent[i] {
			missing = append(missing, i)
		}
	}
	return missing
}
