package drain

import (
	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
)

// fate is how a connection ended.
type fate uint8

const (
	fateNever fate = iota // it did not, during the watch
	fateFIN
	fateRST
	fateCut
	fateDone
	fateOther
)

// byServer reports whether the server ended the connection.
func (f fate) byServer() bool { return f == fateFIN || f == fateRST || f == fateCut }

// fateOf is the fate of a connection that was open at the signal or opened after it. After the watch clients close the connections that
// they keep, so an end then says nothing, unless a request was still under way.
func (j *joined) fateOf(c *connection) fate {
	keep := c.group.keep
	switch {
	case c.End == loadgen.EndOpen:
		return fateNever
	case c.Outcome == sockstate.OutcomeCutInRequest && keep != loadgen.KeepPartial:
		return fateCut
	case c.Outcome == sockstate.OutcomeRequestTimeout, c.Outcome == sockstate.OutcomeOther:
		return fateOther
	case j.late(c.Ended) && !(keep == loadgen.KeepNot && c.End == loadgen.EndByClient):
		return fateNever
	case c.End == loadgen.EndByFIN:
		return fateFIN
	case c.End == loadgen.EndByRST:
		return fateRST
	}
	return fateDone
}

// addFates gives every connection and request one fate, by group and in all.
func (j *joined) addFates(t *record.DrainTry) {
	t.Groups = make([]record.DrainGroup, len(j.groups))
	requests := func(group int) [2]*record.DrainRequests {
		return [...]*record.DrainRequests{&t.Groups[group].Requests, &t.Requests}
	}
	for i := range t.Groups {
		t.Groups[i].Name = j.groups[i].name
		l := &j.atEnd.Groups[i].Ledger
		for _, q := range requests(i) {
			q.Total += l.Requests + l.Outcomes[sockstate.OutcomeHTTPStatus] // the latter are the 5xx
		}
		if len(j.atMark.Groups) > i {
			j.addStatuses(requests(i), i)
		}
	}
	for i := range j.conns {
		if c := &j.conns[i]; c.reported {
			j.addConnection(&t.Connections, &t.Groups[c.Group], c)
		}
	}
	aborts := j.aborts()
	for i := range j.requests {
		r := &j.requests[i]
		for _, q := range requests(int(r.Group)) {
			if r.Fate.Lost() || r.Fate == loadgen.RequestOpen {
				q.Total++ // those with a reply are counted above
			}
			if r.Ended >= j.signal {
				j.addRequest(q, r, aborts)
			}
		}
	}
}

func (j *joined) addConnection(all *record.DrainConnections, g *record.DrainGroup, c *connection) {
	if c.End == loadgen.EndNotOpened {
		switch c.attempt() {
		case attemptRefused:
			g.Refused++
		case attemptTimedOut, attemptPending, attemptUnreachable:
			g.ConnectsUnanswered++
		case attemptOpened, attemptFailed:
		}
		return
	}
	after := c.Opened > j.signal
	for _, f := range []*record.DrainConnections{&g.Connections, all} {
		f.Opened++
		*[...]*int64{fateNever: &f.Never, fateFIN: &f.FIN, fateRST: &f.RST, fateCut: &f.Cut, fateDone: &f.Done, fateOther: &f.Other}[c.fate]++
		if c.fate == fateNever && after {
			f.Kept++
		}
	}
	if after {
		return
	}
	g.OpenAtStop++
	if c.fate.byServer() {
		at := j.seconds(c.endedAt)
		if g.FirstEndS == nil || at < *g.FirstEndS {
			g.FirstEndS = new(at)
		}
		highest(&g.LastEndS, at)
	}
}

// addRequest counts a request that was under way at the signal or sent after it.
func (j *joined) addRequest(q *record.DrainRequests, r *request, aborts bool) {
	q.Sent++
	if r.Sent <= j.signal {
		q.UnderWay++
	}
	if r.Partial {
		q.Partial++
		return
	}
	*[...]*int64{
		loadgen.Answered: &q.Completed, loadgen.AnsweredClose: &q.CompletedClose, loadgen.Answered5xx: &q.Answered5xx,
		loadgen.CutByFIN: &q.CutFIN, loadgen.CutByRST: &q.CutRST, loadgen.RequestTimedOut: &q.TimedOut,
		loadgen.RequestOpen: &q.Open, loadgen.RequestBroken: &q.Other,
	}[r.Fate]++
	if r.Fate == loadgen.RequestOpen {
		return
	}
	if !r.Fate.Lost() {
		highest(&q.SlowestS, float64(r.Ended-r.Sent)/1e9)
		return
	}
	again := j.retry(r, aborts)
	if again == retryUnsafe {
		q.Unsafe++
		return
	}
	q.Safe++
	switch again {
	case retryArrivedLate:
		q.Raced++
	case retryUnreceived:
		q.Unreceived++
	case retrySafe, retryUnsafe:
	}
}

// before counts what failed before the signal. answered is the number of requests of the whole load, without those of after the signal.
func (j *joined) before(answered int64) record.DrainBefore {
	b := record.DrainBefore{Answered: answered}
	for i := range j.requests {
		r := &j.requests[i]
		if r.Ended >= j.signal || !r.Fate.Lost() {
			continue
		}
		b.Answered--
		if r.Partial {
			continue
		}
		b.Lost++
		if r.Fate == loadgen.RequestTimedOut {
			b.TimedOut++
		}
	}
	for i := range j.conns {
		c := &j.conns[i]
		if c.Ended < j.signal && c.Opened == 0 && (c.Outcome == sockstate.OutcomeRefused || c.Outcome == sockstate.OutcomeConnectTimeout || c.Outcome == sockstate.OutcomeUnreachable) {
			b.Connects++
		}
	}
	return b
}

// gap is the longest time without a reply between the signal and the end of the watch. open is set if no reply ended it.
func (j *joined) gap() (s *float64, open bool) {
	last, longest := j.signal, int64(0)
	for i := range j.requests { // in the order of their ends
		r := &j.requests[i]
		if r.Ended < j.signal || r.Partial || r.Fate == loadgen.RequestOpen || r.Fate.Lost() || j.late(r.Ended) {
			continue
		}
		longest = max(longest, r.Ended-last)
		last = max(last, r.Ended)
	}
	if j.concluded-last > longest {
		longest, open = j.concluded-last, true
	}
	return new(float64(longest) / 1e9), open
}

// lastGone is when the last connection that was open at the signal ended; all is false if one did not end.
func (j *joined) lastGone() (at int64, all bool) {
	for i := range j.conns {
		c := &j.conns[i]
		if c.Opened == 0 || c.Opened > j.signal || c.Ended < j.signal {
			continue
		}
		if c.End == loadgen.EndOpen || j.late(c.Ended) {
			return 0, false
		}
		ended := c.Ended
		if c.End == loadgen.EndByFIN || c.End == loadgen.EndByRST {
			ended = c.endedAt
		}
		at = max(at, ended)
	}
	return at, true
}

func highest(of **float64, v float64) {
	if *of == nil || v > **of {
		*of = &v
	}
}
