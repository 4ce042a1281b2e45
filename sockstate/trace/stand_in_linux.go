package trace

import "github.com/cilium/ebpf/asm"

// The kernel does not run a program that is running on the same CPU already (prog->active). A system call that changes a state is interrupted by
// packets and timers, which change states too: those changes would be missed. So each tracepoint calls two programs of the same instructions. The
// principal notes each event before anything else; the stand-in counts an event that was not noted.
//
//	system call   principal: notes A, ┐        ┌ ... counts A; stand-in: A was noted
//	interrupt                         └ principal: not run; stand-in: counts B ┘
//
// Only where both are running already an event is missed, and Lost.Missed has it.
type role int

const (
	principal role = iota + 1
	standIn
)

// A note of an event is the low halves of the tracepoint's first arguments. Each CPU has notes for each tracepoint, found by the first.
const (
	notes     = 64
	noteBytes = notes * word
)

// begins is a program's first step, of an event with so many arguments. It leaves to exit if a stand-in has nothing to do.
func (b *builder) begins(params int) {
	b.add(asm.Mov.Reg(rSock, asm.R1)) // the context
	b.tables(exit)
	// A pointer is a number once it is cut in half.
	b.add(asm.LoadMem(asm.R2, rSock, 0, asm.DWord), asm.Mov.Reg32(asm.R2, asm.R2), asm.Mov.Reg(asm.R3, asm.R2))
	for i := 1; i < min(params, 3); i++ {
		b.add(
			asm.LoadMem(asm.R4, rSock, int16(i*word), asm.DWord), asm.Mov.Reg32(asm.R4, asm.R4),
			asm.LSh.Imm(asm.R4, int32(24+8*i)), asm.Xor.Reg(asm.R2, asm.R4),
		)
	}
	b.add(
		asm.Mov.Reg(asm.R4, asm.R3), asm.RSh.Imm(asm.R4, 12), asm.RSh.Imm(asm.R3, 6), asm.Xor.Reg(asm.R3, asm.R4), // structs are not at each byte
		asm.And.Imm(asm.R3, notes-1), asm.LSh.Imm(asm.R3, 3),
		asm.Mov.Reg(asm.R5, asm.R0), asm.Add.Reg(asm.R5, asm.R3),
	)
	note := int16(notesAt + b.point*noteBytes)
	if b.role == principal {
		b.add(asm.StoreMem(asm.R5, note, asm.R2, asm.DWord))
	} else {
		missed := b.label("missed")
		b.add(
			asm.LoadMem(asm.R4, asm.R5, note, asm.DWord), asm.JNE.Reg(asm.R4, asm.R2, missed),
			asm.Mov.Imm(asm.R2, 0), asm.StoreMem(asm.R5, note, asm.R2, asm.DWord), asm.Ja.Label(exit),
		)
		b.mark(missed)
		b.add(asm.Mov.Imm(asm.R2, 1), asm.AddAtomic.Mem(asm.R0, asm.R2, asm.DWord, int16(stoodInAt+b.point*word)))
	}
	b.add(asm.Mov.Reg(asm.R1, rSock))
}
