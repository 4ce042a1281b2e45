package drain

import (
	"cmp"
	"fmt"
	"slices"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/loadgen"
)

// timeline lists the main events in order of time.
type timeline []record.DrainMoment

// add leaves out an event without a time.
func (l *timeline) add(at *float64, format string, args ...any) {
	if at != nil {
		*l = append(*l, record.DrainMoment{TS: *at, What: fmt.Sprintf(format, args...)})
	}
}

func (j *joined) timeline(t *record.DrainTry) []record.DrainMoment {
	l := timeline{{What: j.stopWords()}}
	n := &t.Listener
	l.add(n.LastAcceptS, "last connection accepted before the refusals")
	l.add(n.FirstRefusalS, "first connection refused")
	l.add(n.AcceptsAgainS, "connections accepted again")
	l.add(n.UnservedFromS, "from here on handshakes by the kernel only: no process was seen accepting")
	for i := range t.Groups {
		l.addGroup(&t.Groups[i])
	}
	l.addReplies(j)
	whose, at, then := "the signalled process", "signal", "second signal sent"
	if j.byHook() {
		whose, at, then = "the server's process", "stop", "signal sent, as the stop command had not ended the server"
	}
	l.add(t.LastGoneS, "last connection gone of those open at the %s", at)
	l.add(j.since(j.thenSent), "grace over: %s", then)
	if len(j.stop.Restart) > 0 || j.exited == 0 || j.gone == j.exited {
		l.add(j.since(j.exited), "%s ended", whose)
	} else {
		l.add(j.since(j.exited), "%s ended, and others of the server listen on", whose)
		l.add(j.since(j.gone), "nobody of the old server listens any more")
	}
	l.add(j.since(j.hookEnded), "stop command ended")
	l.add(j.since(j.restarted), "restart command started")
	l.add(j.since(j.listening), "the restarted server listens")
	slices.SortStableFunc(l, func(a, b record.DrainMoment) int { return cmp.Compare(a.TS, b.TS) })
	return l
}

// addGroup adds when the server ended the connections that a group had at the signal.
func (l *timeline) addGroup(g *record.DrainGroup) {
	switch {
	case g.OpenAtStop == 0 || g.FirstEndS == nil:
	case *g.FirstEndS == *g.LastEndS:
		l.add(g.FirstEndS, "%s: connection ended by the server", g.Name)
	default:
		l.add(g.FirstEndS, "%s: first of %s open connections ended by the server", g.Name, quantity.Count(g.OpenAtStop))
		l.add(g.LastEndS, "%s: last one that it ended", g.Name)
	}
}

// addReplies adds the first 5xx, and the last reply if no server took over.
func (l *timeline) addReplies(j *joined) {
	last, failed := int64(0), false
	for i := range j.requests {
		r := &j.requests[i]
		if r.Fate == loadgen.Answered5xx && r.Ended >= j.signal && !failed {
			failed = true
			l.add(j.since(r.Ended), "first reply with a 5xx (%d)", r.Status)
		}
		if !r.Fate.Lost() && r.Fate != loadgen.RequestOpen && r.Ended > j.signal && !j.late(r.Ended) {
			last = max(last, r.Ended)
		}
	}
	if j.listening == 0 && j.exited != 0 {
		l.add(j.since(last), "last reply")
	}
}

// stopWords says what happened at time 0.
func (j *joined) stopWords() string {
	switch {
	case j.server.signalFailed != "" && j.thenSent == 0 && j.exited == 0:
		return "the signal could not be sent"
	case j.byHook():
		return "stop command started"
	}
	return "signal sent"
}
