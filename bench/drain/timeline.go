package drain

import (
	"cmp"
	"fmt"
	"slices"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/loadgen"
)

// moments lists the events worth a line, in the order of time.
func (e *evidence) moments(t *record.DrainTry) {
	add := func(at *float64, format string, args ...any) {
		if at != nil {
			t.Moments = append(t.Moments, record.DrainMoment{TS: *at, What: fmt.Sprintf(format, args...)})
		}
	}
	t.Moments = append(t.Moments, record.DrainMoment{What: e.stopWords()})
	l := &t.Listener
	add(l.LastAcceptS, "last connection accepted before the refusals")
	add(l.FirstRefusalS, "first connection refused")
	add(l.AcceptsAgainS, "connections accepted again")
	for i := range t.Groups {
		g := &t.Groups[i]
		n := g.OpenAtStop
		if n == 0 || g.FirstEndS == nil {
			continue
		}
		if *g.FirstEndS == *g.LastEndS {
			add(g.FirstEndS, "%s: connection ended by the server", g.Name)
			continue
		}
		add(g.FirstEndS, "%s: first of %s open connections ended by the server", g.Name, quantity.Count(n))
		add(g.LastEndS, "%s: last one that it ended", g.Name)
	}
	if n := len(e.journal.Requests); n > 0 {
		var last int64
		for i := range e.journal.Requests {
			if r := &e.journal.Requests[i]; !r.Fate.Lost() && r.Fate != loadgen.RequestOpen && r.Ended > e.signal && !e.late(r.Ended) {
				last = max(last, r.Ended)
			}
		}
		if e.restartReady == 0 && e.exited != 0 {
			add(e.since(last), "last reply")
		}
	}
	add(t.LastGoneS, "last connection gone of those open at the signal")
	add(e.since(e.thenSent), "grace over: second signal sent")
	if e.restart || e.exited == 0 || e.gone == e.exited {
		add(e.since(e.exited), "the signalled process ended")
	} else {
		add(e.since(e.exited), "the signalled process ended, and others of the server listen on")
		add(e.since(e.gone), "nobody of the old server listens any more")
	}
	add(e.since(e.hookEnded), "stop command ended")
	add(e.since(e.restarted), "restart command started")
	add(e.since(e.restartReady), "the restarted server listens")
	slices.SortStableFunc(t.Moments, func(a, b record.DrainMoment) int { return cmp.Compare(a.TS, b.TS) })
}

// stopWords is what happened at 0.
func (e *evidence) stopWords() string {
	if e.byHook {
		return "stop command started"
	}
	return "signal sent"
}

// sliceLength is that of record.DrainSlice, maxSlices bounds their number.
const (
	sliceLength = int64(100e6)
	maxSlices   = 6000
)

// slices counts what happened in each tenth of a second after the signal.
func (e *evidence) slices(t *record.DrainTry) {
	if e.concluded <= e.signal {
		return
	}
	n := min((e.concluded-e.signal+sliceLength-1)/sliceLength, maxSlices)
	t.Slices = make([]record.DrainSlice, n)
	for i := range t.Slices {
		t.Slices[i].TS = float64(int64(i)*sliceLength) / 1e9
	}
	in := func(at int64) *record.DrainSlice {
		i := (at - e.signal) / sliceLength
		if at < e.signal || i >= n {
			return &record.DrainSlice{} // outside, counted nowhere
		}
		return &t.Slices[i]
	}
	d := e.doors()
	for _, at := range d.accepted {
		in(at).Accepted++
	}
	for _, at := range d.refused {
		in(at).Refused++
	}
	for i := range e.journal.Requests {
		switch r := &e.journal.Requests[i]; {
		case r.Partial || r.Fate == loadgen.RequestOpen:
		case r.Fate.Lost():
			in(r.Ended).Lost++
		default:
			in(r.Ended).Completed++
		}
	}
	for i := range e.journal.Conns {
		switch c := &e.journal.Conns[i]; c.End {
		case loadgen.EndByFIN:
			in(e.endedAt(c)).FIN++
		case loadgen.EndByRST:
			in(e.endedAt(c)).RST++
		case loadgen.EndOpen, loadgen.EndByClient, loadgen.EndNotOpened:
		}
	}
}
