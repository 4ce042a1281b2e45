package drain

import (
	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
)

// fate is how a connection ended.
type fate uint8

const (
	fateNever fate = iota // it did not, while clients were watched
	fateFIN
	fateRST
	fateCut
	fateDone
	fateOther
)

// byServer reports whether the server ended the connection.
func (f fate) byServer() bool { return f == fateFIN || f == fateRST || f == fateCut }

// fateOf is the fate of a connection that was open at the signal or opened after it. After the watch clients close what they keep, so
// the end of a connection says nothing then, unless its request was still under way.
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

// groupFates gives every connection and request of each group one fate.
func (j *joined) groupFates() []record.DrainGroup {
	groups := make([]record.DrainGroup, len(j.groups))
	for i := range groups {
		g := &groups[i]
		g.Name = j.groups[i].name
		l := &j.atEnd.Groups[i].Ledger
		g.Requests.Total = l.Requests + l.Outcomes[sockstate.OutcomeHTTPStatus] // the latter are the 5xx
		if len(j.atMark.Groups) > i {
			j.addStatuses(&g.Requests, i)
		}
	}
	for i := range j.conns {
		if c := &j.conns[i]; c.reported {
			j.addConnection(&groups[c.Group], c)
		}
	}
	aborts := j.aborts()
	for i := range j.requests {
		r := &j.requests[i]
		q := &groups[r.Group].Requests
		if r.Fate.Lost() || r.Fate == loadgen.RequestOpen {
			q.Total++ // those with a reply are counted above
		}
		if r.Ended >= j.signal {
			j.addRequest(q, r, aborts)
		}
	}
	return groups
}

func (j *joined) addConnection(g *record.DrainGroup, c *connection) {
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
	f := &g.Connections
	f.Opened++
	switch c.fate {
	case fateNever:
		f.Never++
		if c.Opened > j.signal {
			f.Kept++
		}
	case fateFIN:
		f.FIN++
	case fateRST:
		f.RST++
	case fateCut:
		f.Cut++
	case fateOther:
		f.Other++
	case fateDone:
		f.Done++
	}
	if c.Opened > j.signal {
		return
	}
	g.OpenAtStop++
	if c.fate.byServer() {
		at := j.seconds(c.endedAt)
		if g.FirstEndS == nil || at < *g.FirstEndS {
			g.FirstEndS = new(at)
		}
		if g.LastEndS == nil || at > *g.LastEndS {
			g.LastEndS = new(at)
		}
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
	switch r.Fate {
	case loadgen.Answered:
		q.Completed++
	case loadgen.AnsweredClose:
		q.CompletedClose++
	case loadgen.Answered5xx:
		q.Answered5xx++
	case loadgen.CutByFIN:
		q.CutFIN++
	case loadgen.CutByRST:
		q.CutRST++
	case loadgen.RequestTimedOut:
		q.TimedOut++
	case loadgen.RequestOpen:
		q.Open++
	case loadgen.RequestBroken:
		q.Other++
	}
	switch {
	case r.Fate == loadgen.RequestOpen:
		return
	case !r.Fate.Lost():
		slowest(q, float64(r.Ended-r.Sent)/1e9)
		return
	}
	switch j.retry(r, aborts) {
	case retryArrivedLate:
		q.Raced++
		q.Safe++
	case retryUnreceived:
		q.Unreceived++
		q.Safe++
	case retrySafe:
		q.Safe++
	case retryUnsafe:
		q.Unsafe++
	}
}

// before counts what failed before the signal; answered is how many requests were in the whole load, less those reported.
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

// gap is the longest time without a reply, from the signal to the end of the watch; open where the end of the watch
// ended it, and no reply.
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

// lastGone is when the last connection ended that was open at the signal; all is false if one did not.
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

func slowest(r *record.DrainRequests, s float64) {
	if r.SlowestS == nil || s > *r.SlowestS {
		r.SlowestS = &s
	}
}
