package drain

import (
	"slices"

	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
)

func sortTimes(at []int64) { slices.Sort(at) }

// queue says what became of the connections in the accept queue: of whatever group, for all connect while the server
// is halted.
func (e *evidence) queue(t *record.DrainTry) {
	for i := range e.groups {
		if e.groups[i].name != groupQueued {
			continue
		}
		q := &record.DrainQueued{Asked: int64(e.groups[i].asked), Queued: int64(len(e.queued))}
		inQueue := int64(0)
		for j := range e.journal.Conns {
			c := &e.journal.Conns[j]
			if c.Early || c.Opened == 0 || c.Opened > e.signal || !e.queued[c.Local()] {
				continue
			}
			if int(c.Group) == i {
				inQueue++
			}
			switch f := e.fateOf(c); {
			case c.Requests > 0:
				q.Served++
			case f.byServer() && c.End == loadgen.EndByRST:
				q.Reset++
			case f.byServer():
				q.FIN++
			case c.Outcome == sockstate.OutcomeRequestTimeout:
				q.TimedOut++
			default:
				q.Never++
			}
		}
		q.Elsewhere = q.Asked - inQueue
		t.Queued = q
	}
}

// reconnects says where the clients went that had lost their connection.
func (e *evidence) reconnects(t *record.DrainTry) {
	// last is the last connection of each client that connected again, by the order of the journal.
	last := make(map[loadgen.ClientID]*loadgen.ConnEntry)
	var landed []int64
	for i := range e.journal.Conns {
		c := &e.journal.Conns[i]
		if !c.Again || c.Began < e.signal {
			continue
		}
		if was := last[c.Client]; was == nil || was.Opened == 0 || c.Opened != 0 {
			last[c.Client] = c
		}
		if c.Opened != 0 {
			landed = append(landed, c.Opened)
		}
	}
	r := &t.Reconnect
	r.Clients = int64(len(last))
	for _, c := range last {
		if c.Opened == 0 || c.Ended < e.concluded && c.End != loadgen.EndByClient {
			r.Failed++
			continue
		}
		if r.Landed == nil {
			r.Landed = make(map[string]int64)
		}
		r.Landed[string(e.ownerOf(c))]++
	}
	if len(landed) > 0 {
		sortTimes(landed)
		r.FirstS, r.LastS = e.since(landed[0]), e.since(landed[len(landed)-1])
	}
}

// ownerOf says who had a connection: as the kernel told at the end of the watch, or as the time tells.
func (e *evidence) ownerOf(c *loadgen.ConnEntry) owner {
	if o, ok := e.owners[c.Local()]; ok {
		return o
	}
	switch {
	case e.exited != 0 && c.Opened > e.exited && e.restartReady != 0:
		return ownerNew
	case e.restarted == 0 && e.exited != 0 && c.Opened < e.exited:
		return ownerOld
	}
	return ownerNone
}

// lastGone is when the last connection ended that was open at the signal; 0 if one did not.
func (e *evidence) lastGone() (at int64, all bool) {
	for i := range e.journal.Conns {
		c := &e.journal.Conns[i]
		if c.Opened == 0 || c.Opened > e.signal || c.Ended < e.signal {
			continue
		}
		if c.End == loadgen.EndOpen || e.late(c.Ended) {
			return 0, false
		}
		ended := c.Ended
		if c.End == loadgen.EndByFIN || c.End == loadgen.EndByRST {
			ended = e.endedAt(c)
		}
		at = max(at, ended)
	}
	return at, true
}
