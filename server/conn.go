package server

import (
	"time"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

// conn is one accepted connection, in the slot of its socket.
//
//	free > reading > delaying > replying > holding > closing > free
//	        ^  ^ |                 |                    ^
//	        |  +-|-----------------+ (the next request) |
//	        v    +--> refusing (not a request) ---------+
//	    continuing (100)
//
// There may be a million connections, so the state of an exchange is kept apart: loads without one never touch it.
type conn struct {
	phase    phase
	outcome  sockstate.Outcome
	flags    uint8
	teardown teardown.Conn
}

// requestState is the state of the request under way on the connection in the same slot of worker.conns.
type requestState struct {
	left   int32  // exchanges to come after this one, where the server closes first
	active uint32 // when it was accepted, or last answered: see activityShift
	exchange.ServerConn
}

// request is the request state of s. Connections without an exchange share one.
func (w *worker) request(s sockio.Sock) *requestState {
	if w.requests == nil {
		return &w.silence
	}
	return &w.requests[s]
}

type phase uint8

const (
	free phase = iota
	reading
	continuing
	delaying
	replying
	refusing
	holding
	closing
)

const (
	closesAfter uint8 = 1 << iota // the reply under way is the last
	hasRest                       // pipelined bytes wait in worker.rest
	unread                        // bytes came when nothing was answered any more
)

const recvSize = 64 << 10

// Complete implements sockio.Handler.
func (w *worker) Complete(c *sockio.Completion) {
	if c.Op != sockio.OpWake {
		w.heard++
	}
	if c.Op == sockio.OpAccept {
		w.accepted(c)
		return
	}
	if c.Sock < 0 {
		return
	}
	k := &w.conns[c.Sock]
	switch k.phase {
	case reading:
		w.read(k, c)
	case delaying:
		if c.Op == sockio.OpTimeout {
			w.reply(k, c.Sock)
		}
	case replying:
		w.replied(k, c)
	case continuing:
		w.continued(k, c)
	case refusing:
		w.refused(k, c)
	case holding:
		w.held(k, c)
	case closing:
		w.closing(k, c)
	case free:
	}
}

func (w *worker) accepted(c *sockio.Completion) {
	if c.Sock < 0 {
		w.stats.AcceptErrors[c.Errno]++
		return
	}
	w.stats.Accepted++
	w.stats.Open++
	k := &w.conns[c.Sock]
	*k = conn{phase: reading}
	t := w.request(c.Sock)
	t.left = w.exchanges - 1
	w.responder.Expect(&t.ServerConn)
	w.touch(t, c)
	switch {
	case w.silent:
		w.loop.Recv(c.Sock, recvSize)
	case w.closesFirst && w.cfg.Exchange.Kind == exchange.None:
		w.finishing(k, c.Sock)
	case w.leavesUnread && t.left == 0:
		w.finishing(k, c.Sock)
	default:
		w.await(k, c)
	}
}

// touch notes that a connection is active.
func (w *worker) touch(t *requestState, c *sockio.Completion) {
	if w.requests != nil {
		t.active = uint32(c.At >> activityShift)
	}
}

// await reads the next request. While the server drains, it waits for a limited time.
func (w *worker) await(k *conn, c *sockio.Completion) {
	s := c.Sock
	switch {
	case !w.draining || !w.idle(s):
	case w.requests == nil:
		w.give(k, s, sockstate.OutcomeDrained)
		return
	default:
		w.giveChance(s, c.At)
	}
	w.loop.Recv(s, recvSize)
}

func (w *worker) read(k *conn, c *sockio.Completion) {
	switch {
	case c.Op == sockio.OpTimeout:
		w.missedChance(k, c.Sock)
	case c.Op != sockio.OpRecv:
	case w.frozen && (c.Errno != 0 || c.N == 0): // by freeze; abort will close it
	case c.Errno != 0 && !sockio.IsReset(c.Errno):
		w.give(k, c.Sock, sockstate.OutcomeOther)
	case c.Errno != 0:
		if !w.idle(c.Sock) {
			k.outcome = sockstate.OutcomeCutInRequest
		}
		k.phase = closing
		w.closer.PeerReset(w.loop, c.Sock, &k.teardown)
	case c.N == 0:
		w.peerClosed(k, c.Sock)
	case w.silent:
		w.unanswered(k, c.Sock, c.Data)
	default:
		w.take(k, c.Sock, c.Data)
	}
}

// take parses bytes of a request; pipelined bytes behind it wait for its reply.
func (w *worker) take(k *conn, s sockio.Sock, p []byte) {
	used, whole, err := w.responder.Received(&w.request(s).ServerConn, p)
	if whole && used < len(p) {
		w.keepRest(k, s, p[used:])
	}
	w.taken(k, s, whole, err)
}

// taken goes on after another part of a request, or the last one.
func (w *worker) taken(k *conn, s sockio.Sock, whole bool, err error) {
	t := w.request(s)
	switch {
	case err != nil:
		w.refuse(k, s, err)
	case whole:
		if d := w.delay(s); d > 0 {
			w.think(k, s, d)
			return
		}
		w.reply(k, s)
	case w.responder.Continue(w.loop, s, &t.ServerConn):
		k.phase = continuing
	default:
		w.loop.Recv(s, recvSize)
	}
}

func (w *worker) think(k *conn, s sockio.Sock, d time.Duration) {
	k.phase = delaying
	w.loop.SetTimer(s, w.loop.Now()+int64(d))
}

// continued reads the body of a request whose client has waited for 100 (Continue).
func (w *worker) continued(k *conn, c *sockio.Completion) {
	switch {
	case c.Op != sockio.OpSend:
	case c.Errno != 0:
		w.cutSend(k, c)
	case w.responder.Sent(w.loop, c.Sock, &w.request(c.Sock).ServerConn):
		k.phase = reading
		w.loop.Recv(c.Sock, recvSize)
	}
}

// cutSend ends a connection on which nothing can be sent any more.
func (w *worker) cutSend(k *conn, c *sockio.Completion) {
	if !sockio.IsReset(c.Errno) {
		w.give(k, c.Sock, sockstate.OutcomeOther)
		return
	}
	k.phase, k.outcome = closing, sockstate.OutcomeCutInRequest
	w.closer.PeerReset(w.loop, c.Sock, &k.teardown)
}

// refuse says that what came is not a request, and why.
func (w *worker) refuse(k *conn, s sockio.Sock, err error) {
	w.dropRest(k, s)
	if !w.responder.Refuse(w.loop, s, &w.request(s).ServerConn, err) {
		w.give(k, s, sockstate.OutcomeBadRequest)
		return
	}
	k.phase, k.outcome = refusing, sockstate.OutcomeBadRequest
}

// lingersFor is how long a connection is read after a refusal. Closed with unread data it would be reset (tcp_close), and the
// reset may overtake the reply (RFC 9112, section 9.6).
const lingersFor = 2 * time.Second

// refused shuts down after the refusal, and reads on until the client has closed.
func (w *worker) refused(k *conn, c *sockio.Completion) {
	switch {
	case c.Op != sockio.OpSend:
	case c.Errno != 0:
		w.give(k, c.Sock, sockstate.OutcomeBadRequest)
	case w.responder.Sent(w.loop, c.Sock, &w.request(c.Sock).ServerConn):
		k.phase = closing
		w.lingerer.Begin(w.loop, c.Sock, &k.teardown)
		w.loop.SetTimer(c.Sock, w.loop.Now()+int64(lingersFor))
	}
}

// delay is how long to wait before the reply to the request just received.
func (w *worker) delay(s sockio.Sock) time.Duration {
	if w.cfg.Slow > 0 && w.request(s).Slow() {
		return w.cfg.Slow
	}
	return w.cfg.Delay
}

// idle reports whether no part of a request has been read on s.
func (w *worker) idle(s sockio.Sock) bool { return w.responder.Idle(&w.request(s).ServerConn) }

// peerClosed reacts to the client's EOF between or inside requests.
func (w *worker) peerClosed(k *conn, s sockio.Sock) {
	switch {
	case !w.idle(s):
		w.give(k, s, sockstate.OutcomeCutInRequest)
	case w.cfg.Close.Who == teardown.ServerFirst && !w.servesHTTP:
		w.give(k, s, sockstate.OutcomeClosedEarly)
	default:
		k.phase = closing
		if w.closer.PeerClosed(w.loop, s, &k.teardown) {
			w.stats.Stuck++
		}
	}
}

func (w *worker) reply(k *conn, s sockio.Sock) {
	k.phase = replying
	t := w.request(s)
	last := w.closesFirst && t.left == 0 || w.isLast(k)
	if w.responder.Reply(w.loop, s, &t.ServerConn, last) {
		k.flags |= closesAfter
	}
}

// isLast reports whether a reply is the last because the server stops: what was sent behind
// the request is answered, too.
func (w *worker) isLast(k *conn) bool {
	return (w.draining || w.lameDuck && w.servesHTTP) && k.flags&hasRest == 0
}

func (w *worker) replied(k *conn, c *sockio.Completion) {
	s := c.Sock
	t := w.request(s)
	switch {
	case c.Op != sockio.OpSend:
		return
	case c.Errno != 0:
		w.cutSend(k, c)
		return
	case !w.responder.Sent(w.loop, s, &t.ServerConn):
		return
	}
	w.stats.Requests++
	if k.flags&closesAfter != 0 && w.servesHTTP {
		w.stats.Closing++
	}
	switch {
	case w.silent:
		w.listen(k, s)
		return
	case k.flags&closesAfter != 0, !w.servesHTTP && w.draining && k.flags&hasRest == 0:
		w.finishing(k, s)
		return
	}
	if t.left > 0 {
		t.left--
	}
	k.phase = reading
	w.responder.Expect(&t.ServerConn)
	w.touch(t, c)
	if w.leavesUnread && t.left == 0 {
		w.finishing(k, s)
		return
	}
	if k.flags&hasRest != 0 {
		w.takeRest(k, s)
		return
	}
	w.await(k, c)
}

// finishing holds, where the server closes first, and then tears down.
func (w *worker) finishing(k *conn, s sockio.Sock) {
	if w.cfg.Hold > 0 && w.closesFirst && !w.draining {
		k.phase = holding
		w.loop.SetTimer(s, w.loop.Now()+int64(w.cfg.Hold))
		if !w.leavesUnread {
			w.loop.Recv(s, recvSize)
		}
		return
	}
	w.begin(k, s)
}

func (w *worker) begin(k *conn, s sockio.Sock) {
	k.phase = closing
	closer := &w.closer
	if !w.closesFirst {
		closer = &w.httpCloser // HTTP's "Connection: close", against the policy
	}
	closer.Begin(w.loop, s, &k.teardown)
}

func (w *worker) held(k *conn, c *sockio.Completion) {
	s := c.Sock
	switch {
	case c.Op == sockio.OpTimeout:
		w.loop.Cancel(s)
		w.begin(k, s)
	case c.Op != sockio.OpRecv:
	case c.Errno == 0 && c.N > 0:
		w.loop.Recv(s, recvSize)
	case c.Errno == 0 && w.cfg.Close.Who == teardown.BothAtOnce:
		w.begin(k, s)
	case c.Errno != 0 && !sockio.IsReset(c.Errno):
		w.give(k, s, sockstate.OutcomeOther)
	case c.Errno != 0:
		k.phase, k.outcome = closing, sockstate.OutcomeClosedEarly
		w.closer.PeerReset(w.loop, s, &k.teardown)
	default:
		w.give(k, s, sockstate.OutcomeClosedEarly)
	}
}

func (w *worker) closing(k *conn, c *sockio.Completion) {
	switch step := w.closer.Complete(w.loop, &k.teardown, c); {
	case step.Held:
		w.stats.Stuck++
	case step.TimedOut && k.outcome == sockstate.OutcomeBadRequest: // lingersFor is over; drain's chance may be, too, and means nothing here
		w.closer.Abandon(w.loop, c.Sock, &k.teardown)
	case step.Gone:
		w.gone(k, c.Sock)
	}
}

// give closes a connection with the outcome o, in any phase.
func (w *worker) give(k *conn, s sockio.Sock, o sockstate.Outcome) {
	k.phase, k.outcome = closing, o
	w.closer.Abandon(w.loop, s, &k.teardown)
}

func (w *worker) gone(k *conn, s sockio.Sock) {
	w.loop.StopTimer(s)
	o := k.outcome
	if o == sockstate.NoOutcome {
		switch k.teardown.End() {
		case teardown.EndRSTSent:
			o = sockstate.OutcomeRSTSent
		case teardown.EndRSTReceived:
			o = sockstate.OutcomeRSTReceived
		case teardown.EndEarly:
			o = sockstate.OutcomeClosedEarly
		default:
			o = sockstate.OutcomeFIN
		}
	}
	w.dropRest(k, s)
	w.stats.Outcomes[o]++
	w.stats.Open--
	k.phase = free
}

func serverSide(p teardown.Policy, r teardown.Reaction) teardown.Closer {
	return teardown.Closer{Side: sockstate.Server, Policy: p, Reaction: r}
}
