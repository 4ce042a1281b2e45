package merge

import (
	"cmp"
	"fmt"
	"slices"

	"lastack/bench/record"
)

// traces adds up what the traces of the records saw.
type traces struct {
	// records is how many records there were, traced how many of them have a trace.
	records, traced int
	sum             record.States
	dwell           map[string]map[string]*dwell
}

// dwell is the time in a state. What is exact in the records stays so.
type dwell struct {
	buckets           record.LatencySum
	minUs, maxUs, sum float64
	n                 int64
}

func (d *dwell) add(l *record.Latency) error {
	if l.Count == 0 {
		return nil
	}
	if d.n == 0 {
		d.minUs = l.MinUs
	}
	d.minUs, d.maxUs = min(d.minUs, l.MinUs), max(d.maxUs, l.MaxUs)
	d.sum += l.MeanUs * float64(l.Count)
	d.n += l.Count
	return d.buckets.Add(l)
}

func (d *dwell) latency() (record.Latency, error) {
	l, err := d.buckets.Latency()
	if d.n > 0 {
		l = l.Exactly(d.minUs, d.sum/float64(d.n), d.maxUs)
	}
	return l, err
}

func (t *traces) add(r *record.Run) error {
	t.records++
	s := &r.States
	if s.Transitions == nil {
		return nil
	}
	t.traced++
	to := &t.sum
	for _, c := range []struct {
		to *map[string]map[string]int64
		of map[string]map[string]int64
	}{
		{&to.Transitions, s.Transitions},
		{&to.Living, s.Living},
		{&to.Unpredicted, s.Unpredicted},
		{&to.ResetsSent, s.ResetsSent},
		{&to.ResetsReceived, s.ResetsReceived},
		{&to.Retransmits, s.Retransmits},
	} {
		*c.to = bySide(*c.to, c.of, record.Sum)
	}
	for side, reasons := range s.ResetsSentIn {
		if to.ResetsSentIn == nil {
			to.ResetsSentIn = map[string]map[string]map[string]int64{}
		}
		if to.ResetsSentIn[side] == nil {
			to.ResetsSentIn[side] = map[string]map[string]int64{}
		}
		for reason, states := range reasons {
			to.ResetsSentIn[side][reason] = record.Sum(to.ResetsSentIn[side][reason], states)
		}
	}
	for side, states := range s.Minisockets {
		if to.Minisockets == nil {
			to.Minisockets = map[string]map[string]record.Minis{}
		}
		if to.Minisockets[side] == nil {
			to.Minisockets[side] = map[string]record.Minis{}
		}
		for state, n := range states {
			sum := to.Minisockets[side][state]
			sum.Expired, sum.Early, sum.Rearmed = sum.Expired+n.Expired, sum.Early+n.Early, sum.Rearmed+n.Rearmed
			to.Minisockets[side][state] = sum
		}
	}
	for side, p := range s.Paths {
		if to.Paths == nil {
			to.Paths = map[string]record.Paths{}
		}
		all := to.Paths[side]
		all.Connections += p.Connections
		all.AsPredicted += p.AsPredicted
		to.Paths[side] = all
	}
	for _, e := range s.Exceptions {
		same := func(o record.Exception) bool {
			return o.Side == e.Side && o.From == e.From && o.To == e.To && o.How == e.How
		}
		if i := slices.IndexFunc(to.Exceptions, same); i >= 0 {
			to.Exceptions[i].N += e.N
		} else {
			to.Exceptions = append(to.Exceptions, e)
		}
	}
	to.Lost, to.LostBy = to.Lost+s.Lost, record.Sum(to.LostBy, s.LostBy)
	for side, states := range s.Dwell {
		for state, l := range states {
			if err := t.of(side, state).add(&l); err != nil {
				return fmt.Errorf("states.dwell.%s.%s: %w", side, state, err)
			}
		}
	}
	return nil
}

func (t *traces) of(side, state string) *dwell {
	if t.dwell == nil {
		t.dwell = map[string]map[string]*dwell{}
	}
	if t.dwell[side] == nil {
		t.dwell[side] = map[string]*dwell{}
	}
	if t.dwell[side][state] == nil {
		t.dwell[side][state] = new(dwell)
	}
	return t.dwell[side][state]
}

// leaveOut says why the traces are not in a record, and takes out the latencies that came from them.
func (m *Merger) leaveOut(r *record.Run, why string) {
	r.Warnings = append(r.Warnings, "states.transitions: missing, because "+why)
	for i := range r.Groups {
		untraced(&r.Groups[i].Result, why)
	}
	untraced(&r.Result, why)
}

func untraced(r *record.Result, why string) {
	for name, from := range r.LatencySource {
		if from != record.FromTrace {
			continue
		}
		delete(r.Latency, name)
		if r.LatencyAbsent == nil {
			r.LatencyAbsent = make(map[string]string)
		}
		r.LatencyAbsent[name] = why
	}
	r.LatencySource = nil
}

// addTraces adds the sum of the traces to a record, if each connection is in one of them: every record has a trace, and no two shards are in one namespace, where
// each trace has the connections of both.
func (m *Merger) addTraces(r *record.Run) error {
	t := &m.traces
	switch {
	case t.traced == 0:
		return nil
	case t.traced < t.records:
		m.leaveOut(r, fmt.Sprintf("%d of %d records have no trace of the kernel", t.records-t.traced, t.records))
		return nil
	case len(m.kernels()) < len(m.parts):
		m.leaveOut(r, "shards in one network namespace traced each other's connections")
		return nil
	}
	to, s := &r.States, &t.sum
	to.Transitions, to.Living, to.Unpredicted, to.Lost, to.LostBy, to.Minisockets = s.Transitions, s.Living, s.Unpredicted, s.Lost, s.LostBy, s.Minisockets
	to.ResetsSent, to.ResetsSentIn, to.ResetsReceived, to.Retransmits = s.ResetsSent, s.ResetsSentIn, s.ResetsReceived, s.Retransmits
	to.Paths, to.Exceptions = s.Paths, s.Exceptions
	slices.SortFunc(to.Exceptions, func(a, b record.Exception) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Side, b.Side), cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.How, b.How))
	})
	to.Dwell = map[string]map[string]record.Latency{}
	for side, states := range t.dwell {
		to.Dwell[side] = make(map[string]record.Latency, len(states))
		for state, d := range states {
			l, err := d.latency()
			if err != nil {
				return fmt.Errorf("states.dwell.%s.%s: %w", side, state, err)
			}
			to.Dwell[side][state] = l
		}
	}
	return nil
}
