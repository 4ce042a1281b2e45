package loadgen

import (
	"errors"
	"syscall"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

// conn is one connection, in the slot of its socket. Its way through the phases is its course: see lifecycle and kept.
//
// It has no pointers, so the garbage collector does not scan it. There may be a million, so state that only some plans need is kept
// apart: the others never touch it.
type conn struct {
	sched int64  // when the lifecycle should have started, moved on by what it was held
	mark  int64  // when the phase that is being timed began
	errno uint16 // or a fault: see faultErrno
	group uint8
	phase phase
	// outcome is set when it is known before the socket is closed.
	outcome  sockstate.Outcome
	flags    uint8
	teardown teardown.Conn
}

// request is the state of the request under way on the connection in the same slot of worker.conns.
type request struct {
	left int32 // requests to come after this one; 1 where their number has no end
	exchange.ClientConn
}

// course is the part of a connection's state machine in which a lifecycle and a kept client differ. The rest, from dialing to closing,
// is common to both.
type course interface {
	// admit starts one more connection, and reports false if the group has started them all.
	admit() bool
	// spent reports whether the group will start no more.
	spent() bool
	// first is the request that a connection starts with, in slot s; nil without an exchange.
	first(s sockio.Sock) []byte
	// sent goes on when a request has been handed to the kernel.
	sent(k *conn, c *sockio.Completion)
	// replied goes on after a whole reply. closes says that the server announced its close, eof that it has closed.
	replied(k *conn, c *sockio.Completion, closes, eof bool)
	// exchanged goes on with an open connection that has no request left to send.
	exchanged(k *conn, s sockio.Sock, now int64)
	// ended goes on when the peer ended a connection that was thinking or holding.
	ended(k *conn, c *sockio.Completion)
	// endedFirst is the outcome if the peer ended the connection before this side closed it.
	endedFirst() sockstate.Outcome
	// over goes on when the connection in s is closed and accounted for.
	over(k *conn, s sockio.Sock, o sockstate.Outcome, at int64)
	// rested goes on when the pause of a slot is over.
	rested(k *conn, s sockio.Sock, at int64)
	// conclude ends a connection that would not end by itself, and reports whether it did.
	conclude(k *conn, s sockio.Sock, now int64) bool
}

type phase uint8

const (
	free phase = iota
	dialing
	asking
	reading
	thinking
	holding
	closing
	pausing
)

const (
	inWarmup uint8 = 1 << iota
	isOpen
	isHeld
	isDismissed  // the last reply said that the server would close
	openedBefore // established when the load was marked
)

// infoEvery: TCP_INFO, which costs a system call, is read of one connection in so many.
const infoEvery = 64

// start begins a lifecycle in slot s.
func (w *worker) start(g *group, s sockio.Sock, sched, now int64) {
	k := &w.conns[s]
	*k = conn{group: g.index, phase: dialing, sched: sched, mark: now}
	l := &g.Ledger
	if sched < w.measureFrom {
		k.flags = inWarmup
		l = &g.Warmup
	}
	l.Attempted++
	g.open++
	w.log.begin(s, now)
	g.nextAddrs()
	g.dial.First = g.course.first(s)
	w.loop.SetTimer(s, now+int64(g.ConnectTimeout))
	w.loop.Dial(s, &g.dial)
}

func (k *conn) ledger(g *group) *Ledger {
	if k.flags&inWarmup != 0 {
		return &g.Warmup
	}
	return &g.Ledger
}

// started adds how late the lifecycle started.
func (k *conn) started(g *group, at int64) {
	if g.OpenLoop() {
		k.sample(g, sockstate.LatencyLag, at-k.sched)
	}
}

// sample adds a latency, unless it belongs to the warm-up.
func (k *conn) sample(g *group, m sockstate.Latency, ns int64) {
	if k.flags&inWarmup == 0 {
		record(g.Latency[m], ns)
	}
}

// Complete implements sockio.Handler.
func (w *worker) Complete(c *sockio.Completion) {
	if c.Sock < 0 {
		return
	}
	k := &w.conns[c.Sock]
	g := w.groups[k.group]
	if w.log != nil {
		w.log.at = c.At
	}
	switch k.phase {
	case dialing:
		w.dialed(g, k, c)
	case asking:
		w.asked(g, k, c)
	case reading:
		w.read(g, k, c)
	case thinking, holding:
		w.idled(g, k, c)
	case closing:
		w.closing(g, k, c)
	case pausing:
		w.rested(g, k, c)
	case free:
	}
}

func (w *worker) dialed(g *group, k *conn, c *sockio.Completion) {
	switch {
	case c.Op == sockio.OpTimeout && w.stillCalling(g, c):
	case c.Op == sockio.OpTimeout:
		k.started(g, k.mark)
		w.give(g, k, c.Sock, sockstate.OutcomeConnectTimeout, 0)
	case c.Errno != 0:
		k.started(g, max(k.mark, c.Began))
		if c.Op != sockio.OpConnect || c.N == 0 {
			k.ledger(g).NoSYN++
		}
		o := dialOutcome(c.Op, c.Errno, c.Op == sockio.OpConnect && c.N > 0)
		g.failed(o, c.At)
		if c.Op == sockio.OpSocket {
			// There is no socket to close.
			k.outcome, k.errno = o, uint16(c.Errno)
			w.finish(g, k, c.Sock, c.At)
			return
		}
		w.give(g, k, c.Sock, o, c.Errno)
	case g.mayMeetItself && w.meetsItself(g, c.Sock):
		// Nobody listened. An RST leaves no TIME_WAIT to keep the port from a server.
		k.started(g, c.Began)
		w.loop.SetLinger(c.Sock, 0)
		w.give(g, k, c.Sock, sockstate.OutcomeRefused, syscall.ECONNREFUSED)
	default:
		k.flags |= isOpen
		g.established++
		g.PeakOpen = max(g.PeakOpen, g.established)
		k.ledger(g).Opened++
		k.started(g, c.Began)
		k.sample(g, sockstate.LatencyConnect, c.At-c.Began)
		if k.flags&inWarmup == 0 {
			record(w.since.connects, c.At-c.Began)
		}
		k.mark = c.At
		w.log.opened(w.loop, c.Sock, c)
		w.opened(g, 1)
		if g.exchanges == 0 {
			g.course.exchanged(k, c.Sock, c.At)
			return
		}
		k.phase = asking
		w.loop.SetTimer(c.Sock, c.At+g.replyTime(&w.requests[c.Sock]))
	}
}

// stillCalling reports whether the connect timeout fired too early, and sets it again. The time runs from the SYN, not from the dial:
// the dial may still be queued, or connect may have searched long for a local port, which is this host's fault.
func (w *worker) stillCalling(g *group, c *sockio.Completion) bool {
	sent := w.loop.ConnectSent(c.Sock)
	if sent == 0 {
		sent = c.At
	}
	if c.At-sent >= int64(g.ConnectTimeout) {
		return false
	}
	w.loop.SetTimer(c.Sock, sent+int64(g.ConnectTimeout))
	return true
}

func (w *worker) asked(g *group, k *conn, c *sockio.Completion) {
	t := &w.requests[c.Sock]
	switch {
	case c.Op == sockio.OpTimeout:
		w.give(g, k, c.Sock, sockstate.OutcomeRequestTimeout, 0)
	case c.Errno != 0:
		if c.Op == sockio.OpSend {
			w.log.mark(c.Sock, unsent)
		}
		w.cut(g, k, c)
	case g.requester.Sent(w.loop, c.Sock, &t.ClientConn):
		g.course.sent(k, c)
	}
}

// recvSize is more than a reply, so that a short read shows that the socket is empty.
const recvSize = 64 << 10

func (w *worker) read(g *group, k *conn, c *sockio.Completion) {
	if c.Op == sockio.OpTimeout {
		w.give(g, k, c.Sock, sockstate.OutcomeRequestTimeout, 0)
		return
	}
	if c.Errno != 0 {
		w.cut(g, k, c)
		return
	}
	t := &w.requests[c.Sock]
	var whole bool
	var err error
	eof := c.N == 0
	seen := &k.ledger(g).Statuses
	if eof {
		whole, err = g.requester.EOF(&t.ClientConn, seen)
	} else {
		w.log.mark(c.Sock, touched)
		whole, err = g.requester.Received(&t.ClientConn, c.Data, seen)
	}
	if whole {
		w.log.replied(c.Sock, g.requester.Status(&t.ClientConn))
	}
	switch {
	case errors.Is(err, exchange.ErrStatus):
		w.log.request(g, k, c.Sock, Answered5xx, c.At)
		w.give(g, k, c.Sock, sockstate.OutcomeHTTPStatus, 0)
		return
	case errors.Is(err, exchange.ErrSurplus) && t.left > 0:
		w.refuse(g, k, c.Sock, exchange.ErrEarly, c.Data)
		return
	case err != nil:
		w.refuse(g, k, c.Sock, err, c.Data)
		return
	case !whole && eof:
		w.cut(g, k, c)
		return
	case !whole:
		w.loop.Recv(c.Sock, recvSize)
		return
	}
	k.sample(g, sockstate.LatencyExchange, c.At-k.mark)
	k.ledger(g).Requests++
	if c.At <= w.end && k.flags&inWarmup == 0 {
		g.RequestsInTime++
	}
	closes := !g.requester.KeepAlive(&t.ClientConn)
	if closes {
		k.flags |= isDismissed
		w.log.request(g, k, c.Sock, AnsweredClose, c.At)
	} else {
		w.log.request(g, k, c.Sock, Answered, c.At)
	}
	g.course.replied(k, c, closes, eof)
}

// replyTime is how long a reply may take: a server that leaves the last request unread
// holds before it aborts.
func (g *group) replyTime(t *request) int64 {
	if g.leftUnread && t.left == 0 {
		return int64(g.RequestTimeout) + g.serverHold
	}
	return int64(g.RequestTimeout)
}

// think waits until the next request of an open connection is due.
func (w *worker) think(g *group, k *conn, s sockio.Sock, now int64) {
	k.phase = thinking
	w.loop.SetTimer(s, now+int64(g.Think))
	w.loop.Recv(s, recvSize)
}

// ask sends the next request of an open connection.
func (w *worker) ask(g *group, k *conn, s sockio.Sock, now int64) {
	k.phase, k.mark = asking, now
	t := &w.requests[s]
	w.loop.SetTimer(s, now+g.replyTime(t))
	w.loop.Send(s, g.requester.Start(&t.ClientConn, t.left == 0))
}

// cut ends a lifecycle whose peer ended the connection before the whole reply.
func (w *worker) cut(g *group, k *conn, c *sockio.Completion) {
	w.log.peerEnded(c.Sock, c.Errno)
	if g.leftUnread && w.requests[c.Sock].left == 0 && sockio.IsReset(c.Errno) {
		// As the policy has it: the server aborts instead of reading the last request.
		k.phase = closing
		w.sampleInfo(g, c.Sock)
		k.sample(g, sockstate.LatencyClose, c.At-k.mark)
		k.sched += int64(g.Hold)
		g.closer.PeerReset(w.loop, c.Sock, &k.teardown)
		return
	}
	w.give(g, k, c.Sock, byPeer(sockstate.OutcomeCutInRequest, c.Errno), c.Errno)
}

// byPeer is o if the peer ended the connection, by EOF or RST, and OutcomeOther if it failed otherwise.
func byPeer(o sockstate.Outcome, e sockio.Errno) sockstate.Outcome {
	if e != 0 && !sockio.IsReset(e) {
		return sockstate.OutcomeOther
	}
	return o
}

// idled handles a completion on a connection that is thinking or holding.
func (w *worker) idled(g *group, k *conn, c *sockio.Completion) {
	s := c.Sock
	switch {
	case c.Op == sockio.OpTimeout && k.phase == thinking:
		w.loop.Cancel(s)
		w.ask(g, k, s, w.loop.Now())
	case c.Op == sockio.OpTimeout:
		w.release(g, k, s, w.loop.Now())
	case c.Op != sockio.OpRecv:
	case c.Errno == 0 && c.N > 0 && (g.exchanges == 0 || exchange.Farewell(c.Data)):
		w.loop.Recv(s, recvSize)
	case c.Errno == 0 && c.N > 0 && k.phase == thinking:
		w.refuse(g, k, s, exchange.ErrEarly, c.Data)
	case c.Errno == 0 && c.N > 0:
		w.refuse(g, k, s, exchange.ErrSurplus, c.Data)
	default:
		g.course.ended(k, c)
	}
}

// release ends a hold.
func (w *worker) release(g *group, k *conn, s sockio.Sock, now int64) {
	w.loop.Cancel(s)
	k.sched += now - k.mark
	w.begin(g, k, s, now)
}

// begin starts the teardown.
func (w *worker) begin(g *group, k *conn, s sockio.Sock, now int64) {
	k.phase = closing
	if g.closesFirst {
		k.mark = now
		w.sampleInfo(g, s)
	} else {
		k.sched += int64(g.Hold)
	}
	if g.Close.Who == teardown.Nobody {
		w.loop.StopTimer(s)
		w.hold(g, k)
	} else if g.waitsForPeer {
		w.loop.SetTimer(s, now+int64(g.CloseTimeout)+g.serverHold)
	}
	g.closer.Begin(w.loop, s, &k.teardown)
}

func (w *worker) closing(g *group, k *conn, c *sockio.Completion) {
	if c.Op == sockio.OpRecv && c.N > 0 && k.outcome == sockstate.NoOutcome && g.exchanges > 0 && !g.leavesUnread && !exchange.Farewell(c.Data) {
		// It has the whole reply, and waits for the peer's end of the connection.
		w.refuse(g, k, c.Sock, exchange.ErrSurplus, c.Data)
		return
	}
	if c.Op == sockio.OpPeerEnd {
		w.log.peerEnded(c.Sock, c.Errno)
	}
	step := g.closer.Complete(w.loop, &k.teardown, c)
	if step.PeerEnded && k.outcome == sockstate.NoOutcome {
		if !g.closesFirst {
			w.sampleInfo(g, c.Sock)
		}
		if g.waitsForPeer && g.endsWell(k) {
			k.sample(g, sockstate.LatencyClose, step.At-k.mark)
		}
	}
	if step.Held {
		w.loop.StopTimer(c.Sock)
		w.hold(g, k)
	}
	if step.TimedOut {
		w.give(g, k, c.Sock, sockstate.OutcomeCloseTimeout, 0)
	}
	if step.Errno != 0 && k.outcome == sockstate.NoOutcome && k.teardown.End() == teardown.EndOther {
		k.outcome, k.errno = sockstate.OutcomeOther, uint16(step.Errno)
	}
	if step.Gone {
		if step.Errno == syscall.ECANCELED {
			k.ledger(g).NoSYN++ // given up before its SYN
		}
		w.finish(g, k, c.Sock, step.At)
	}
}

// hold counts a connection that stays open until the run ends.
func (w *worker) hold(g *group, k *conn) {
	k.flags |= isHeld
	g.heldOpen++
	g.shared.held.Add(1)
}

// give up: close the socket and end the lifecycle with o.
func (w *worker) give(g *group, k *conn, s sockio.Sock, o sockstate.Outcome, e sockio.Errno) {
	w.logLost(g, k, s, o, e)
	k.phase, k.outcome, k.errno = closing, o, uint16(e)
	g.closer.Abandon(w.loop, s, &k.teardown)
}

// faultErrno is above every errno of the kernel (MAX_ERRNO): conn.errno from there on is a fault.
const faultErrno = 4096

// refuse gives up because p is not a valid reply, as err says.
func (w *worker) refuse(g *group, k *conn, s sockio.Sock, err error, p []byte) {
	f := exchange.FaultOf(err)
	if g.Examples[f] == "" {
		g.Examples[f] = exchange.Example(err, p)
	}
	w.give(g, k, s, sockstate.OutcomeOther, faultErrno+sockio.Errno(f))
}

// finish accounts for a lifecycle whose socket is closed, and frees the slot.
func (w *worker) finish(g *group, k *conn, s sockio.Sock, at int64) {
	w.loop.StopTimer(s)
	l := k.ledger(g)
	o := k.outcome
	if o == sockstate.NoOutcome {
		o = g.outcomeOf(k, l)
	}
	g.count(l, o, k)
	if o.Class() == sockstate.ClassFailure || o == sockstate.OutcomeRSTReceived && !g.predictsRST {
		g.failed(o, at)
	}
	w.log.end(g, k, s, o, false, at)
	if k.flags&openedBefore != 0 {
		g.before--
	}
	if k.flags&isOpen != 0 {
		g.established--
	} else {
		w.opened(g, 1) // the plateau does not wait for what will not open
	}
	if k.flags&isHeld != 0 {
		g.heldOpen--
		g.shared.held.Add(-1)
	}
	g.open--
	g.leave()
	g.course.over(k, s, o, at)
}

// rest leaves a slot without a connection for a time.
func (w *worker) rest(g *group, k *conn, s sockio.Sock, until int64) {
	k.phase = pausing
	g.paused++
	w.loop.SetTimer(s, until)
}

func (w *worker) rested(g *group, k *conn, c *sockio.Completion) {
	if c.Op != sockio.OpTimeout {
		return
	}
	g.paused--
	g.course.rested(k, c.Sock, c.At)
}

// vacate frees a slot for the next lifecycle.
func (w *worker) vacate(g *group, k *conn, s sockio.Sock, now int64) {
	k.phase = free
	w.log.leave(s)
	w.free.Free(s)
	w.refill(g, now, 1)
}

// failed notes when a failure first happened.
func (g *group) failed(o sockstate.Outcome, at int64) {
	if g.FirstFailure[o] == 0 {
		g.FirstFailure[o] = at
	}
}

// endsWell reports whether the peer's end of the connection was one that the policy predicts.
func (g *group) endsWell(k *conn) bool {
	switch k.teardown.End() {
	case teardown.EndEarly:
		return false
	case teardown.EndRSTReceived:
		return g.predictsRST
	default:
		return true
	}
}

// count counts the end of a lifecycle.
func (g *group) count(l *Ledger, o sockstate.Outcome, k *conn) {
	l.Outcomes[o]++
	switch {
	case o != sockstate.OutcomeOther:
	case k.errno >= faultErrno:
		l.Faults[k.errno-faultErrno]++
	case k.flags&inWarmup == 0:
		g.Errnos[sockio.Errno(k.errno)]++
	}
}

func (g *group) outcomeOf(k *conn, l *Ledger) sockstate.Outcome {
	switch k.teardown.End() {
	case teardown.EndRSTSent:
		return sockstate.OutcomeRSTSent
	case teardown.EndRSTReceived:
		if !g.predictsRST {
			l.Unexpected++
		}
		return sockstate.OutcomeRSTReceived
	case teardown.EndEarly:
		return g.course.endedFirst()
	default:
		return sockstate.OutcomeFIN
	}
}

// sampleInfo reads TCP_INFO of one connection in infoEvery.
func (w *worker) sampleInfo(g *group, s sockio.Sock) {
	if g.sinceInfo++; g.sinceInfo < infoEvery && g.Info.Sampled > 0 {
		return
	}
	g.sinceInfo = 0
	if w.loop.Info(s, &w.tcpInfo) != nil {
		return // a sample less
	}
	i := &g.Info
	i.Sampled++
	record(i.RTT, int64(w.tcpInfo.RTT))
	record(i.MinRTT, int64(w.tcpInfo.MinRTT))
	_ = i.SndMSS.RecordValue(int64(w.tcpInfo.SndMSS))   // in range: at most 64 KiB
	_ = i.SndCwnd.RecordValue(int64(w.tcpInfo.SndCwnd)) // in range: the kernel caps it
	i.Retransmits += int64(w.tcpInfo.Retransmits)
	i.Lost += int64(w.tcpInfo.Lost)
}
