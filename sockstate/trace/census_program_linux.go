package trace

import (
	"unsafe"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"lastack/sockstate"
)

// censusLayout holds the offsets that the census needs.
type censusLayout struct {
	names

	socket int16 // struct bpf_iter__tcp

	dport, num, state, family, local, remote, local6, remote6 int16 // struct sock_common
	owner, queue, backlog                                     int16 // struct sock
	twSubstate, twExpires                                     int16 // struct inet_timewait_sock
}

func loadCensusLayout(types *btf.Cache) (*censusLayout, error) {
	spec, err := vmlinux(types)
	if err != nil {
		return nil, err
	}
	return newCensusLayout(spec)
}

func newCensusLayout(spec *btf.Spec) (*censusLayout, error) {
	l := &censusLayout{names: names{spec: spec}}
	l.socket = l.offset("bpf_iter__tcp", "sk_common")
	l.dport = l.offset("sock_common", "skc_dport")
	l.num = l.offset("sock_common", "skc_num")
	l.state = l.offset("sock_common", "skc_state")
	l.family = l.offset("sock_common", "skc_family")
	l.local = l.offset("sock_common", "skc_rcv_saddr")
	l.remote = l.offset("sock_common", "skc_daddr")
	l.local6 = l.offset("sock_common", "skc_v6_rcv_saddr")
	l.remote6 = l.offset("sock_common", "skc_v6_daddr")
	l.owner = l.offset("sock", "sk_socket")
	l.queue = l.offset("sock", "sk_ack_backlog")
	l.backlog = l.offset("sock", "sk_max_ack_backlog")
	l.twSubstate = l.offset("inet_timewait_sock", "tw_substate")
	expires, jiffies := l.find("inet_timewait_sock", "tw_timer.expires")
	l.twExpires = expires
	if n, err := btf.Sizeof(jiffies); err == nil && n != word {
		l.lacks("timers of 64 bits")
	}
	if l.err != nil {
		return nil, &Error{"btf", "vmlinux", l.err}
	}
	l.spec = nil // its memory is free again
	return l, nil
}

// The stack of the program. The remote endpoint is the end of the pair, and a key of servers too.
const (
	pairKeyAt    = -int16(unsafe.Sizeof(pairKey{}))
	remoteKeyAt  = pairKeyAt + int16(unsafe.Offsetof(pairKey{}.Destination))
	localKeyAt   = pairKeyAt - int16(unsafe.Sizeof(endpoint{}))
	freshPairAt  = localKeyAt - int16(unsafe.Sizeof(pairValue{}))
	portAt       = int16(unsafe.Offsetof(endpoint{}.Port))
	censusLeftAt = freshPairAt - word
)

// The registers of the census, beside rSock: the tally, the state that is counted, the side. rState is 0 for a minisocket's until that is read.
const (
	rTally = asm.R9
	rState = asm.R7
	rEnd   = asm.R8
)

// assemble makes the program of the census, which follows sockstate.Census.Add.
func (c *Census) assemble() asm.Instructions {
	b := &builder{}
	l := c.layout
	var t tally
	in := func(offset uintptr) int16 { return int16(offset) }

	b.add(
		asm.LoadMem(rSock, asm.R1, l.socket, asm.DWord),
		asm.JEq.Imm(rSock, 0, exit), // after the last
		asm.LoadMapValue(rTally, c.tally.FD(), 0),
	)
	b.increase(rTally, in(unsafe.Offsetof(t.Seen)))
	c.endpoints(b)
	c.end(b)

	// The state, and of a minisocket the time left.
	full, known := b.label("full"), b.label("state")
	b.add(
		asm.LoadMem(rState, rSock, l.state, asm.Byte), asm.And.Imm(rState, states-1),
		asm.JNE.Imm(rState, int32(sockstate.TimeWait), full),
		asm.Mov.Reg(asm.R1, rSock), asm.FnSkcToTcpTimewaitSock.Call(),
		asm.JEq.Imm(asm.R0, 0, exit),
		asm.LoadMem(rState, asm.R0, l.twSubstate, asm.Byte), asm.And.Imm(rState, states-1),
		asm.LoadMem(asm.R1, asm.R0, l.twExpires, asm.DWord), asm.StoreMem(asm.R10, censusLeftAt, asm.R1, asm.DWord),
		asm.FnJiffies64.Call(),
		asm.LoadMem(asm.R1, asm.R10, censusLeftAt, asm.DWord), asm.Sub.Reg(asm.R1, asm.R0),
	)
	inTime := b.label("in_time")
	b.add(asm.JSGE.Imm(asm.R1, 0, inTime), asm.Mov.Imm(asm.R1, 0))
	b.mark(inTime)
	b.add(asm.StoreMem(asm.R10, censusLeftAt, asm.R1, asm.DWord))
	mini := b.label("mini")
	b.add(asm.JNE.Imm(rState, int32(sockstate.TimeWait), mini))
	c.timeWait(b, known)
	b.mark(mini)
	b.increaseBySide(in(unsafe.Offsetof(t.Mini)), word)
	b.add(asm.Ja.Label(known))

	b.mark(full)
	handshake := b.label("handshake")
	b.add(asm.JNE.Imm(rState, int32(sockstate.NewSynRecv), handshake), asm.Mov.Imm(rState, int32(sockstate.SynRecv)))
	b.mark(handshake)
	b.add(asm.JEq.Imm(rState, int32(sockstate.SynRecv), known), asm.JEq.Imm(rState, int32(sockstate.SynSent), known))
	c.fullSocket(b, known)

	b.mark(known)
	b.add(
		asm.Mov.Reg(asm.R1, rEnd), asm.LSh.Imm(asm.R1, 4), asm.Add.Reg(asm.R1, rState), asm.And.Imm(asm.R1, 2*states-1), asm.LSh.Imm(asm.R1, 3),
		asm.Mov.Reg(asm.R2, rTally), asm.Add.Reg(asm.R2, asm.R1),
	)
	b.increase(asm.R2, in(unsafe.Offsetof(t.Count)))
	c.use(b)
	return b.finish()
}

// increase adds 1 to a number in memory. Nothing else counts at the same time. It uses R1.
func (b *builder) increase(at asm.Register, offset int16) {
	b.add(
		asm.LoadMem(asm.R1, at, offset, asm.DWord), asm.Add.Imm(asm.R1, 1), asm.StoreMem(at, offset, asm.R1, asm.DWord),
	)
}

// increaseBySide adds 1 to the number of a side in the tally. It uses R1 and R2.
func (b *builder) increaseBySide(offset int16, each int32) {
	b.add(
		asm.Mov.Reg(asm.R1, rEnd), asm.And.Imm(asm.R1, 1), asm.Mul.Imm(asm.R1, each),
		asm.Mov.Reg(asm.R2, rTally), asm.Add.Reg(asm.R2, asm.R1),
	)
	b.increase(asm.R2, offset)
}

// endpoints puts the socket's addresses and ports on the stack.
func (c *Census) endpoints(b *builder) {
	l := c.layout
	v6, ports := b.label("v6"), b.label("ports")
	const (
		inet, inet6 = 2, 10 // AF_INET, AF_INET6
		mapped      = 8     // where ::ffff:0:0/96 differs from ::/96
	)
	b.add(
		asm.LoadMem(asm.R1, rSock, l.family, asm.Half),
		asm.JEq.Imm(asm.R1, inet6, v6),
		asm.JNE.Imm(asm.R1, inet, exit),
	)
	for _, a := range []struct{ from, to int16 }{{l.local, localKeyAt}, {l.remote, remoteKeyAt}} {
		b.add(
			asm.LoadMem(asm.R1, rSock, a.from, asm.Word),
			asm.Mov.Imm(asm.R2, 0), asm.StoreMem(asm.R10, a.to, asm.R2, asm.DWord),
			asm.Mov.Imm(asm.R2, 0xffff), asm.HostTo(asm.BE, asm.R2, asm.Word), // 00 00 ff ff
			asm.StoreMem(asm.R10, a.to+mapped, asm.R2, asm.Word),
			asm.StoreMem(asm.R10, a.to+mapped+4, asm.R1, asm.Word),
		)
	}
	b.add(asm.Ja.Label(ports))
	b.mark(v6)
	for _, a := range []struct{ from, to int16 }{{l.local6, localKeyAt}, {l.remote6, remoteKeyAt}} {
		for at := int16(0); at < 16; at += 4 {
			b.add(asm.LoadMem(asm.R1, rSock, a.from+at, asm.Word), asm.StoreMem(asm.R10, a.to+at, asm.R1, asm.Word))
		}
	}
	b.mark(ports)
	b.add(
		asm.LoadMem(asm.R1, rSock, l.num, asm.Half), asm.StoreMem(asm.R10, localKeyAt+portAt, asm.R1, asm.DWord),
		asm.LoadMem(asm.R1, rSock, l.dport, asm.Half), asm.HostTo(asm.BE, asm.R1, asm.Half), asm.StoreMem(asm.R10, remoteKeyAt+portAt, asm.R1, asm.DWord),
	)
}

// end makes rEnd the side, as sockstate.Filter.Side does, or leaves: of two servers the first decides.
func (c *Census) end(b *builder) {
	client, server, done := b.label("client"), b.label("server"), b.label("side")
	notRemote, notLocal, both := b.label("not_remote"), b.label("not_local"), b.label("both")
	b.lookup(c.servers, remoteKeyAt)
	b.add(
		asm.JEq.Imm(asm.R0, 0, notRemote),
		asm.LoadMem(rState, asm.R0, 0, asm.Word),
	)
	b.lookup(c.servers, localKeyAt)
	b.add(asm.JNE.Imm(asm.R0, 0, both), asm.Ja.Label(client))
	b.mark(both)
	b.add(
		asm.LoadMem(asm.R1, asm.R0, 0, asm.Word),
		asm.JGT.Reg(rState, asm.R1, server),
		asm.Ja.Label(client),
	)
	b.mark(notRemote)
	b.lookup(c.servers, localKeyAt)
	b.add(asm.JEq.Imm(asm.R0, 0, notLocal), asm.Ja.Label(server))

	// A listener on all addresses.
	b.mark(notLocal)
	unspecified := b.label("unspecified")
	b.add(
		asm.LoadMem(asm.R1, asm.R10, remoteKeyAt+portAt, asm.DWord), asm.JNE.Imm(asm.R1, 0, exit),
		asm.LoadMem(asm.R1, asm.R10, localKeyAt, asm.DWord), asm.JNE.Imm(asm.R1, 0, exit),
		asm.LoadMem(asm.R1, asm.R10, localKeyAt+12, asm.Word), asm.JNE.Imm(asm.R1, 0, exit),
		asm.LoadMem(asm.R1, asm.R10, localKeyAt+8, asm.Word), asm.JEq.Imm(asm.R1, 0, unspecified),
		asm.HostTo(asm.BE, asm.R1, asm.Word), asm.JNE.Imm(asm.R1, 0xffff, exit),
	)
	b.mark(unspecified)
	b.add(
		asm.Mov.Imm(asm.R1, -1),
		asm.StoreMem(asm.R10, localKeyAt, asm.R1, asm.DWord), asm.StoreMem(asm.R10, localKeyAt+8, asm.R1, asm.DWord), // wildcard
	)
	b.lookup(c.servers, localKeyAt)
	b.add(asm.JEq.Imm(asm.R0, 0, exit))

	b.mark(server)
	b.add(asm.Mov.Imm(rEnd, int32(sockstate.Server)), asm.Ja.Label(done))
	b.mark(client)
	b.add(asm.Mov.Imm(rEnd, int32(sockstate.Client)))
	b.mark(done)
}

// timeWait counts what only a TIME_WAIT has, and goes on at a label. One of before the load counts as nothing else.
func (c *Census) timeWait(b *builder, known string) {
	var t tally
	load := b.label("load")
	b.add(
		asm.LoadMem(asm.R1, asm.R10, censusLeftAt, asm.DWord),
		asm.LoadMem(asm.R2, rTally, int16(unsafe.Offsetof(t.Earlier)), asm.DWord),
		asm.JGE.Reg(asm.R1, asm.R2, load),
		asm.JNE.Imm(rEnd, int32(sockstate.Client), exit),
	)
	c.pair(b)
	b.increase(asm.R0, int16(unsafe.Offsetof(pairValue{}.Earlier)))
	b.add(asm.Ja.Label(exit))

	b.mark(load)
	longest, positive := b.label("longest"), b.label("positive")
	b.add(
		asm.LoadMem(asm.R2, rTally, int16(unsafe.Offsetof(t.LongestLeft)), asm.DWord),
		asm.JGE.Reg(asm.R2, asm.R1, longest),
		asm.StoreMem(rTally, int16(unsafe.Offsetof(t.LongestLeft)), asm.R1, asm.DWord),
	)
	b.mark(longest)
	// Its age in seconds.
	whole := int32(sockstate.NumAges-1) * int32(c.hz)
	b.add(
		asm.Mov.Imm(asm.R2, whole), asm.Sub.Reg(asm.R2, asm.R1),
		asm.JSGE.Imm(asm.R2, 0, positive), asm.Mov.Imm(asm.R2, 0),
	)
	b.mark(positive)
	b.add(
		asm.Div.Imm(asm.R2, int32(c.hz)),
		asm.JGE.Imm(asm.R2, int32(sockstate.NumAges), exit), // it is at most the last: this is for the verifier
		asm.Mov.Reg(asm.R1, rEnd), asm.And.Imm(asm.R1, 1), asm.Mul.Imm(asm.R1, int32(sockstate.NumAges)),
		asm.Add.Reg(asm.R2, asm.R1), asm.LSh.Imm(asm.R2, 3), asm.Add.Reg(asm.R2, rTally),
	)
	b.increase(asm.R2, int16(unsafe.Offsetof(t.Ages)))
	b.add(asm.Ja.Label(known))
}

// fullSocket counts what only a full socket has, and goes on at a label.
func (c *Census) fullSocket(b *builder, known string) {
	l := c.layout
	var t tally
	owned := b.label("owned")
	b.add(
		asm.Mov.Reg(asm.R1, rSock), asm.FnSkcToTcpSock.Call(),
		asm.JEq.Imm(asm.R0, 0, known),
		asm.JNE.Imm(rState, int32(sockstate.Listen), owned),
	)
	for _, x := range []struct {
		from int16
		to   uintptr
	}{{l.queue, unsafe.Offsetof(t.AcceptQueue)}, {l.backlog, unsafe.Offsetof(t.Backlog)}} {
		b.add(
			asm.LoadMem(asm.R1, asm.R0, x.from, asm.Word),
			asm.LoadMem(asm.R2, rTally, int16(x.to), asm.DWord), asm.Add.Reg(asm.R2, asm.R1), asm.StoreMem(rTally, int16(x.to), asm.R2, asm.DWord),
		)
	}
	b.add(asm.Ja.Label(known))

	// Without a struct socket it has no inode: it was not accepted yet, or its process has closed it.
	b.mark(owned)
	client := b.label("not_server")
	queued := b.label("queued")
	b.add(
		asm.LoadMem(asm.R1, asm.R0, l.owner, asm.DWord), asm.JNE.Imm(asm.R1, 0, known),
		asm.JNE.Imm(rEnd, int32(sockstate.Server), client),
		asm.JEq.Imm(rState, int32(sockstate.Established), queued),
		asm.JEq.Imm(rState, int32(sockstate.CloseWait), queued),
	)
	b.mark(client)
	b.add(asm.JEq.Imm(rState, int32(sockstate.Established), known), asm.JEq.Imm(rState, int32(sockstate.Closed), known))
	b.increaseBySide(int16(unsafe.Offsetof(t.Orphans)), word)
	b.add(asm.Ja.Label(known))
	b.mark(queued)
	b.increase(rTally, int16(unsafe.Offsetof(t.NotAccepted)))
}

// use counts the ports that a client has.
func (c *Census) use(b *builder) {
	var t tally
	var v pairValue
	b.add(
		asm.JNE.Imm(rEnd, int32(sockstate.Client), exit),
		asm.JEq.Imm(rState, int32(sockstate.Closed), exit),
	)
	c.pair(b)
	waits := b.label("waits")
	b.add(asm.JEq.Imm(rState, int32(sockstate.TimeWait), waits))
	b.increase(asm.R0, int16(unsafe.Offsetof(v.Open)))
	b.add(asm.Ja.Label(exit))
	b.mark(waits)
	b.increase(asm.R0, int16(unsafe.Offsetof(v.TimeWait)))
	older, younger := b.label("older"), b.label("younger")
	b.add(
		asm.LoadMem(asm.R3, asm.R10, censusLeftAt, asm.DWord),
		asm.LoadMem(asm.R2, rTally, int16(unsafe.Offsetof(t.Fresh)), asm.DWord), asm.JLT.Reg(asm.R3, asm.R2, older),
	)
	b.increase(asm.R0, int16(unsafe.Offsetof(v.Entered)))
	b.mark(older)
	b.add(asm.LoadMem(asm.R2, rTally, int16(unsafe.Offsetof(t.Reusable)), asm.DWord), asm.JGE.Reg(asm.R3, asm.R2, younger))
	b.increase(asm.R0, int16(unsafe.Offsetof(v.Reusable)))
	b.mark(younger)
}

// pair makes R0 the socket's pair in the map; without room it counts a loss and leaves.
func (c *Census) pair(b *builder) {
	found := b.label("pair")
	var t tally
	for at := int16(0); at < 16; at += word {
		b.add(asm.LoadMem(asm.R1, asm.R10, localKeyAt+at, asm.DWord), asm.StoreMem(asm.R10, pairKeyAt+at, asm.R1, asm.DWord))
	}
	b.lookup(c.pairs, pairKeyAt)
	b.add(asm.JNE.Imm(asm.R0, 0, found))
	b.add(asm.Mov.Imm(asm.R1, 0))
	for at := int16(0); at < int16(unsafe.Sizeof(pairValue{})); at += word {
		b.add(asm.StoreMem(asm.R10, freshPairAt+at, asm.R1, asm.DWord))
	}
	b.add(
		asm.LoadMapPtr(asm.R1, c.pairs.FD()),
		asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, int32(pairKeyAt)),
		asm.Mov.Reg(asm.R3, asm.R10), asm.Add.Imm(asm.R3, int32(freshPairAt)),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnMapUpdateElem.Call(),
	)
	b.lookup(c.pairs, pairKeyAt)
	b.add(asm.JNE.Imm(asm.R0, 0, found))
	b.increase(rTally, int16(unsafe.Offsetof(t.Lost)))
	b.add(asm.Ja.Label(exit))
	b.mark(found)
}
