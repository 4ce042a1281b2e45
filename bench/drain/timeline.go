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
	stop := e.stopWords()
	if t.Server.SignalFailed != "" && e.thenSent == 0 && e.exited == 0 {
		stop = "the signal could not be sent"
	}
	t.Moments = append(t.Moments, record.DrainMoment{What: stop})
	l := &t.Listener
	add(l.LastAcceptS, "last connection accepted before the refusals")
	add(l.FirstRefusalS, "first connection refused")
	add(l.AcceptsAgainS, "connections accepted again")
	add(l.UnservedFromS, "from here on handshakes by the kernel only: no process was seen accepting")
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
	for i := range e.journal.Requests {
		if r := &e.journal.Requests[i]; r.Fate == loadgen.Answered5xx && r.Ended >= e.signal {
			add(e.since(r.Ended), "first reply with a 5xx (%d)", r.Status)
			break
		}
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
	if e.byHook {
		add(t.LastGoneS, "last connection gone of those open at the stop")
		add(e.since(e.thenSent), "grace over: signal sent, as the stop command had not ended the server")
	} else {
		add(t.LastGoneS, "last connection gone of those open at the signal")
		add(e.since(e.thenSent), "grace over: second signal sent")
	}
	if e.restart || e.exited == 0 || e.gone == e.exited {
		add(e.since(e.exited), "%s ended", e.whose())
	} else {
		add(e.since(e.exited), "%s ended, and others of the server listen on", e.whose())
		add(e.since(e.gone), "nobody of the old server listens any more")
	}
	add(e.since(e.hookEnded), "stop command ended")
	add(e.since(e.restarted), "restart command started")
	add(e.since(e.restartReady), "the restarted server listens")
	slices.SortStableFunc(t.Moments, func(a, b record.DrainMoment) int { return cmp.Compare(a.TS, b.TS) })
}

// whose names the process that is watched.
func (e *evidence) whose() string {
	if e.byHook {
		return "the server's process"
	}
	return "the signalled process"
}

// stopWords is what happened at 0.
func (e *evidence) stopWords() string {
	if e.byHook {
		return "stop command started"
	}
	return "signal sent"
}

// sliceLength is that of record.DrainSlice, longer where there would be more than maxSlices.
const (
	sliceLength = int64(100e6)
	maxSlices   = 6000
)

// slices counts what happened in each tenth of a second after the signal: all that has a fate, those requests too that
// were under way when the watch ended.
func (e *evidence) slices(t *record.DrainTry) {
	if e.concluded <= e.signal {
		return
	}
	end := e.concluded
	requests := func(do func(*loadgen.RequestEntry)) {
		for i := range e.journal.Requests {
			if r := &e.journal.Requests[i]; r.Ended >= e.signal && !r.Partial && r.Fate != loadgen.RequestOpen {
				do(r)
			}
		}
	}
	conns := func(do func(*loadgen.ConnEntry)) {
		for i := range e.journal.Conns {
			if c := &e.journal.Conns[i]; e.concerns(c) && c.Opened != 0 && e.fateOf(c).byServer() {
				do(c)
			}
		}
	}
	d := e.doors()
	for _, at := range [][]int64{d.accepted, d.refused} {
		if n := len(at); n > 0 {
			end = max(end, at[n-1])
		}
	}
	requests(func(r *loadgen.RequestEntry) { end = max(end, r.Ended) })
	conns(func(c *loadgen.ConnEntry) { end = max(end, e.endedAt(c)) })

	length := sliceLength * (1 + (end-e.signal)/(maxSlices*sliceLength))
	t.Slices = make([]record.DrainSlice, (end-e.signal)/length+1)
	for i := range t.Slices {
		t.Slices[i].TS = float64(int64(i)*length) / 1e9
	}
	in := func(at int64) *record.DrainSlice { return &t.Slices[max(at-e.signal, 0)/length] }
	for _, at := range d.accepted {
		in(at).Accepted++
	}
	for _, at := range d.refused {
		in(at).Refused++
	}
	requests(func(r *loadgen.RequestEntry) {
		switch {
		case r.Fate.Lost():
			in(r.Ended).Lost++
		case r.Fate == loadgen.Answered5xx:
			in(r.Ended).Answered5xx++
		default:
			in(r.Ended).Completed++
		}
	})
	conns(func(c *loadgen.ConnEntry) {
		if c.End == loadgen.EndByRST {
			in(e.endedAt(c)).RST++
		} else {
			in(e.endedAt(c)).FIN++
		}
	})
}
