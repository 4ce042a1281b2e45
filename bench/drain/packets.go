package drain

import (
	"lastack/sockstate"
	"lastack/sockstate/capture"
)

// ending is how the server ended a connection, by its packets.
type ending struct {
	fin, rst int64 // when the first of each was on the link, 0: none
	// received is how many of the client's bytes the server's kernel had received when it sent the FIN, or else the RST. known is set if
	// that packet acknowledges anything: an RST in answer to a segment does not (tcp_v4_send_reset), one for a socket that is closed does
	// (tcp_send_active_reset).
	received uint32
	known    bool
}

// lateEnd is how long packets may still belong to a connection after its client saw the end.
const lateEnd = int64(100e6)

// read reads the packets of a connection's address, from lateEnd before its begin to lateEnd after its end. It reports whether one of them
// came before that end.
func (c *connection) read(packets []capture.Packet) (seen bool) {
	var first uint32 // the sequence number of the first byte that the client sends
	n := 0
	e := &c.ending
packets:
	for i := range packets {
		p := &packets[i]
		seen = seen || p.At <= c.Ended
		if p.At < c.Began {
			continue
		}
		n++
		switch syn := p.Flags.Has(capture.SYN); {
		case !p.FromServer && syn:
			c.traced = true
			if n > 1 && p.At > c.Opened {
				break packets // the next connection of this port: the client's own FIN or RST has ended this one
			}
			first = p.Seq + 1
		case !p.FromServer:
		case syn && p.At <= c.Opened:
			c.openedAt = p.At
		case p.Flags.Has(capture.FIN) && e.fin == 0:
			e.fin, e.received, e.known = p.At, p.Acked-first, true
		case p.Flags.Has(capture.RST) && e.rst == 0:
			e.rst = p.At
			if e.fin == 0 && p.Flags.Has(capture.ACK) {
				e.received, e.known = p.Acked-first, true
			}
		}
	}
	switch {
	case !c.traced:
	case e.fin != 0:
		c.endedAt = e.fin
	case e.rst != 0:
		c.endedAt = e.rst
	}
	return seen
}

// arrived reports whether the server's kernel had received the whole request when it sent its FIN, or its RST.
func (r *request) arrived(g *group) bool {
	return int64(r.conn.ending.received) >= (int64(r.Nth)+1)*int64(g.bytes)
}

// handshakes are what the packets say about all connects of the load.
type handshakes struct {
	// opening is the number of SYNs from clients, without retransmissions.
	opening int64
	// refusals are the times of the RSTs that answered a SYN, in their order.
	refusals []int64
	// unanswered is the number of clients' ports whose last SYN has no answer.
	unanswered int
}

func readHandshakes(t *capture.Trace) (h handshakes) {
	type client struct {
		addr [16]byte
		port uint16
	}
	type syn struct {
		client
		seq uint32
	}
	seen := make(map[syn]bool)
	waiting := make(map[client]bool) // its last SYN has no answer yet
	for i := range t.Packets {
		p := &t.Packets[i]
		c := client{p.Client, p.ClientPort}
		switch isSYN := p.Flags.Has(capture.SYN); {
		case !p.FromServer && isSYN:
			seen[syn{c, p.Seq}], waiting[c] = true, true
		case !p.FromServer:
		case isSYN:
			delete(waiting, c)
		case p.Flags.Has(capture.RST) && waiting[c]:
			h.refusals = append(h.refusals, p.At)
			delete(waiting, c)
		}
	}
	h.opening, h.unanswered = int64(len(seen)), len(waiting)
	return h
}

// attempt is what became of a connect.
type attempt uint8

const (
	attemptOpened attempt = iota
	attemptRefused
	attemptTimedOut
	attemptPending     // no answer yet when the load ended
	attemptUnreachable // an ICMP error, or no route to the address
	attemptFailed      // by this host

	numAttempts = iota
)

func (c *connection) attempt() attempt {
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

// answeredAfter reports whether the try counts a connect: it was answered after the signal, or never.
func (c *connection) answeredAfter(signal int64) bool {
	return c.reported && (c.Opened == 0 || c.Opened > signal)
}
