package drain

import (
	"cmp"
	"slices"

	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/capture"
)

// attempt is what became of a connect.
type attempt uint8

const (
	attemptOpened attempt = iota
	attemptRefused
	attemptTimedOut
	attemptPending     // no answer yet when the load ended
	attemptUnreachable // an ICMP error, or no way to the address
	attemptFailed      // by this host
)

func (e *evidence) attemptOf(c *loadgen.ConnEntry) attempt {
	switch {
	case c.Opened != 0:
		return attemptOpened
	case c.Outcome == sockstate.OutcomeRefused:
		return attemptRefused
	case c.Outcome == sockstate.OutcomeConnectTimeout:
		return attemptTimedOut
	case c.Outcome == sockstate.OutcomeInterrupted:
		return attemptPending
	case c.Outcome == sockstate.OutcomeUnreachable:
		return attemptUnreachable
	}
	return attemptFailed
}

// isAttempt reports whether a connect is one of those that the try counts: it was answered after the signal, or never.
func (e *evidence) isAttempt(c *loadgen.ConnEntry) bool {
	return e.concerns(c) && (c.Opened == 0 || c.Opened > e.signal)
}

// doors are the answers to the connects of isAttempt, in the order of time.
type doors struct {
	accepted, refused []int64
}

// doors counts what clients saw, so that it agrees with all other counts; the times are the packets' where there are any.
func (e *evidence) doors() doors {
	var d doors
	for i := range e.journal.Conns {
		c := &e.journal.Conns[i]
		if !e.isAttempt(c) {
			continue
		}
		switch e.attemptOf(c) {
		case attemptOpened:
			d.accepted = append(d.accepted, e.openedAt(c))
		case attemptRefused:
			d.refused = append(d.refused, c.Ended)
		case attemptTimedOut, attemptPending, attemptUnreachable, attemptFailed:
		}
	}
	if all, _ := e.refusalPackets(); e.refusedEver() == int64(len(all)) {
		// A refused connect has no address in the journal; those after the signal are the last ones.
		copy(d.refused, all[len(all)-len(d.refused):])
	}
	for _, at := range [][]int64{d.accepted, d.refused} {
		for i := range at {
			at[i] = max(at[i], e.signal)
		}
		sortTimes(at)
	}
	return d
}

// openedAt is when the server's kernel answered the SYN of a connection, or when its client saw that.
func (e *evidence) openedAt(c *loadgen.ConnEntry) int64 {
	if e.trace == nil || !c.Local().IsValid() {
		return c.Opened
	}
	at := c.Opened
	for _, p := range e.trace.Find(c.Local(), c.Began, c.Opened) {
		if p.FromServer && p.Flags.Has(capture.SYN) {
			at = p.At
		}
	}
	return at
}

// refusedEver is the number of connects refused over the whole load; -1 where the journal does not have them all.
func (e *evidence) refusedEver() (n int64) {
	if e.journal.Overflow > 0 {
		return -1
	}
	for i := range e.journal.Conns {
		if c := &e.journal.Conns[i]; c.Opened == 0 && c.Outcome == sockstate.OutcomeRefused {
			n++
		}
	}
	return n
}

// refusalPackets are the RSTs that answered a SYN, over the whole load, and the number of clients' ports whose last SYN has no answer;
// none without a trace.
func (e *evidence) refusalPackets() (refused []int64, unanswered int) {
	if e.trace == nil {
		return nil, 0
	}
	// The last SYN of each client that has no answer yet.
	type key struct {
		addr [16]byte
		port uint16
	}
	waiting := make(map[key]bool)
	for i := range e.trace.Packets {
		p := &e.trace.Packets[i]
		k := key{p.Client, p.ClientPort}
		switch {
		case !p.FromServer:
			if p.Flags.Has(capture.SYN) {
				waiting[k] = true
			}
		case p.Flags.Has(capture.SYN):
			delete(waiting, k)
		case p.Flags.Has(capture.RST) && waiting[k]:
			refused = append(refused, p.At)
			delete(waiting, k)
		}
	}
	return refused, len(waiting)
}

// listener says what happened to new connections.
func (e *evidence) listener(t *record.DrainTry) {
	l := &t.Listener
	for i := range e.journal.Conns {
		c := &e.journal.Conns[i]
		if !e.isAttempt(c) {
			continue
		}
		l.Attempts++
		switch e.attemptOf(c) {
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
	e.unserved(l)
	d := e.doors()
	if len(d.refused) == 0 {
		return
	}
	first, last := d.refused[0], d.refused[len(d.refused)-1]
	l.FirstRefusalS = e.since(first)
	for _, at := range d.accepted {
		if at < first {
			l.LastAcceptS = e.since(at)
		}
		if at > last {
			l.AcceptsAgainS = e.since(at)
			l.RefusedWindowS = float64(at-first) / 1e9
			return
		}
	}
	l.RefusedWindowS = float64(max(e.concluded, last)-first) / 1e9
}

// unserved finds the connections that the kernel took alone, as far as clients can tell: it completes handshakes while a
// process has the listener, whether or not that accepts. A request that the end of the load cut off, by an interrupt, has
// not waited for its time, and proves nothing.
func (e *evidence) unserved(l *record.DrainListener) {
	// What came of the requests of each connection.
	asked, heard, cutOff := make(map[loadgen.ConnID]bool), make(map[loadgen.ConnID]bool), make(map[loadgen.ConnID]bool)
	for i := range e.journal.Requests {
		switch r := &e.journal.Requests[i]; {
		case r.Partial:
		case r.Touched, r.Fate == loadgen.RequestBroken, !r.Fate.Lost() && r.Fate != loadgen.RequestOpen:
			heard[r.Conn] = true
		case r.Fate == loadgen.RequestTimedOut:
			asked[r.Conn] = true
		case r.Fate == loadgen.RequestOpen:
			cutOff[r.Conn] = true
		}
	}
	var opened []*loadgen.ConnEntry
	for i := range e.journal.Conns {
		if c := &e.journal.Conns[i]; c.Opened != 0 && e.isAttempt(c) {
			opened = append(opened, c)
		}
	}
	slices.SortFunc(opened, func(a, b *loadgen.ConnEntry) int { return cmp.Compare(a.Opened, b.Opened) })
	var from int64
	for _, c := range opened {
		switch {
		case heard[c.ID], c.Requests > 0, c.End == loadgen.EndByFIN:
			from = 0 // a process has accepted it
		case asked[c.ID]:
			l.Unserved++
			if from == 0 {
				from = max(e.openedAt(c), e.signal)
			}
		case cutOff[c.ID]:
			l.Undecided++
		}
	}
	l.UnservedFromS = e.since(from)
}
