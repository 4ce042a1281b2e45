package capture

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/net/bpf"
)

const fragmentOffset = 0x1fff // of the field with the flags, RFC 791

// Of skb->protocol and skb->pkt_type (linux/if_ether.h, linux/if_packet.h).
const (
	protocolIPv4   = 0x0800
	protocolIPv6   = 0x86dd
	packetHost     = 0
	packetOutgoing = 4
)

// onceEach lets each IP packet of a link through once: on a loopback link, where each is both sent and received,
// the one that is sent; elsewhere what is sent and what is received for this host. What it lets through goes on
// with the next instructions.
func onceEach(server netip.AddrPort, loopback bool) []bpf.Instruction {
	protocol := uint32(protocolIPv4)
	if server.Addr().Is6() {
		protocol = protocolIPv6
	}
	received := uint32(packetHost)
	if loopback {
		received = packetOutgoing
	}
	return []bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtProto},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: protocol, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: packetOutgoing, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: received, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
	}
}

// segments lets through the headers of segments that open or end a connection with the server, from the network
// header on.
func segments(server netip.AddrPort) []bpf.Instruction {
	addr := server.Addr().AsSlice()
	src, protocol := uint32(12), uint32(9)
	if len(addr) == 16 {
		src, protocol = 8, 6
	}
	dst := src + uint32(len(addr))

	var f filter
	f.unless(bpf.LoadAbsolute{Off: protocol, Size: 1}, bpf.JumpEqual, protocolTCP)
	if len(addr) == 4 {
		f.unless(bpf.LoadAbsolute{Off: 6, Size: 2}, bpf.JumpBitsNotSet, fragmentOffset)
		f.add(bpf.LoadMemShift{Off: 0}) // X is the header's length
	} else {
		f.add(bpf.LoadConstant{Dst: bpf.RegX, Val: ipv6Header})
	}
	f.unless(bpf.LoadIndirect{Off: 13, Size: 1}, bpf.JumpBitsSet, uint32(FIN|SYN|RST))
	f.end(src, addr, bpf.LoadIndirect{Off: 0, Size: 2}, server.Port())
	f.end(dst, addr, bpf.LoadIndirect{Off: 2, Size: 2}, server.Port())
	f.add(bpf.RetConstant{Val: 0})
	return f.code
}

type filter struct{ code []bpf.Instruction }

func (f *filter) add(i ...bpf.Instruction) { f.code = append(f.code, i...) }

// unless drops the packet where what is loaded does not meet the condition.
func (f *filter) unless(load bpf.Instruction, cond bpf.JumpTest, val uint32) {
	f.add(load, bpf.JumpIf{Cond: cond, Val: val, SkipTrue: 1}, bpf.RetConstant{Val: 0})
}

// end lets the packet through if the address at an offset and the port are those; otherwise it goes on behind.
func (f *filter) end(at uint32, addr []byte, port bpf.Instruction, want uint16) {
	words := len(addr) / 4
	left := uint8(2*words + 3) // the instructions of this test
	step := func(load bpf.Instruction, val uint32) {
		left -= 2
		f.add(load, bpf.JumpIf{Cond: bpf.JumpEqual, Val: val, SkipFalse: left})
	}
	for i := range words {
		step(bpf.LoadAbsolute{Off: at + uint32(4*i), Size: 4}, binary.BigEndian.Uint32(addr[4*i:]))
	}
	step(port, uint32(want))
	f.add(bpf.RetConstant{Val: maxHeaders})
}
