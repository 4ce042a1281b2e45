package sockdiag

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"lastack/sockstate"
)

// Codes of struct inet_diag_bc_op (include/uapi/linux/inet_diag.h).
const (
	bcJmp = 1 // INET_DIAG_BC_JMP
	bcSGe = 2 // INET_DIAG_BC_S_GE: source port >= n
	bcSLe = 3 // INET_DIAG_BC_S_LE
	bcDGe = 4 // INET_DIAG_BC_D_GE: destination port >= n
	bcDLe = 5 // INET_DIAG_BC_D_LE
)

// maxRanges bounds the program, which runs for every socket of the namespace.
const maxRanges = 32

// portRanges are the servers' ports, adjacent ones joined. Instead of too many ranges it
// returns a single one that contains them all: the kernel's filter may pass more than
// requested, as Filter.Side decides in the end, but never less.
func portRanges(servers []netip.AddrPort) []sockstate.PortRange {
	ports := make([]uint16, 0, len(servers))
	for _, s := range servers {
		ports = append(ports, s.Port())
	}
	slices.Sort(ports)
	var rs []sockstate.PortRange
	for _, p := range ports {
		if n := len(rs); n > 0 && uint32(p) <= uint32(rs[n-1].Hi)+1 {
			rs[n-1].Hi = p
			continue
		}
		rs = append(rs, sockstate.PortRange{Lo: p, Hi: p})
	}
	if len(rs) > maxRanges {
		rs = []sockstate.PortRange{{Lo: rs[0].Lo, Hi: rs[len(rs)-1].Hi}}
	}
	return rs
}

// portBytecode is the program (INET_DIAG_REQ_BYTECODE) that accepts a socket whose source or
// destination port is in one of the ranges. An instruction is
//
//	struct inet_diag_bc_op { unsigned char code; unsigned char yes; unsigned short no; };
//
// where yes and no are jump distances in bytes. A comparison is followed by a second
// instruction with the port in no. A jump exactly to the end accepts, 4 beyond it rejects.
// Only no can jump far, so each range and direction becomes
//
//	GE lo   yes: next   no: next block, or reject
//	LE hi   yes: next   no: next block, or reject
//	JMP     no: accept
//
// and the yes chain passes through every instruction, as inet_diag_bc_audit requires.
func portBytecode(rs []sockstate.PortRange) []byte {
	const (
		op    = 4
		block = 5 * op
	)
	size := 2 * len(rs) * block
	b := make([]byte, 0, size)
	emit := func(code, yes byte, no int) {
		b = append(b, code, yes)
		b = binary.NativeEndian.AppendUint16(b, uint16(no))
	}
	for _, r := range rs {
		for _, code := range [][2]byte{{bcSGe, bcSLe}, {bcDGe, bcDLe}} {
			left := size - len(b)
			next := block
			if left == block {
				next = left + op
			}
			emit(code[0], 2*op, next)
			emit(0, 0, int(r.Lo))
			emit(code[1], 2*op, next-2*op)
			emit(0, 0, int(r.Hi))
			emit(bcJmp, op, left-4*op)
		}
	}
	return b
}
