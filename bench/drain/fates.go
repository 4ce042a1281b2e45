package drain

import (
	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/capture"
)

// serverEnd is how the server ended a connection, by its packets.
type serverEnd struct {
	fin, rst int64 // when the first of each was on the link, 0: none
	// received is how much of what the client sent the server's kernel had when it sent the FIN, or else the RST, in
	// bytes; known is set where that packet acknowledges something: a RST in answer to a segment does not
	// (tcp_v4_send_reset), one for a socket that is closed does (tcp_send_active_reset).
	received uint32
	known    bool
}

// serverEnd finds it. ok is false without a trace, or without the connection's address.
func (e *evidence) serverEnd(c *loadgen.ConnEntry) (end serverEnd, ok bool) {
	if e.trace == nil || c == nil || !c.Local().IsValid() {
		return end, false
	}
	// The port may be used again, but not at once: the client's own FIN or RST ends the connection too.
	packets := e.trace.Find(c.Local(), c.Began, c.Ended+lateEnd)
	var first uint32 // the sequence number of the first byte that the client sends
	begun := false
	for i := range packets {
		p := &packets[i]
		switch {
		case !p.FromServer && p.Flags.Has(capture.SYN):
			if i > 0 && p.At > c.Opened {
				return end, true // the next connection of this port
			}
			first, begun = p.Seq+1, true
		case !p.FromServer:
		case p.Flags.Has(capture.FIN) && end.fin == 0:
			end.fin, end.received, end.known = p.At, p.Acked-first, true
		case p.Flags.Has(capture.RST) && end.rst == 0:
			end.rst = p.At
			if end.fin == 0 && p.Flags.Has(capture.ACK) {
				end.received, end.known = p.Acked-first, true
			}
		}
	}
	return end, begun
}

// received reports whether the server's kernel had the whole request when it sent its FIN, or its RST.
func (e *evidence) received(r *loadgen.RequestEntry, end serverEnd) bool {
	return int64(end.received) >= (int64(r.Nth)+1)*int64(e.groups[r.Group].bytes)
}

// lateEnd is how long after a client saw the end of a connection packets may still belong to it.
const lateEnd = int64(100e6)

// retry says of lost requests whether they may be sent again.
type retry uint8

const (
	unsafeRetry     retry = iota // the server may have begun it
	safeRetry                    // it has certainly not read it whole
	unreceivedRetry              // nor had its kernel received it whole
	racedRetry                   // and was sent when the server had closed the connection already
)

// retry judges a lost request. A server that closes a socket sends FIN if the process has read all that came, and RST if
// not (tcp_close); a FIN acknowledges all that came, and so does the RST of a close. So
//
//	failed before all of it was handed to the kernel   it never left whole
//	RST before the request was sent                    it came after the close: raced
//	FIN that does not acknowledge all of it            likewise
//	FIN that does                                      it was read: the server may have begun it
//	RST alone that does not acknowledge all of it      it had not come whole
//	RST alone that does, and nobody uses SO_LINGER 0   it came and was not read whole; or the connection was never accepted
//
// SO_LINGER 0 (TCPAbortOnData) makes RST say nothing of what was read.
func (e *evidence) retry(r *loadgen.RequestEntry, c *loadgen.ConnEntry, aborts bool) retry {
	if r.Touched || r.Fate != loadgen.CutByFIN && r.Fate != loadgen.CutByRST {
		return unsafeRetry
	}
	end, ok := e.serverEnd(c)
	switch {
	case ok && end.fin == 0 && end.rst != 0 && end.rst <= r.Sent, ok && end.fin != 0 && !e.received(r, end), !ok && r.Unacked:
		return racedRetry
	case r.Unsent, ok && end.rst != 0 && end.known && !e.received(r, end):
		return unreceivedRetry
	case !ok:
		return unsafeRetry
	case end.fin == 0 && end.rst != 0 && !aborts:
		return safeRetry
	}
	return unsafeRetry
}

// aborts reports whether somebody may have closed by SO_LINGER 0: TCPAbortOnData counts those, and connections at which
// data came after the server's FIN.
func (e *evidence) aborts() bool {
	if !e.own || e.trace == nil || e.read != nil && !e.read("TcpExtTCPAbortOnData") {
		return true // not known, so it must be reckoned with
	}
	conns := make(map[loadgen.ConnID]*loadgen.ConnEntry)
	for i := range e.journal.Conns {
		conns[e.journal.Conns[i].ID] = &e.journal.Conns[i]
	}
	late := int64(0)
	for i := range e.journal.Requests {
		r := &e.journal.Requests[i]
		if end, ok := e.serverEnd(conns[r.Conn]); ok && r.Fate.Lost() && end.fin != 0 && end.rst >= end.fin && !e.received(r, end) {
			late++
		}
	}
	return e.counters["TcpExtTCPAbortOnData"] > late
}

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

// fateOf is that of a connection that was open at the signal or opened after it. After the watch clients close what they
// keep, so that the end of a connection says nothing then, but for those whose request was still under way.
func (e *evidence) fateOf(c *loadgen.ConnEntry) fate {
	kind := &e.groups[c.Group]
	switch {
	case c.End == loadgen.EndOpen:
		return fateNever
	case c.Outcome == sockstate.OutcomeCutInRequest && kind.keep != loadgen.KeepPartial:
		return fateCut
	case c.Outcome == sockstate.OutcomeRequestTimeout, c.Outcome == sockstate.OutcomeOther:
		return fateOther
	case e.late(c.Ended) && !(kind.keep == loadgen.KeepNot && c.End == loadgen.EndByClient):
		return fateNever
	case c.End == loadgen.EndByFIN:
		return fateFIN
	case c.End == loadgen.EndByRST:
		return fateRST
	}
	return fateDone
}

// connFate counts it.
func (e *evidence) connFate(f *record.DrainConnections, c *loadgen.ConnEntry) {
	f.Opened++
	switch e.fateOf(c) {
	case fateNever:
		f.Never++
		if c.Opened > e.signal {
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
}

// late reports whether something came after the watch had ended, while clients closed what they had.
func (e *evidence) late(at int64) bool { return e.concluded != 0 && at > e.concluded }

// requestFate counts a request that was under way at the signal or sent after it.
func (e *evidence) requestFate(f *record.DrainRequests, r *loadgen.RequestEntry) {
	f.Sent++
	if r.Sent <= e.signal {
		f.UnderWay++
	}
	switch {
	case r.Partial:
		f.Partial++
	case r.Fate == loadgen.Answered:
		f.Completed++
	case r.Fate == loadgen.AnsweredClose:
		f.CompletedClose++
	case r.Fate == loadgen.Answered5xx:
		f.Answered5xx++
	case r.Fate == loadgen.CutByFIN:
		f.CutFIN++
	case r.Fate == loadgen.CutByRST:
		f.CutRST++
	case r.Fate == loadgen.RequestTimedOut:
		f.TimedOut++
	case r.Fate == loadgen.RequestOpen:
		f.Open++
	default:
		f.Other++
	}
}

// fates gives every connection and request of the try one.
func (e *evidence) fates(t *record.DrainTry) {
	t.Groups = make([]record.DrainGroup, len(e.groups))
	for i := range e.groups {
		g := &t.Groups[i]
		g.Name = e.groups[i].name
		l := &e.atEnd.Groups[i].Ledger
		g.Requests.Total = l.Requests + l.Outcomes[sockstate.OutcomeHTTPStatus] // the latter are the 5xx
		if len(e.atArm.Groups) > i {
			e.statuses(&g.Requests, i)
		}
	}
	conns := make(map[loadgen.ConnID]*loadgen.ConnEntry, len(e.journal.Conns))
	for i := range e.journal.Conns {
		c := &e.journal.Conns[i]
		conns[c.ID] = c
		g := &t.Groups[c.Group]
		switch {
		case !e.concerns(c):
		case c.End == loadgen.EndNotOpened:
			switch e.attemptOf(c) {
			case attemptRefused:
				g.Refused++
			case attemptTimedOut, attemptPending, attemptUnreachable:
				g.ConnectsUnanswered++
			case attemptOpened, attemptFailed:
			}
		default:
			e.connFate(&g.Connections, c)
			if c.Opened <= e.signal {
				g.OpenAtStop++
				e.endOfOpen(g, c)
			}
		}
	}
	aborts := e.aborts()
	replies := make([]int64, 0, len(e.journal.Requests))
	for i := range e.journal.Requests {
		r := &e.journal.Requests[i]
		g := &t.Groups[r.Group]
		if r.Fate.Lost() || r.Fate == loadgen.RequestOpen {
			g.Requests.Total++ // those with a reply are counted above
		}
		if r.Ended < e.signal {
			continue
		}
		e.requestFate(&g.Requests, r)
		switch {
		case r.Partial, r.Fate == loadgen.RequestOpen:
			continue
		case !r.Fate.Lost():
			slowest(&g.Requests, float64(r.Ended-r.Sent)/1e9)
			if !e.late(r.Ended) {
				replies = append(replies, r.Ended)
			}
			continue
		}
		switch e.retry(r, conns[r.Conn], aborts) {
		case racedRetry:
			g.Requests.Raced++
			g.Requests.Safe++
		case unreceivedRetry:
			g.Requests.Unreceived++
			g.Requests.Safe++
		case safeRetry:
			g.Requests.Safe++
		case unsafeRetry:
			g.Requests.Unsafe++
		}
	}
	for i := range t.Groups {
		addConnections(&t.Connections, &t.Groups[i].Connections)
		addRequests(&t.Requests, &t.Groups[i].Requests)
	}
	if t.Requests.Sent > 0 {
		t.Requests.GapS, t.Requests.GapOpen = e.gap(replies)
	}
}

// before counts what failed before the signal.
func (e *evidence) before(t *record.DrainTry) {
	b := &t.Before
	b.Answered = t.Requests.Total - t.Requests.Sent
	for i := range e.journal.Requests {
		r := &e.journal.Requests[i]
		if r.Ended >= e.signal || !r.Fate.Lost() {
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
	for i := range e.journal.Conns {
		c := &e.journal.Conns[i]
		if c.Ended < e.signal && c.Opened == 0 && (c.Outcome == sockstate.OutcomeRefused || c.Outcome == sockstate.OutcomeConnectTimeout || c.Outcome == sockstate.OutcomeUnreachable) {
			b.Connects++
		}
	}
}

// statuses counts the replies of a group by status class.
func (e *evidence) statuses(q *record.DrainRequests, group int) {
	var after sockstate.Statuses
	for i := range e.journal.Requests {
		if r := &e.journal.Requests[i]; int(r.Group) == group && r.Status != 0 && r.Ended >= e.signal {
			after[r.Status/100]++
		}
	}
	all, armed := e.atEnd.Groups[group].Ledger.Statuses, e.atArm.Groups[group].Ledger.Statuses
	after[sockstate.InvalidStatus] = all[sockstate.InvalidStatus] - armed[sockstate.InvalidStatus] // no whole reply, and so not in the journal
	put := func(m *map[string]int64, c sockstate.StatusClass, n int64) {
		if n <= 0 {
			return
		}
		if *m == nil {
			*m = make(map[string]int64)
		}
		(*m)[c.String()] += n
	}
	for i := range all {
		c := sockstate.StatusClass(i)
		if c == 1 {
			continue // interim: another reply follows
		}
		put(&q.HTTP, c, after[i])
		put(&q.HTTPBefore, c, all[i]-after[i])
	}
}

// endOfOpen notes when a connection ended that was open at the signal.
func (e *evidence) endOfOpen(g *record.DrainGroup, c *loadgen.ConnEntry) {
	if !e.fateOf(c).byServer() {
		return
	}
	at := e.seconds(e.endedAt(c))
	if g.FirstEndS == nil || at < *g.FirstEndS {
		g.FirstEndS = new(at)
	}
	if g.LastEndS == nil || at > *g.LastEndS {
		g.LastEndS = new(at)
	}
}

// endedAt is when the server ended a connection: by its packet, or when the client saw it.
func (e *evidence) endedAt(c *loadgen.ConnEntry) int64 {
	end, ok := e.serverEnd(c)
	switch {
	case !ok:
		return c.Ended
	case end.fin != 0:
		return end.fin
	case end.rst != 0:
		return end.rst
	}
	return c.Ended
}

// gap is the longest time without a reply, from the signal to the end of the watch; open where the end of the watch
// ended it, and no reply.
func (e *evidence) gap(replies []int64) (s *float64, open bool) {
	last, longest := e.signal, int64(0)
	for _, at := range replies {
		longest = max(longest, at-last)
		last = max(last, at)
	}
	if e.concluded-last > longest {
		longest, open = e.concluded-last, true
	}
	return new(float64(longest) / 1e9), open
}

func slowest(r *record.DrainRequests, s float64) {
	if r.SlowestS == nil || s > *r.SlowestS {
		r.SlowestS = &s
	}
}

func addConnections(sum, c *record.DrainConnections) {
	sum.Opened += c.Opened
	sum.FIN += c.FIN
	sum.RST += c.RST
	sum.Cut += c.Cut
	sum.Done += c.Done
	sum.Never += c.Never
	sum.Kept += c.Kept
	sum.Other += c.Other
}

func addRequests(sum, r *record.DrainRequests) {
	sum.Sent += r.Sent
	sum.Completed += r.Completed
	sum.CompletedClose += r.CompletedClose
	sum.Answered5xx += r.Answered5xx
	sum.CutFIN += r.CutFIN
	sum.CutRST += r.CutRST
	sum.TimedOut += r.TimedOut
	sum.Partial += r.Partial
	sum.UnderWay += r.UnderWay
	sum.Open += r.Open
	sum.Other += r.Other
	sum.Raced += r.Raced
	sum.Unreceived += r.Unreceived
	sum.Safe += r.Safe
	sum.Unsafe += r.Unsafe
	sum.Total += r.Total
	sum.HTTP, sum.HTTPBefore = addCounts(sum.HTTP, r.HTTP), addCounts(sum.HTTPBefore, r.HTTPBefore)
	if r.SlowestS != nil {
		slowest(sum, *r.SlowestS)
	}
}

// addCounts adds o to sum, which may be nil.
func addCounts(sum, o map[string]int64) map[string]int64 {
	for k, n := range o {
		if sum == nil {
			sum = make(map[string]int64)
		}
		sum[k] += n
	}
	return sum
}
