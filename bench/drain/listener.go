package drain

import (
	"cmp"
	"slices"

	"lastack/bench/record"
	"lastack/loadgen"
)

// answers are the results of the connects that a try counts. They are what clients saw, so that they agree with all other counts; the times
// are the packets', if there are any.
type answers struct {
	connects          [numAttempts]int64
	accepted, refused []int64 // when, in their order
}

func (j *joined) readAnswers() {
	for i := range j.conns {
		c := &j.conns[i]
		if !c.answeredAfter(j.signal) {
			continue
		}
		what := c.attempt()
		j.connects[what]++
		switch what {
		case attemptOpened:
			j.accepted = append(j.accepted, max(c.openedAt, j.signal))
		case attemptRefused:
			j.refused = append(j.refused, c.Ended)
		case attemptTimedOut, attemptPending, attemptUnreachable, attemptFailed:
		}
	}
	if all := j.refusals; j.journal.Overflow == 0 && j.refusedEver == int64(len(all)) {
		// A refused connect has no address in the journal, but those after the signal are the last ones.
		for i, at := range all[len(all)-len(j.refused):] {
			j.refused[i] = max(at, j.signal)
		}
	}
	slices.Sort(j.accepted)
	slices.Sort(j.refused)
}

// listener says what happened to new connections.
func (j *joined) listener() record.DrainListener {
	n := &j.connects
	l := record.DrainListener{
		Opened: n[attemptOpened], Refused: n[attemptRefused], TimedOut: n[attemptTimedOut],
		Pending: n[attemptPending], Unreachable: n[attemptUnreachable], Failed: n[attemptFailed],
	}
	for _, of := range n {
		l.Attempts += of
	}
	j.addUnserved(&l)
	if len(j.refused) == 0 {
		return l
	}
	first, last := j.refused[0], j.refused[len(j.refused)-1]
	l.FirstRefusalS = j.since(first)
	for _, at := range j.accepted {
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

// addUnserved finds the connections that, as far as clients can tell, only the kernel accepted: it completes handshakes as long as a
// process holds the listener, even if none accepts. A request that an interrupt cut off proves nothing.
func (j *joined) addUnserved(l *record.DrainListener) {
	// What became of each connection's requests.
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
		l.SlowestConnectS = max(l.SlowestConnectS, float64(c.Opened-c.Began)/1e9)
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
