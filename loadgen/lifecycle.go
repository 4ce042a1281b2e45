package loadgen

import (
	"lastack/sockstate"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

// lifecycle is the course of a connection that is opened, used as often as the plan says, and closed:
//
//	free > dialing > asking > reading > thinking
//	          |        ^         |          |
//	          |        +---------+----------+   (--requests)
//	          |                  v
//	          +-------------> holding > closing > free
//	          |
//	          +-> pausing > free   (closed loop, refused by this host itself)
type lifecycle struct {
	w *worker
	g *group
}

// pause is how long a slot of a closed loop rests after this host refused it a connection for want of a port, a descriptor
// or memory: asking again at once would take the CPU from the connections that could free one.
const pause = int64(10e6)

func (l lifecycle) admit() bool { return !l.spent() }

// spent implements course: a plateau opens each of its connections once.
func (l lifecycle) spent() bool {
	return l.g.Plateau > 0 && l.g.attempted() >= int64(l.g.share)
}

func (l lifecycle) first(s sockio.Sock) []byte {
	if l.g.exchanges == 0 {
		return nil
	}
	t := &l.w.requests[s]
	t.left = l.g.exchanges - 1
	return l.g.requester.Start(&t.ClientConn, t.left == 0)
}

func (l lifecycle) sent(k *conn, c *sockio.Completion) {
	if l.g.leavesUnread && l.w.requests[c.Sock].left == 0 {
		l.exchanged(k, c.Sock, c.At)
		return
	}
	k.phase = reading
	l.w.loop.Recv(c.Sock, recvSize)
}

func (l lifecycle) replied(k *conn, c *sockio.Completion, closes, eof bool) {
	w, g, t := l.w, l.g, &l.w.requests[c.Sock]
	switch {
	case t.left > 0 && (eof || closes):
		w.give(g, k, c.Sock, sockstate.OutcomeClosedEarly, 0)
	case t.left > 0:
		t.left--
		if g.Think > 0 {
			w.think(g, k, c.Sock, c.At)
			return
		}
		w.ask(g, k, c.Sock, c.At)
	case !eof:
		l.exchanged(k, c.Sock, c.At)
	case g.closesFirst && g.Close.Who != teardown.BothAtOnce:
		// The peer's EOF came together with the end of the reply.
		w.give(g, k, c.Sock, sockstate.OutcomeClosedEarly, 0)
	default:
		k.mark = c.At
		w.begin(g, k, c.Sock, c.At)
	}
}

// exchanged implements course: the hold comes next, then the close.
func (l lifecycle) exchanged(k *conn, s sockio.Sock, now int64) {
	w, g := l.w, l.g
	k.mark = now
	switch {
	case g.Plateau > 0 && int(s) >= g.scan:
		w.begin(g, k, s, now) // its turn to close came while it was still busy
		return
	case g.Plateau > 0:
		w.loop.StopTimer(s)
	case g.Hold > 0 && g.closesFirst:
		w.loop.SetTimer(s, now+int64(g.Hold))
	default:
		w.begin(g, k, s, now)
		return
	}
	k.phase = holding
	if !g.leavesUnread {
		w.loop.Recv(s, recvSize)
	}
}

func (l lifecycle) ended(k *conn, c *sockio.Completion) {
	w, g := l.w, l.g
	switch {
	case k.phase == holding && g.Close.Who == teardown.BothAtOnce && c.Errno == 0:
		w.release(g, k, c.Sock, c.At)
	case k.phase == holding && g.Close.Who == teardown.ClientFirst && sockio.IsReset(c.Errno):
		w.log.peerEnded(c.Sock, c.Errno)
		k.phase = closing
		g.closer.PeerReset(w.loop, c.Sock, &k.teardown)
	default:
		w.give(g, k, c.Sock, byPeer(sockstate.OutcomeClosedEarly, c.Errno), c.Errno)
	}
}

func (l lifecycle) endedFirst() sockstate.Outcome { return sockstate.OutcomeClosedEarly }

// over implements course: it measures a lifecycle that ended as the policy wants, and frees the slot.
func (l lifecycle) over(k *conn, s sockio.Sock, o sockstate.Outcome, at int64) {
	w, g := l.w, l.g
	switch o {
	case sockstate.OutcomeFIN, sockstate.OutcomeRSTSent, sockstate.OutcomeRSTReceived:
		if o == sockstate.OutcomeRSTReceived && !g.predictsRST {
			break
		}
		took := at - k.sched
		if k.flags&inWarmup != 0 {
			record(w.since.warmup, took)
			break
		}
		record(g.Latency[sockstate.LatencyLifecycle], took)
		record(w.since.measured, took)
		if at <= w.end {
			g.CompletedInTime++
		}
	case sockstate.OutcomeNoLocalPort, sockstate.OutcomeNoFD, sockstate.OutcomeNoMemory, sockstate.OutcomeUnreachable:
		// This host had nothing to make a connection with.
		if !g.OpenLoop() && at < w.end {
			w.rest(g, k, s, at+pause)
			return
		}
	}
	w.vacate(g, k, s, at)
}

func (l lifecycle) rested(k *conn, s sockio.Sock, at int64) { l.w.vacate(l.g, k, s, at) }

// conclude implements course: a lifecycle ends by itself.
func (l lifecycle) conclude(*conn, sockio.Sock, int64) bool { return false }
