package trace

import (
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"lastack/sockstate"
)

// setState follows inet_sock_set_state(sk, old, new). When a socket closes, the kernel has already taken its local port away
// (inet_put_port), so its entry tells its side.
func setState(b *builder) {
	l := b.layout
	const (
		listen = int32(sockstate.Listen)
		closed = int32(sockstate.Closed)
	)
	b.add(
		argument(rSock, 0), argument(rOld, 1), argument(rNew, 2),
		asm.And.Imm(rOld, states-1), asm.And.Imm(rNew, states-1),
		asm.JEq.Reg(rOld, rNew, exit),
		asm.JEq.Imm(rNew, listen, exit), // no connection
	)
	b.ofLoad()
	b.add(
		asm.StoreMem(asm.R10, keyAt, rSock, asm.DWord),
		asm.Mov.Imm(asm.R2, 0), asm.StoreMem(asm.R10, closeAt, asm.R2, asm.DWord),
	)
	b.now()
	b.twKey(rSock, 0)
	b.addresses()

	b.lookup(b.maps.sockets, keyAt)
	fresh := b.label("fresh")
	stale, followed := b.label("stale"), b.label("followed")
	b.add(
		asm.JEq.Imm(asm.R0, 0, fresh),
		// A connection begins at the address of one whose end was missed.
		asm.JEq.Imm(rOld, closed, stale), asm.JNE.Imm(rOld, listen, followed),
	)
	b.mark(stale)
	b.count(lostAt+lostUnknown*word, 1)
	b.add(asm.Ja.Label(fresh))
	b.mark(followed)
	b.add(asm.Mov.Reg(rSock, asm.R0)) // from now on its entry
	b.add(
		asm.LoadMem(rSide, rSock, sockSide, asm.Word),
		asm.And.Imm(rSide, 1),
		asm.LoadMem(asm.R1, rSock, sockClose, asm.DWord), asm.StoreMem(asm.R10, closeAt, asm.R1, asm.DWord),
		asm.LoadMem(asm.R1, rSock, sockSince, asm.DWord), asm.StoreMem(asm.R10, sinceAt, asm.R1, asm.DWord),
		asm.LoadMem(asm.R2, asm.R10, nowAt, asm.DWord),
		asm.Sub.Reg(asm.R2, asm.R1),
		asm.StoreMem(asm.R10, dwellAt, asm.R2, asm.DWord),
	)
	closing, moved := b.label("closing"), b.label("moved")
	b.add(asm.JEq.Imm(rNew, closed, closing))

	// The entry goes on in the new state.
	b.add(
		asm.LoadMem(asm.R1, asm.R10, nowAt, asm.DWord),
		asm.StoreMem(rSock, sockSince, asm.R1, asm.DWord),
		asm.StoreMem(rSock, sockState, rNew, asm.Word),
		asm.LoadMem(asm.R2, asm.R10, twKeyAt, asm.DWord), asm.StoreMem(rSock, sockKey, asm.R2, asm.DWord),
	)
	fin := b.label("fin")
	b.add(
		asm.JEq.Imm(rNew, int32(sockstate.FinWait1), fin), asm.JEq.Imm(rNew, int32(sockstate.LastAck), fin),
		asm.Ja.Label(moved),
	)
	b.mark(fin)
	b.add(asm.StoreMem(rSock, sockClose, asm.R1, asm.DWord), asm.Ja.Label(moved))

	b.mark(closing)
	b.add(asm.LoadMem(asm.R1, rSock, sockKey, asm.DWord), asm.StoreMem(asm.R10, twKeyAt, asm.R1, asm.DWord))
	b.remove(b.maps.sockets, keyAt)
	wait := b.label("wait")
	b.add(asm.JEq.Imm(rOld, int32(sockstate.FinWait2), wait), asm.JNE.Imm(rOld, int32(sockstate.Closing), moved))
	b.mark(wait)
	b.becomesMini(moved)

	b.mark(moved)
	b.dwell(in(rOld))
	b.transition(in(rOld), in(rNew))
	b.closed()
	b.reset()
	b.add(asm.Ja.Label(exit))

	// First seen: a connection begins, or it is older than the trace, or had no room.
	b.mark(fresh)
	b.side(asm.LoadMem(asm.R2, rSock, l.dport, asm.Half), asm.LoadMem(asm.R2, rSock, l.num, asm.Half), false)
	begins, counted := b.label("begins"), b.label("counted")
	b.add(asm.JEq.Imm(rOld, closed, begins), asm.JEq.Imm(rOld, listen, begins))
	b.count(lostAt+lostUnknown*word, 1)
	b.mark(begins)
	b.add(asm.JEq.Imm(rNew, closed, counted))
	b.add(
		asm.LoadMem(asm.R1, asm.R10, nowAt, asm.DWord),
		asm.StoreMem(asm.R10, valueAt+sockSince, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R2, 0), asm.StoreMem(asm.R10, valueAt+sockClose, asm.R2, asm.DWord),
		asm.StoreMem(asm.R10, valueAt+sockState, rNew, asm.Word),
		asm.StoreMem(asm.R10, valueAt+sockSide, rSide, asm.Word),
		asm.LoadMem(asm.R1, asm.R10, twKeyAt, asm.DWord), asm.StoreMem(asm.R10, valueAt+sockKey, asm.R1, asm.DWord),
	)
	b.insert(b.maps.sockets, keyAt, lostSockets)
	b.mark(counted)
	b.add(asm.JEq.Imm(rOld, listen, "child"))
	b.transition(in(rOld), in(rNew))
	b.add(asm.Ja.Label(exit))
	// A listener that closes is no connection either.
	b.mark("child")
	b.add(asm.JEq.Imm(rNew, closed, exit))
	b.transition(in(rOld), in(rNew))
}

// ofLoad leaves unless rSock is a TCP socket in a namespace of the load, and has the namespace's number in R2.
func (b *builder) ofLoad() {
	l := b.layout
	b.add(
		asm.LoadMem(asm.R2, rSock, l.protocol, asm.Half),
		asm.And.Imm(asm.R2, 0xff), // before Linux 5.6 it was a byte
		asm.JNE.Imm(asm.R2, protocolTCP, exit),
		asm.LoadMem(asm.R2, rSock, l.net, asm.DWord),
		asm.LoadMem(asm.R2, asm.R2, l.inum, asm.Word),
	)
	b.inSpaces()
}

const protocolTCP = 6

// twKey stores the key of a connection's minisocket at twKeyAt: its hash and its ports.
func (b *builder) twKey(common asm.Register, at int16) {
	b.add(
		asm.LoadMem(asm.R1, common, at+b.layout.hash, asm.Word), asm.LSh.Imm(asm.R1, 32),
		asm.LoadMem(asm.R2, common, at+b.layout.portpair, asm.Word),
		asm.Or.Reg(asm.R1, asm.R2),
		asm.StoreMem(asm.R10, twKeyAt, asm.R1, asm.DWord),
	)
}

// becomesMini makes rNew the state of the minisocket that replaces a closing socket, if there is one. In FIN_WAIT_2 the connection has not
// changed its state, and the program leaves.
func (b *builder) becomesMini(end string) {
	b.lookup(b.maps.timeWaits, twKeyAt)
	b.add(asm.JEq.Imm(asm.R0, 0, end), asm.Mov.Reg(rSock, asm.R0))
	first, replaces := b.label("first"), b.label("replaces")
	b.add(
		asm.LoadMem(asm.R1, rSock, twFlags, asm.Word),
		asm.Mov.Reg(asm.R2, asm.R1), asm.And.Imm(asm.R2, flagRestarted), asm.JNE.Imm(asm.R2, 0, replaces),
		asm.And.Imm(asm.R1, flagFresh), asm.JNE.Imm(asm.R1, 0, first),
		asm.Ja.Label(end), // of an earlier connection
	)
	// What looked like the same minisocket's timer started again was the end of an earlier one.
	b.mark(replaces)
	b.add(asm.LoadMem(asm.R1, asm.R10, dwellAt, asm.DWord), asm.StoreMem(asm.R10, scratchAt, asm.R1, asm.DWord))
	b.miniEndedEarly()
	b.ended(endRearmed, slot(keyAt), -1)
	b.add(
		asm.LoadMem(asm.R1, asm.R10, scratchAt, asm.DWord), asm.StoreMem(asm.R10, dwellAt, asm.R1, asm.DWord),
		asm.LoadMem(asm.R1, rSock, twStarted, asm.DWord), asm.StoreMem(rSock, twSince, asm.R1, asm.DWord),
		asm.LoadMem(asm.R1, rSock, twNext, asm.Word), asm.StoreMem(rSock, twState, asm.R1, asm.Word),
	)
	b.mark(first)
	b.add(
		asm.StoreImm(rSock, twFlags, 0, asm.Word),
		asm.LoadMem(asm.R1, asm.R10, closeAt, asm.DWord), asm.StoreMem(rSock, twClose, asm.R1, asm.DWord),
		asm.LoadMem(rNew, rSock, twState, asm.Word), asm.And.Imm(rNew, states-1),
		asm.JEq.Imm(rNew, int32(sockstate.TimeWait), end),
		// Still FIN_WAIT_2.
		asm.LoadMem(asm.R1, asm.R10, sinceAt, asm.DWord), asm.StoreMem(rSock, twSince, asm.R1, asm.DWord),
		asm.Ja.Label(exit),
	)
}

// miniEndedEarly counts the end of the minisocket in rSock, when its timer was stopped.
func (b *builder) miniEndedEarly() {
	b.add(
		asm.LoadMem(asm.R1, rSock, twCancelled, asm.DWord), asm.LoadMem(asm.R2, rSock, twSince, asm.DWord),
		asm.Sub.Reg(asm.R1, asm.R2), asm.StoreMem(asm.R10, dwellAt, asm.R1, asm.DWord),
		asm.LoadMem(asm.R1, rSock, twState, asm.Word), asm.StoreMem(asm.R10, keyAt, asm.R1, asm.DWord),
	)
	b.dwell(slot(keyAt))
	b.transition(slot(keyAt), just(sockstate.Closed))
	b.ended(endEarly, slot(keyAt), 1)
}

// closed adds to Result.Close, once the state is TIME_WAIT or CLOSED and the socket had sent its FIN.
func (b *builder) closed() {
	end, over := b.label("open"), b.label("over")
	b.add(
		asm.JEq.Imm(rNew, int32(sockstate.TimeWait), over), asm.JNE.Imm(rNew, int32(sockstate.Closed), end),
	)
	b.mark(over)
	b.closeLatency(end)
	b.mark(end)
}

// closeLatency adds the time since closeAt, unless that is 0.
func (b *builder) closeLatency(end string) {
	b.add(
		asm.LoadMem(asm.R1, asm.R10, closeAt, asm.DWord), asm.JEq.Imm(asm.R1, 0, end),
		asm.LoadMem(asm.R2, asm.R10, nowAt, asm.DWord), asm.Sub.Reg(asm.R2, asm.R1),
		asm.StoreMem(asm.R10, dwellAt, asm.R2, asm.DWord),
	)
	b.dwell(just(closeRow))
}

// byReset leaves to a label unless an open connection ends, which only a reset does.
func (b *builder) byReset(otherwise string) {
	b.add(
		asm.JNE.Imm(rOld, int32(sockstate.Established), otherwise),
		asm.JNE.Imm(rNew, int32(sockstate.Closed), otherwise),
	)
}

// addresses stores the socket's addresses at localAt and remoteAt, for reset.
func (b *builder) addresses() {
	l := b.layout
	other, v4, stored := b.label("other"), b.label("v4"), b.label("stored")
	b.byReset(other)
	if l.v6Daddr > 0 {
		const last = 12
		b.add(
			asm.LoadMem(asm.R1, rSock, l.family, asm.Half), asm.JNE.Imm(asm.R1, unix.AF_INET6, v4),
			asm.LoadMem(asm.R1, rSock, l.v6RcvSaddr+last, asm.Word), asm.LoadMem(asm.R2, rSock, l.v6Daddr+last, asm.Word),
			asm.Ja.Label(stored),
		)
	}
	b.mark(v4)
	b.add(asm.LoadMem(asm.R1, rSock, l.rcvSaddr, asm.Word), asm.LoadMem(asm.R2, rSock, l.daddr, asm.Word))
	b.mark(stored)
	b.add(asm.StoreMem(asm.R10, localAt, asm.R1, asm.Word), asm.StoreMem(asm.R10, remoteAt, asm.R2, asm.Word))
	b.mark(other)
}

// reset adds to Result.Close of the side that has reset a connection, once the reset has ended the other end too.
func (b *builder) reset() {
	b.byReset(exit)
	server, made, first := b.label("server"), b.label("made"), b.label("first")
	b.add(
		// As struct sock_common has them: the peer's port in the network's byte order, then the own one.
		asm.LoadMem(asm.R1, asm.R10, twKeyAt, asm.DWord), asm.StoreMem(asm.R10, scratchAt, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, asm.R10, scratchAt, asm.Half), asm.HostTo(asm.BE, asm.R1, asm.Half),
		asm.LoadMem(asm.R2, asm.R10, scratchAt+2, asm.Half),
		asm.LoadMem(asm.R3, asm.R10, remoteAt, asm.Word), asm.LoadMem(asm.R4, asm.R10, localAt, asm.Word),
		asm.Mov.Imm(asm.R5, 0), asm.StoreMem(asm.R10, pairAt+8, asm.R5, asm.DWord),
		asm.JEq.Imm(rSide, int32(sockstate.Server), server),
		asm.StoreMem(asm.R10, pairAt+pairClient, asm.R4, asm.Word), asm.StoreMem(asm.R10, pairAt+pairServer, asm.R3, asm.Word),
		asm.StoreMem(asm.R10, pairAt+pairClientPort, asm.R2, asm.Half), asm.StoreMem(asm.R10, pairAt+pairServerPort, asm.R1, asm.Half),
		asm.Ja.Label(made),
	)
	b.mark(server)
	b.add(
		asm.StoreMem(asm.R10, pairAt+pairClient, asm.R3, asm.Word), asm.StoreMem(asm.R10, pairAt+pairServer, asm.R4, asm.Word),
		asm.StoreMem(asm.R10, pairAt+pairClientPort, asm.R1, asm.Half), asm.StoreMem(asm.R10, pairAt+pairServerPort, asm.R2, asm.Half),
	)
	b.mark(made)
	b.lookup(b.maps.resets, pairAt)
	b.add(
		asm.JEq.Imm(asm.R0, 0, first),
		asm.LoadMem(asm.R1, asm.R0, resetSide, asm.DWord), asm.JEq.Reg(asm.R1, rSide, first), // of an earlier connection
		asm.LoadMem(asm.R1, asm.R0, resetAt, asm.DWord), asm.StoreMem(asm.R10, closeAt, asm.R1, asm.DWord),
		asm.Xor.Imm(rSide, 1),
	)
	b.remove(b.maps.resets, pairAt)
	b.closeLatency(exit)
	b.add(asm.Ja.Label(exit))
	b.mark(first)
	b.add(
		asm.LoadMem(asm.R1, asm.R10, nowAt, asm.DWord), asm.StoreMem(asm.R10, valueAt+resetAt, asm.R1, asm.DWord),
		asm.StoreMem(asm.R10, valueAt+resetSide, rSide, asm.DWord),
	)
	b.insert(b.maps.resets, pairAt, lostResets)
}

// mini begins a program on timers: it leaves unless the timer is a minisocket's of the load, and then has its key at twKeyAt, its side, the
// time, its state in rNew, and its entry or 0 in rSock.
func (b *builder) mini(function uint64) {
	l := b.layout
	b.add(
		argument(rSock, 0),
		asm.LoadMem(asm.R2, rSock, l.timerFunction, asm.DWord),
		asm.LoadImm(asm.R3, int64(function), asm.DWord),
		asm.JNE.Reg(asm.R2, asm.R3, exit),
		asm.Mov.Reg(asm.R3, rSock), asm.Add.Imm(asm.R3, -int32(l.twTimer)),
		asm.Mov.Reg(rOld, asm.R3),
	)
	b.readMini(rOld)
}

// readMini does the rest, for the minisocket at an address.
func (b *builder) readMini(at asm.Register) {
	l := b.layout
	b.add(asm.Mov.Reg(asm.R3, at))
	b.probe(commonAt, commonBytes)
	b.add(asm.LoadMem(asm.R3, asm.R10, commonAt+l.net, asm.DWord), asm.Add.Imm(asm.R3, int32(l.inum)))
	b.probe(scratchAt, 4)
	b.add(asm.LoadMem(asm.R2, asm.R10, scratchAt, asm.Word))
	b.inSpaces()
	b.add(asm.Mov.Reg(asm.R3, at), asm.Add.Imm(asm.R3, int32(l.twSubstate)))
	b.probe(scratchAt, 1)
	b.add(asm.LoadMem(rNew, asm.R10, scratchAt, asm.Byte))
	b.side(asm.LoadMem(asm.R2, asm.R10, commonAt+l.dport, asm.Half), asm.LoadMem(asm.R2, asm.R10, commonAt+l.num, asm.Half), false)
	b.twKey(asm.R10, commonAt)
	b.now()
	b.lookup(b.maps.timeWaits, twKeyAt)
	b.add(asm.Mov.Reg(rSock, asm.R0))
}

// timerStart: a minisocket begins, or its timer starts anew.
func timerStart(b *builder, function uint64) {
	b.mini(function)
	begins, cancelled := b.label("begins"), b.label("cancelled")
	b.add(
		asm.JEq.Imm(rSock, 0, begins),
		asm.LoadMem(asm.R1, rSock, twFlags, asm.Word), asm.And.Imm(asm.R1, flagCancelled),
		asm.JNE.Imm(asm.R1, 0, cancelled),
	)
	b.mark(begins)
	b.add(
		asm.LoadMem(asm.R1, asm.R10, nowAt, asm.DWord),
		asm.StoreMem(asm.R10, valueAt+twSince, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R2, 0), asm.StoreMem(asm.R10, valueAt+twClose, asm.R2, asm.DWord),
		asm.Mov.Imm(asm.R2, 0), asm.StoreMem(asm.R10, valueAt+twCancelled, asm.R2, asm.DWord),
		asm.StoreMem(asm.R10, valueAt+twStarted, asm.R1, asm.DWord),
		asm.StoreImm(asm.R10, valueAt+twFlags, flagFresh, asm.Word),
		asm.StoreMem(asm.R10, valueAt+twState, rNew, asm.Word),
		asm.StoreMem(asm.R10, valueAt+twNext, rNew, asm.Word),
		asm.StoreMem(asm.R10, valueAt+twSide, rSide, asm.Word),
	)
	b.insert(b.maps.timeWaits, twKeyAt, lostTimeWaits)
	b.add(asm.Ja.Label(exit))

	b.mark(cancelled)
	b.add(
		asm.LoadMem(asm.R1, asm.R10, nowAt, asm.DWord),
		asm.StoreMem(rSock, twStarted, asm.R1, asm.DWord),
		asm.StoreMem(rSock, twNext, rNew, asm.Word),
		asm.StoreImm(rSock, twFlags, flagRestarted, asm.Word),
		asm.LoadMem(asm.R1, rSock, twState, asm.Word), asm.StoreMem(asm.R10, keyAt, asm.R1, asm.DWord),
		// It came to TIME_WAIT as the timer was stopped (moves): it begins that state, and does not begin it again.
		asm.LoadMem(asm.R1, rSock, twSince, asm.DWord), asm.LoadMem(asm.R2, rSock, twCancelled, asm.DWord),
		asm.JEq.Reg(asm.R1, asm.R2, exit),
	)
	b.ended(endRearmed, slot(keyAt), 1)
}

// timerCancel: the timer was stopped, or is about to fire, or to start anew.
func timerCancel(b *builder, function uint64) {
	b.mini(function)
	b.add(
		asm.JEq.Imm(rSock, 0, exit),
		asm.LoadMem(asm.R1, asm.R10, nowAt, asm.DWord), asm.StoreMem(rSock, twCancelled, asm.R1, asm.DWord),
		asm.StoreImm(rSock, twFlags, flagCancelled, asm.Word),
	)
	b.moves()
}

// moves counts the change to TIME_WAIT of a minisocket that was in FIN_WAIT_2 when it was last seen.
func (b *builder) moves() {
	end := b.label("stays")
	b.add(
		asm.JNE.Imm(rNew, int32(sockstate.TimeWait), end),
		asm.LoadMem(asm.R1, rSock, twState, asm.Word),
		asm.JNE.Imm(asm.R1, int32(sockstate.FinWait2), end),
		asm.StoreMem(rSock, twState, rNew, asm.Word),
		asm.LoadMem(asm.R1, rSock, twClose, asm.DWord), asm.StoreMem(asm.R10, closeAt, asm.R1, asm.DWord),
		asm.LoadMem(asm.R1, asm.R10, nowAt, asm.DWord), asm.LoadMem(asm.R2, rSock, twSince, asm.DWord),
		asm.StoreMem(rSock, twSince, asm.R1, asm.DWord),
		asm.Sub.Reg(asm.R1, asm.R2), asm.StoreMem(asm.R10, dwellAt, asm.R1, asm.DWord),
	)
	b.dwell(just(sockstate.FinWait2))
	b.transition(just(sockstate.FinWait2), just(sockstate.TimeWait))
	b.closeLatency(end)
	b.mark(end)
}

// timerExpire: a minisocket ends at its time.
func timerExpire(b *builder, function uint64) {
	b.mini(function)
	b.add(
		asm.JEq.Imm(rSock, 0, exit),
		asm.LoadMem(asm.R1, asm.R10, nowAt, asm.DWord), asm.LoadMem(asm.R2, rSock, twSince, asm.DWord),
		asm.Sub.Reg(asm.R1, asm.R2), asm.StoreMem(asm.R10, dwellAt, asm.R1, asm.DWord),
	)
	b.dwell(in(rNew))
	b.transition(in(rNew), just(sockstate.Closed))
	b.ended(endExpired, in(rNew), 1)
	b.remove(b.maps.timeWaits, twKeyAt)
}

// dropped follows kfree_skb(skb, location, reason, sk): the segment that a minisocket has processed is freed with it.
func dropped(b *builder) {
	b.add(
		argument(rOld, 3),
		asm.JEq.Imm(rOld, 0, exit),
		asm.LoadMem(asm.R2, rOld, b.layout.state, asm.Byte),
		asm.JNE.Imm(asm.R2, int32(sockstate.TimeWait), exit),
	)
	b.readMini(rOld)
	b.add(asm.JEq.Imm(rSock, 0, exit))
	b.moves()
}

// socketSide makes rSide the end that rSock is, and rOld its state. When a socket closes it has lost the port by which the kernel finds it, and
// keeps the one that it sends.
func (b *builder) socketSide() {
	l := b.layout
	b.add(
		asm.LoadMem(asm.R2, rSock, l.net, asm.DWord),
		asm.LoadMem(asm.R2, asm.R2, l.inum, asm.Word),
	)
	b.inSpaces()
	b.add(
		asm.LoadMem(rOld, rSock, l.state, asm.Byte), asm.And.Imm(rOld, states-1),
		asm.LoadMem(asm.R2, rSock, l.num, asm.Half),
		asm.HostTo(asm.BE, asm.R2, asm.Half),
		asm.StoreMem(asm.R10, scratchAt, asm.R2, asm.DWord),
	)
	has := b.label("has_port")
	b.add(
		asm.JNE.Imm(asm.R2, 0, has),
		asm.Mov.Reg(asm.R3, rSock), asm.Add.Imm(asm.R3, int32(l.sport)),
	)
	b.probe(scratchAt, 2)
	b.mark(has)
	b.side(asm.LoadMem(asm.R2, rSock, l.dport, asm.Half), asm.LoadMem(asm.R2, asm.R10, scratchAt, asm.Half), true)
}

// byState counts by the side and the state in rOld.
func (b *builder) byState(at int) {
	b.tables(exit)
	b.add(
		asm.Mov.Reg(asm.R2, rSide), asm.And.Imm(asm.R2, 1), asm.LSh.Imm(asm.R2, 7),
		asm.Mov.Reg(asm.R3, rOld), asm.And.Imm(asm.R3, states-1), asm.LSh.Imm(asm.R3, 3),
		asm.Add.Reg(asm.R2, asm.R3), asm.Add.Reg(asm.R0, asm.R2),
		asm.Mov.Imm(asm.R1, 1), asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, int16(at)),
	)
}

// receiveReset follows tcp_receive_reset(sk).
func receiveReset(b *builder) {
	b.add(argument(rSock, 0))
	b.socketSide()
	b.byState(receivedAt)
}

// retransmit follows tcp_retransmit_skb(sk, ...).
func retransmit(b *builder) {
	b.add(argument(rSock, 0))
	b.socketSide()
	b.byState(retransmitsAt)
}

// sendReset follows tcp_send_reset(sk, skb, reason). Both pointers may be 0: without a socket, the packet that is answered tells the side.
func sendReset(b *builder) {
	l := b.layout
	noSocket, count := b.label("no_socket"), b.label("reason")
	b.add(
		argument(rSock, 0), argument(rOld, 1), argument(rNew, 2),
		asm.Mov.Imm(asm.R2, 0), asm.StoreMem(asm.R10, closeAt, asm.R2, asm.DWord),
		asm.JEq.Imm(rSock, 0, noSocket),
	)
	b.socketSide()
	b.add(asm.StoreMem(asm.R10, closeAt, rOld, asm.DWord), asm.Ja.Label(count))

	b.mark(noSocket)
	b.add(asm.JEq.Imm(rOld, 0, exit))
	for _, at := range []int16{l.skbDev, l.devNet, l.inum} {
		b.add(asm.Mov.Reg(asm.R3, rOld))
		if at != l.skbDev {
			b.add(asm.LoadMem(asm.R3, asm.R10, scratchAt, asm.DWord))
		}
		b.add(asm.Add.Imm(asm.R3, int32(at)), asm.Mov.Imm(asm.R2, 0), asm.StoreMem(asm.R10, scratchAt, asm.R2, asm.DWord))
		size := int32(word)
		if at == l.inum {
			size = 4
		}
		b.probe(scratchAt, size)
	}
	b.add(asm.LoadMem(asm.R2, asm.R10, scratchAt, asm.Word))
	b.inSpaces()
	b.add(asm.Mov.Reg(asm.R3, rOld), asm.Add.Imm(asm.R3, int32(l.skbHead)))
	b.probe(scratchAt, word)
	b.add(asm.Mov.Imm(asm.R2, 0), asm.StoreMem(asm.R10, twKeyAt, asm.R2, asm.DWord), asm.Mov.Reg(asm.R3, rOld), asm.Add.Imm(asm.R3, int32(l.skbTransport)))
	b.probe(twKeyAt, 2)
	b.add(
		asm.LoadMem(asm.R3, asm.R10, scratchAt, asm.DWord), asm.LoadMem(asm.R2, asm.R10, twKeyAt, asm.DWord),
		asm.Add.Reg(asm.R3, asm.R2),
	)
	b.probe(scratchAt, 4) // the ports of its sender and of its receiver, which answers
	b.side(asm.LoadMem(asm.R2, asm.R10, scratchAt, asm.Half), asm.LoadMem(asm.R2, asm.R10, scratchAt+2, asm.Half), true)

	b.mark(count)
	known := b.label("known")
	b.add(asm.LSh.Imm(rNew, 32), asm.RSh.Imm(rNew, 32)) // an enum has 4 bytes
	b.add(asm.JLT.Imm(rNew, numReasons, known), asm.Mov.Imm(rNew, numReasons-1))
	b.mark(known)
	b.tables(exit)
	b.add(
		asm.Mov.Reg(asm.R2, rSide), asm.And.Imm(asm.R2, 1), asm.LSh.Imm(asm.R2, 12),
		asm.And.Imm(rNew, numReasons-1), asm.LSh.Imm(rNew, 7), asm.Add.Reg(asm.R2, rNew),
		asm.LoadMem(asm.R3, asm.R10, closeAt, asm.DWord), asm.And.Imm(asm.R3, states-1), asm.LSh.Imm(asm.R3, 3),
		asm.Add.Reg(asm.R2, asm.R3), asm.Add.Reg(asm.R0, asm.R2),
		asm.Mov.Imm(asm.R1, 1), asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, sentAt),
	)
}
