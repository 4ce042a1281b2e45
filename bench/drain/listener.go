package drain

import (
	"cmp"
	"slices"

	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
)

// answers are the times of the answers to the connects that a try counts, in their order.
type answers struct{ accepted, refused []int64 }

// answers counts what clients saw, so that it agrees with all other counts; the times are the packets' where there are any.
func (j *joined) answers() answers {
	var a answers
	ever := int64(0) // connects refused over the whole load
	for i := range j.conns {
		c := &j.conns[i]
		if c.Opened == 0 && c.Outcome == sockstate.OutcomeRefused {
			ever++
		}
		if !c.answeredAfter(j.signal) {
			continue
		}
		switch c.attempt() {
		case attemptOpened:
			a.accepted = append(a.accepted, max(c.openedAt, j.signal))
		case attemptRefused:
			a.refused = append(a.refused, c.Ended)
		case attemptTimedOut, attemptPending, attemptUnreachable, attemptFailed:
		}
	}
	if all := j.refusals; j.journal.Overflow == 0 && ever == int64(len(all)) {
		// A refused connect has no address in the journal; those after the signal are the last ones.
		for i, at := range all[len(all)-len(a.refused):] {
			a.refused[i] = max(at, j.signal)
		}
	}
	slices.Sort(a.accepted)
	slices.Sort(a.refused)
	return a
}

// listener says what happened to new connections.
func (j *joined) listener(a *answers) record.DrainListener {
	var l record.DrainListener
	for i := range j.conns {
		c := &j.conns[i]
		if !c.answeredAfter(j.signal) {
			continue
		}
		l.Attempts++
		switch c.attempt() {
		case attemptOpened:
			l.Opened++
			l.SlowestConnectS = max(l.SlowestConnectS, float64(c.Opened-c.Began)/1e9)
		case attemptRefused:
			l.Refused++
		case attemptTimedOut:
			l.TimedOut++
		case attemptPending:
			l.Pending++
		case attemptUnreachable:
			l.Unreachable++
		case attemptFailed:
			l.Failed++
		}
	}
	j.addUnserved(&l)
	if len(a.refused) == 0 {
		return l
	}
	first, last := a.refused[0], a.refused[len(a.refused)-1]
	l.FirstRefusalS = j.since(first)
	for _, at := range a.accepted {
		if at < first {
			l.LastAcceptS = j.since(at)
		}
		if at > last {
			l.AcceptsAgainS = j.since(at)
			l.RefusedWindowS = float64(at-first) / 1e9
			return l
		}
	}
	l.RefusedWindowS = float64(max(j.concluded, last)-first) / 1e9
	return l
}

// addUnserved finds the connections that only the kernel accepted, as far as clients can tell: it completes handshakes while a process
// has the listener, whether or not the process accepts. A request that an interrupt cut off proves nothing.
func (j *joined) addUnserved(l *record.DrainListener) {
	// What came of the requests of each connection.
	asked, heard, cutOff := make(map[loadgen.ConnID]bool), make(map[loadgen.ConnID]bool), make(map[loadgen.ConnID]bool)
	for i := range j.requests {
		switch r := &j.requests[i]; {
		case r.Partial:
		case r.Touched, r.Fate == loadgen.RequestBroken, !r.Fate.Lost() && r.Fate != loadgen.RequestOpen:
			heard[r.Conn] = true
		case r.Fate == loadgen.RequestTimedOut:
			asked[r.Conn] = true
		case r.Fate == loadgen.RequestOpen:
			cutOff[r.Conn] = true
		}
	}
	var opened []*connection
	for i := range j.conns {
		if c := &j.conns[i]; c.Opened != 0 && c.answeredAfter(j.signal) {
			opened = append(opened, c)
		}
	}
	slices.SortFunc(opened, func(a, b *connection) int { return cmp.Compare(a.Opened, b.Opened) })
	var from int64
	for _, c := range opened {
		switch {
		case heard[c.ID], c.Requests > 0, c.End == loadgen.EndByFIN:
			from = 0 // a process has accepted it
		case asked[c.ID]:
			l.Unserved++
			if from == 0 {
				from = max(c.openedAt, j.signal)
			}
		case cutOff[c.ID]:
			l.Undecided++
		}
	}
	l.UnservedFromS = j.since(from)
}
