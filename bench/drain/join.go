package drain

import (
	"fmt"

	"lastack/bench/quantity"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/capture"
)

// joined is the evidence by connection and request: each journal entry with its packets, its place in the accept queue and its owner.
type joined struct {
	*evidence
	conns    []connection // in the order of the journal
	requests []request
	// packets are the evidence's, or nil if they are not reliable.
	packets *capture.Trace
	// noPackets says why there are none.
	noPackets error
	handshakes
	answers
	// refusedEver is the number of connects refused over the whole load, of those in the journal.
	refusedEver int64
}

// connection is one connection, or one attempt to open one.
type connection struct {
	*loadgen.ConnEntry
	group *group
	// reported is set if the try's record counts it: it existed at the signal, or began after it.
	reported bool
	fate     fate
	// openedAt is when the server's kernel answered the SYN, endedAt when the server ended the connection: by its packets, or without them
	// when the client saw it.
	openedAt, endedAt int64
	// ending is how the server ended it, by its packets; traced is set if they show its begin.
	ending ending
	traced bool
	// queued is set if it was in the accept queue at the signal.
	queued bool
	owner  owner
}

// request is one request, with its connection; conn is nil if the journal had no room for that.
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
	j.readAnswers()
	return j
}

// place fills in what the journal and the kernel's tables say about a connection.
func (j *joined) place(c *connection) {
	c.openedAt, c.endedAt = c.Opened, c.Ended
	c.reported = !c.Early && c.Ended >= j.signal
	if int(c.Group) < len(j.groups) {
		c.group = &j.groups[c.Group]
		c.fate = j.fateOf(c)
	}
	if c.Opened == 0 {
		if c.Outcome == sockstate.OutcomeRefused {
			j.refusedEver++
		}
		return
	}
	c.queued = !c.Early && c.Opened <= j.signal && j.queue[c.Local()]
	c.owner = j.ownerOf(c)
}

// ownerOf says which server had a connection: by the kernel's tables at the end of the watch, or else by the time.
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

// addPackets gives each connection its packets, and reads the answers to SYNs. It drops all packets if they are not reliable.
func (j *joined) addPackets() {
	if j.packets == nil {
		return
	}
	if step := j.packets.ClockStep; step != 0 {
		j.packets, j.noPackets = nil, fmt.Errorf("the wall clock was set by %v meanwhile, which the packets' times follow", step)
		return
	}
	// By the clients' own addresses: one that is translated on the way is another client's here.
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
