package trace

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"lastack/sockstate"
)

// The tables are one value for each CPU: counts of 8 bytes at fixed places.
const (
	word   = 8
	states = 16 // rows of a table by state, a power of two

	transitionsAt = 0
	sentAt        = transitionsAt + sockstate.NumSides*states*states*word
	receivedAt    = sentAt + sockstate.NumSides*numReasons*states*word
	retransmitsAt = receivedAt + sockstate.NumSides*states*word
	twAt          = retransmitsAt + sockstate.NumSides*states*word
	lostAt        = twAt + sockstate.NumSides*endWords*word
	stoodInAt     = lostAt + numLost*word // by tracepoint
	notesAt       = stoodInAt + maxPoints*word
	tablesBytes   = notesAt + maxPoints*noteBytes

	numReasons = 32
)

// maxPoints is how many tracepoints there are at most.
const maxPoints = 8

// The ends of a minisocket, and what is lost.
const (
	endExpired = iota
	endEarly
	endRearmed
	numEnds

	endWords = 2 * numEnds // those in FIN_WAIT_2 after those in TIME_WAIT
)

const (
	lostSockets = iota
	lostTimeWaits
	lostUnknown
	lostResets
	numLost
)

// A dwell value: the buckets, then these.
const (
	dwellSumAt = numBuckets * word
	dwellMaxAt = dwellSumAt + word
	// dwellMinAt holds the complement of the minimum, so that 0 means none.
	dwellMinAt = dwellMaxAt + word
	dwellBytes = dwellMinAt + word

	// closeRow is the row of Result.Close among those by state.
	closeRow = states - 1
)

// A followed socket, by its address in the kernel.
const (
	sockSince = 0  // when it came into its state
	sockClose = 8  // when its FIN was sent, 0 before
	sockState = 16 // 4 bytes: its state
	sockSide  = 20 // 4 bytes
	sockKey   = 24 // the key of the minisocket that may replace it
	sockBytes = 32
)

// A followed minisocket, by the hash and the ports of its connection.
const (
	twSince     = 0
	twClose     = 8
	twCancelled = 16 // when its timer was stopped
	twStarted   = 24 // when its timer was last started
	twFlags     = 32 // 4 bytes
	twState     = 36 // 4 bytes: TIME_WAIT or FIN_WAIT_2
	twNext      = 40 // 4 bytes: the state with which the timer was last started
	twSide      = 44 // 4 bytes
	twBytes     = 48
)

// A connection of which a reset has ended one end: when, and which.
const (
	resetAt    = 0
	resetSide  = 8
	resetBytes = 16
)

// Its key: the last 4 bytes of both addresses and the ports, the client's first.
const (
	pairClient     = 0
	pairServer     = 4
	pairClientPort = 8
	pairServerPort = 10
	pairBytes      = 16
)

const (
	flagFresh     = 1 // its full socket has not been closed yet
	flagCancelled = 2 // the timer was stopped
	flagRestarted = 4 // and started again: the same minisocket, or the next of the same connection
)

// The stack of every program, below R10.
const (
	keyAt     = -8
	indexAt   = -16 // 4 bytes
	nowAt     = -24
	closeAt   = -32
	twKeyAt   = -40
	sinceAt   = -48
	valueAt   = -96 // to -48: a value to insert
	dwellAt   = -104
	scratchAt = -112
	commonAt  = -112 - commonBytes
	localAt   = commonAt - 4 // 4 bytes: the end of an address
	remoteAt  = commonAt - 8
	pairAt    = commonAt - 8 - pairBytes
)

// Registers that hold the same in every program. Calls clobber R0 to R5.
const (
	rSock = asm.R6 // the socket, later its entry in a map
	rOld  = asm.R7
	rNew  = asm.R8
	rSide = asm.R9
)

// exit is the label at the end of every program.
const exit = "exit"

// builder assembles a program.
type builder struct {
	maps   *maps
	layout *layout
	spaces []uint32
	// role is the program's at its tracepoint, and point the number of that.
	role    role
	point   int
	insns   asm.Instructions
	pending string
	labels  int
}

func (b *builder) add(insns ...asm.Instruction) {
	for _, i := range insns {
		if b.pending != "" {
			i = i.WithSymbol(b.pending)
			b.pending = ""
		}
		b.insns = append(b.insns, i)
	}
}

// mark puts a label before the next instruction.
func (b *builder) mark(label string) {
	if b.pending != "" {
		b.add(asm.Mov.Imm(asm.R5, 0)) // an instruction has one label, and nothing is kept in R5
	}
	b.pending = label
}

func (b *builder) label(name string) string {
	b.labels++
	return fmt.Sprintf("%s_%d", name, b.labels)
}

func (b *builder) finish() asm.Instructions {
	b.mark(exit)
	b.add(asm.Mov.Imm(asm.R0, 0), asm.Return())
	return b.insns
}

// argument loads a tracepoint's argument, once R1 is the context.
func argument(into asm.Register, n int) asm.Instruction {
	return asm.LoadMem(into, asm.R1, int16(n*word), asm.DWord)
}

// lookup looks up the key at a place of the stack in a map; R0 is the value or 0.
func (b *builder) lookup(m *ebpf.Map, key int16) {
	b.add(
		asm.LoadMapPtr(asm.R1, m.FD()),
		asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, int32(key)),
		asm.FnMapLookupElem.Call(),
	)
}

func (b *builder) remove(m *ebpf.Map, key int16) {
	b.add(
		asm.LoadMapPtr(asm.R1, m.FD()),
		asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, int32(key)),
		asm.FnMapDeleteElem.Call(),
	)
}

// insert puts the value at valueAt under a key; without room it counts a loss.
func (b *builder) insert(m *ebpf.Map, key int16, loss int) {
	ok := b.label("inserted")
	b.add(
		asm.LoadMapPtr(asm.R1, m.FD()),
		asm.Mov.Reg(asm.R2, asm.R10), asm.Add.Imm(asm.R2, int32(key)),
		asm.Mov.Reg(asm.R3, asm.R10), asm.Add.Imm(asm.R3, valueAt),
		asm.Mov.Imm(asm.R4, 0),
		asm.FnMapUpdateElem.Call(),
		asm.JEq.Imm(asm.R0, 0, ok),
	)
	b.count(lostAt+loss*word, 1)
	b.mark(ok)
}

// tables makes R0 the tables of this CPU, or leaves to a label.
func (b *builder) tables(or string) {
	b.add(asm.StoreImm(asm.R10, indexAt, 0, asm.Word))
	b.lookup(b.maps.tables, indexAt)
	b.add(asm.JEq.Imm(asm.R0, 0, or))
}

// count adds n to the count at a place of the tables.
func (b *builder) count(at, n int) {
	end := b.label("counted")
	b.tables(end)
	b.add(asm.Mov.Imm(asm.R1, int32(n)), asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, int16(at)))
	b.mark(end)
}

// ended adds n to the count of minisockets that ended so in a state.
func (b *builder) ended(end int, state operand, n int) {
	counted, waits := b.label("counted"), b.label("time_wait")
	b.tables(counted)
	b.add(
		asm.Mov.Reg(asm.R2, rSide), asm.And.Imm(asm.R2, 1), asm.Mul.Imm(asm.R2, endWords*word),
		asm.Add.Reg(asm.R0, asm.R2),
		state.load(asm.R2), asm.JNE.Imm(asm.R2, int32(sockstate.FinWait2), waits),
		asm.Add.Imm(asm.R0, numEnds*word),
	)
	b.mark(waits)
	b.add(asm.Mov.Imm(asm.R1, int32(n)), asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, int16(twAt+end*word)))
	b.mark(counted)
}

// transition counts a change of state: registers, or numbers.
func (b *builder) transition(old, new operand) {
	end := b.label("changed")
	b.tables(end)
	b.add(old.load(asm.R2), asm.And.Imm(asm.R2, states-1), asm.LSh.Imm(asm.R2, 7))
	b.add(new.load(asm.R3), asm.And.Imm(asm.R3, states-1), asm.LSh.Imm(asm.R3, 3))
	b.add(
		asm.Add.Reg(asm.R2, asm.R3),
		asm.Mov.Reg(asm.R3, rSide), asm.And.Imm(asm.R3, 1), asm.LSh.Imm(asm.R3, 11),
		asm.Add.Reg(asm.R2, asm.R3),
		asm.Add.Reg(asm.R0, asm.R2),
		asm.Mov.Imm(asm.R1, 1), asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, 0),
	)
	b.mark(end)
}

// operand is a state: in a register, on the stack, or a number.
type operand struct {
	register asm.Register
	slot     int16
	number   sockstate.State
}

func in(r asm.Register) operand      { return operand{register: r} }
func slot(at int16) operand          { return operand{slot: at} }
func just(s sockstate.State) operand { return operand{number: s} }

func (o operand) load(into asm.Register) asm.Instruction {
	switch {
	case o.number != 0:
		return asm.Mov.Imm(into, int32(o.number))
	case o.slot != 0:
		return asm.LoadMem(into, asm.R10, o.slot, asm.DWord)
	}
	return asm.Mov.Reg(into, o.register)
}

// dwell adds the duration at dwellAt to the histogram of a state.
func (b *builder) dwell(state operand) {
	end := b.label("dwelt")
	b.add(
		asm.Mov.Reg(asm.R1, rSide), asm.LSh.Imm(asm.R1, 4),
		state.load(asm.R2),
		asm.Add.Reg(asm.R1, asm.R2),
		asm.StoreMem(asm.R10, indexAt, asm.R1, asm.Word),
	)
	b.lookup(b.maps.dwell, indexAt)
	b.add(asm.JEq.Imm(asm.R0, 0, end), asm.LoadMem(asm.R1, asm.R10, dwellAt, asm.DWord))

	// A clock of another CPU may be behind.
	positive := b.label("positive")
	b.add(asm.JSGE.Imm(asm.R1, 0, positive), asm.Mov.Imm(asm.R1, 0))
	b.mark(positive)
	b.add(asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, dwellSumAt))

	noMax, noMin := b.label("no_max"), b.label("no_min")
	b.add(
		asm.LoadMem(asm.R2, asm.R0, dwellMaxAt, asm.DWord), asm.JGE.Reg(asm.R2, asm.R1, noMax),
		asm.StoreMem(asm.R0, dwellMaxAt, asm.R1, asm.DWord),
	)
	b.mark(noMax)
	b.add(
		asm.Mov.Reg(asm.R3, asm.R1), asm.Xor.Imm(asm.R3, -1),
		asm.LoadMem(asm.R2, asm.R0, dwellMinAt, asm.DWord), asm.JGE.Reg(asm.R2, asm.R3, noMin),
		asm.StoreMem(asm.R0, dwellMinAt, asm.R3, asm.DWord),
	)
	b.mark(noMin)

	// As bucketOf does: R1 the value, R2 its highest bit, R3 the bucket.
	within, small, found := b.label("within"), b.label("small"), b.label("found")
	b.add(
		asm.RSh.Imm(asm.R1, unitBits),
		asm.LoadImm(asm.R3, 1<<longestBits-1, asm.DWord),
		asm.JLE.Reg(asm.R1, asm.R3, within),
		asm.Mov.Reg(asm.R1, asm.R3),
	)
	b.mark(within)
	b.add(asm.Mov.Reg(asm.R3, asm.R1), asm.JLT.Imm(asm.R1, subBuckets, small), asm.Mov.Imm(asm.R2, 0), asm.Mov.Reg(asm.R4, asm.R1))
	for _, half := range []int32{32, 16, 8, 4, 2, 1} {
		less := b.label("less")
		b.add(
			asm.Mov.Reg(asm.R5, asm.R4), asm.RSh.Imm(asm.R5, half), asm.JEq.Imm(asm.R5, 0, less),
			asm.Mov.Reg(asm.R4, asm.R5), asm.Add.Imm(asm.R2, half),
		)
		b.mark(less)
	}
	b.add(
		asm.Sub.Imm(asm.R2, subBits), asm.And.Imm(asm.R2, 63),
		asm.RSh.Reg(asm.R3, asm.R2),
		asm.LSh.Imm(asm.R2, subBits),
		asm.Add.Reg(asm.R3, asm.R2),
		asm.Ja.Label(found),
	)
	b.mark(small)
	b.add(asm.Mov.Reg(asm.R3, asm.R1))
	b.mark(found)
	b.add(
		asm.JGE.Imm(asm.R3, numBuckets, end),
		asm.LSh.Imm(asm.R3, 3), asm.Add.Reg(asm.R0, asm.R3),
		asm.Mov.Imm(asm.R1, 1), asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, 0),
	)
	b.mark(end)
}

// now stores the time at nowAt.
func (b *builder) now() {
	b.add(asm.FnKtimeGetNs.Call(), asm.StoreMem(asm.R10, nowAt, asm.R0, asm.DWord))
}

// inSpaces leaves unless R2, the inode of a network namespace, is one of the load's.
func (b *builder) inSpaces() {
	ours := b.label("ours")
	for _, inode := range b.spaces {
		b.add(asm.JEq.Imm32(asm.R2, int32(inode), ours))
	}
	b.add(asm.Ja.Label(exit))
	b.mark(ours)
}

// probe copies kernel memory from R3 to the stack, or leaves.
func (b *builder) probe(to int16, bytes int32) {
	b.add(
		asm.Mov.Reg(asm.R1, asm.R10), asm.Add.Imm(asm.R1, int32(to)),
		asm.Mov.Imm(asm.R2, bytes),
		asm.FnProbeReadKernel.Call(),
		asm.JNE.Imm(asm.R0, 0, exit),
	)
}

// ifServer goes to a label if the port in R2, in the network's byte order, is a server's. It uses R1, R3 and R4.
func (b *builder) ifServer(label string, networkOrder bool) {
	if networkOrder {
		b.add(asm.HostTo(asm.BE, asm.R2, asm.Half))
	}
	b.add(
		asm.And.Imm(asm.R2, 0xffff),
		asm.Mov.Reg(asm.R3, asm.R2), asm.RSh.Imm(asm.R3, 3),
		asm.LoadMapValue(asm.R1, b.maps.ports.FD(), 0),
		asm.Add.Reg(asm.R1, asm.R3),
		asm.LoadMem(asm.R4, asm.R1, 0, asm.Byte),
		asm.And.Imm(asm.R2, 7),
		asm.RSh.Reg(asm.R4, asm.R2),
		asm.And.Imm(asm.R4, 1),
		asm.JNE.Imm(asm.R4, 0, label),
	)
}

// side makes rSide the end that a socket is: remote and local load its ports into R2. It leaves if the socket is of another load.
func (b *builder) side(remote, local asm.Instruction, localNetworkOrder bool) {
	client, done := b.label("client"), b.label("side")
	b.add(asm.Mov.Imm(rSide, int32(sockstate.Client)), remote)
	b.ifServer(client, true)
	server := b.label("server")
	b.add(local)
	b.ifServer(server, localNetworkOrder)
	b.add(asm.Ja.Label(exit))
	b.mark(server)
	b.add(asm.Mov.Imm(rSide, int32(sockstate.Server)), asm.Ja.Label(done))
	b.mark(client)
	b.add(asm.Mov.Imm(rSide, int32(sockstate.Client)))
	b.mark(done)
}
