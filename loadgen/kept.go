package loadgen

import (
	"time"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// kept is the course of a client that keeps its connection, and the slot with it, until the load ends:
//
//	free > dialing > asking > reading --+--> holding    idle, or the server announced the end
//	          ^                ^        |       |
//	          |                |        +--> thinking   until its next request
//	          |                |                |
//	          |                +----------------+
//	          |                                 |  the server ends the connection
//	       pausing <---------- closing <--------+
//	          |
//	          +-> free         it gives up, or the load is concluded
//
// A partial request stays in reading. Nothing here depends on whether the load has a journal: what the load does does not depend
// on what is recorded of it.
type kept struct {
	w     *worker
	g     *group
	begun int // clients that have started
	// refusals counts, by slot, the attempts in a row that did not get a connection.
	refusals []uint8
}

// backoffAtMost bounds the time between two attempts of a client.
const backoffAtMost = int64(5 * time.Second)

// backoff is how long a client waits that was refused so many times in a row: twice as long each time.
func (g *Group) backoff(refusals uint8) int64 {
	d := int64(g.Reconnect) << min(max(int(refusals)-1, 0), 7)
	return max(min(d, backoffAtMost), int64(g.Reconnect))
}

// admit implements course: clients connect again by themselves.
func (c *kept) admit() bool {
	if c.begun >= c.g.share {
		return false
	}
	c.begun++
	return true
}

func (c *kept) spent() bool { return c.begun >= c.g.share && c.g.paused == 0 }

func (c *kept) first(s sockio.Sock) []byte {
	if c.g.exchanges == 0 {
		return nil
	}
	t := &c.w.requests[s]
	t.left = 0
	switch c.g.Keep {
	case KeepPartial:
		return c.g.requester.StartPartial(&t.ClientConn)
	case KeepAsking:
		t.left = 1
	}
	return c.g.requester.Start(&t.ClientConn, t.left == 0)
}

func (c *kept) sent(k *conn, at *sockio.Completion) {
	k.phase = reading
	if c.g.Keep == KeepPartial {
		c.w.loop.StopTimer(at.Sock)
		if at.At >= c.w.end {
			c.w.log.request(c.g, k, at.Sock, RequestOpen, at.At)
			c.w.begin(c.g, k, at.Sock, at.At)
			return
		}
	}
	c.w.loop.Recv(at.Sock, recvSize)
}

func (c *kept) replied(k *conn, at *sockio.Completion, closes, eof bool) {
	switch {
	case eof:
		c.ended(k, at)
	case closes:
		k.phase = holding
		c.w.loop.SetTimer(at.Sock, at.At+int64(c.g.CloseTimeout))
		c.w.loop.Recv(at.Sock, recvSize)
	default:
		c.exchanged(k, at.Sock, at.At)
	}
}

func (c *kept) exchanged(k *conn, s sockio.Sock, now int64) {
	w, g := c.w, c.g
	switch {
	case now >= w.end:
		w.begin(g, k, s, now)
	case g.Keep == KeepAsking && g.Think == 0:
		w.ask(g, k, s, now)
	case g.Keep == KeepAsking:
		w.think(g, k, s, now)
	default:
		k.phase = holding
		w.loop.StopTimer(s)
		w.loop.Recv(s, recvSize)
	}
}

// ended implements course: between requests the server may end the connection, by FIN or by RST.
func (c *kept) ended(k *conn, at *sockio.Completion) {
	w, g := c.w, c.g
	w.log.peerEnded(at.Sock, at.Errno)
	switch {
	case at.Errno == 0:
		k.phase = closing
		g.closer.PeerClosed(w.loop, at.Sock, &k.teardown)
	case sockio.IsReset(at.Errno):
		k.phase = closing
		g.closer.PeerReset(w.loop, at.Sock, &k.teardown)
	default:
		w.give(g, k, at.Sock, sockstate.OutcomeOther, at.Errno)
	}
}

func (c *kept) endedFirst() sockstate.Outcome { return sockstate.OutcomeFIN }

// over implements course. A client that asks on, and was told with a reply that the connection ends with it, has lost nothing: its
// next request goes by a new one (RFC 9112, section 9.6), after Think. Without Reconnect it does so until the load is marked, or
// only by chance would some clients be left by then.
func (c *kept) over(k *conn, s sockio.Sock, _ sockstate.Outcome, at int64) {
	w, g := c.w, c.g
	if k.flags&isOpen != 0 {
		c.refusals[s] = 0
	} else if c.refusals[s] < 8 {
		c.refusals[s]++
	}
	dismissed := g.Keep == KeepAsking && k.flags&isDismissed != 0
	switch {
	case at >= w.end, g.Reconnect == 0 && !(dismissed && !w.marked):
		c.leave(k, s, at)
	case dismissed:
		w.rest(g, k, s, at+int64(g.Think))
	default:
		w.rest(g, k, s, at+g.backoff(c.refusals[s]))
	}
}

// leave gives the slot up.
func (c *kept) leave(k *conn, s sockio.Sock, at int64) {
	c.refusals[s] = 0
	c.w.vacate(c.g, k, s, at)
}

func (c *kept) rested(k *conn, s sockio.Sock, at int64) {
	if at < c.w.end {
		c.w.start(c.g, s, at, at)
		return
	}
	c.leave(k, s, at)
}

// conclude implements course. A request under way is answered first.
func (c *kept) conclude(k *conn, s sockio.Sock, now int64) bool {
	switch {
	case k.phase == holding || k.phase == thinking:
		c.w.release(c.g, k, s, now)
		return true
	case k.phase == reading && c.g.Keep == KeepPartial:
		c.w.log.request(c.g, k, s, RequestOpen, now)
		c.w.release(c.g, k, s, now)
		return true
	case k.phase == pausing:
		c.g.paused--
		c.w.loop.StopTimer(s)
		c.leave(k, s, now)
	}
	return false
}
