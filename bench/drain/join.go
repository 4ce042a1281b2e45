package drain

import (
	"fmt"

	"lastack/bench/quantity"
	"lastack/loadgen"
	"lastack/sockstate/capture"
)

// joined is the evidence by connection and request: each journal entry with its packets, its place in the accept queue and its owner.
type joined struct {
	*evidence
	conns    []connection // in the order of the journal
	requests []request
	// packets are the evidence's, unless they cannot be relied on.
	packets *capture.Trace
	// noPackets says why there are none.
	noPackets error
	handshakes
}

// connection is one connection, or one attempt to open one.
type connection struct {
	*loadgen.ConnEntry
	group *group
	// reported is set for what the try tells of: it was there at the signal, or came after it.
	reported bool
	fate     fate
	// openedAt is when the server's kernel answered the SYN, or when the client saw that; endedAt when the server ended the connection,
	// likewise.
	openedAt, endedAt int64
	// ending is how the server ended it, by its packets; traced is set where they show its begin.
	ending ending
	traced bool
	// queued is set for one that was in the accept queue at the signal.
	queued bool
	owner  owner
}

// request is one request, with the connection that it was sent on; conn is nil where the journal had no room for that.
type request struct {
	*loadgen.RequestEntry
	conn *connection
}

// join reads the journal and the packets once.
func join(e *evidence) joined {
	j := joined{
		evidence: e, packets: e.packets, noPackets: e.noPackets,
		conns: make([]connection, len(e.journal.Conns)), requests: make([]request, len(e.journal.Requests)),
	}
	byID := make(map[loadgen.ConnID]*connection, len(j.conns))
	for i := range j.conns {
		c := &j.conns[i]
		c.ConnEntry = &e.journal.Conns[i]
		byID[c.ID] = c
		j.place(c)
	}
	for i := range j.requests {
		r := &j.requests[i]
		r.RequestEntry = &e.journal.Requests[i]
		r.conn = byID[r.Conn]
	}
	j.addPackets()
	return j
}

// place fills in what the journal and the kernel's tables tell of a connection.
func (j *joined) place(c *connection) {
	c.openedAt, c.endedAt = c.Opened, c.Ended
	c.reported = !c.Early && c.Ended >= j.signal
	if int(c.Group) < len(j.groups) {
		c.group = &j.groups[c.Group]
		c.fate = j.fateOf(c)
	}
	if c.Opened == 0 {
		return
	}
	c.queued = !c.Early && c.Opened <= j.signal && j.queue[c.Local()]
	c.owner = j.ownerOf(c)
}

// ownerOf says who had a connection: as the kernel told at the end of the watch, or as the time tells.
func (j *joined) ownerOf(c *connection) owner {
	if o, ok := j.owners[c.Local()]; ok {
		return o
	}
	switch {
	case j.exited != 0 && c.Opened > j.exited && j.listening != 0:
		return ownerNew
	case j.restarted == 0 && j.exited != 0 && c.Opened < j.exited:
		return ownerOld
	}
	return ownerNone
}

// addPackets gives each connection its packets, and tells the answers to SYNs apart; it leaves all out if they cannot be relied on.
func (j *joined) addPackets() {
	if j.packets == nil {
		return
	}
	if step := j.packets.ClockStep; step != 0 {
		j.packets, j.noPackets = nil, fmt.Errorf("the wall clock was set by %v meanwhile, which the packets' times follow", step)
		return
	}
	// By the clients' own addresses: an address translated on the way is another client's.
	var opened, seen int64
	for i := range j.conns {
		c := &j.conns[i]
		if !c.Local().IsValid() {
			continue
		}
		if c.Opened != 0 {
			opened++
		}
		if c.read(j.packets.Find(c.Local(), c.Began-lateEnd, c.Ended+lateEnd)) && c.Opened != 0 {
			seen++
		}
	}
	if seen+j.packets.Dropped < opened {
		j.noPackets = fmt.Errorf("%s connections were opened, of which %s were seen on %s: packets bear other addresses there, or take another way",
			quantity.Count(opened), quantity.Count(seen), j.packets.Link)
		j.packets = nil
		for i := range j.conns {
			c := &j.conns[i]
			c.openedAt, c.endedAt, c.ending, c.traced = c.Opened, c.Ended, ending{}, false
		}
		return
	}
	j.handshakes = readHandshakes(j.packets)
}
