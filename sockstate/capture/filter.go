package capture

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/net/bpf"
)

const fragmentOffset = 0x1fff // mask of the field that also holds the flags, RFC 791

// Values of skb->protocol and skb->pkt_type (linux/if_ether.h, linux/if_packet.h).
const (
	protocolIPv4   = 0x0800
	protocolIPv6   = 0x86dd
	packetHost     = 0
	packetOutgoing = 4
)

// onceEach passes each IP packet of a link once to the next instructions: on a loopback link, where each is both sent
// and received, the sent copy; elsewhere packets sent, and packets received for this host.
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

// Filter selects among the segments from and to the server. The zero value selects those that open and end connections: with SYN, FIN
// or RST.
type Filter struct {
	// All selects every segment, with data and pure acknowledgments too.
	All bool
	// Client, if valid, selects only the segments of this client address and port: one connection after another.
	Client netip.AddrPort
	// whole passes whole packets, and not their headers alone.
	whole bool
}

// compile is the filter for a server's segments, from the network header on; it passes their headers.
func (f Filter) compile(server netip.AddrPort) []bpf.Instruction {
	v6 := server.Addr().Is6()
	protocol := uint32(9)
	if v6 {
		protocol = 6
	}
	p := program{length: maxHeaders}
	if f.whole {
		p.length = wholePacket
	}
	p.unless(bpf.LoadAbsolute{Off: protocol, Size: 1}, bpf.JumpEqual, protocolTCP)
	if v6 {
		p.add(bpf.LoadConstant{Dst: bpf.RegX, Val: ipv6Header})
	} else {
		p.unless(bpf.LoadAbsolute{Off: 6, Size: 2}, bpf.JumpBitsNotSet, fragmentOffset)
		p.add(bpf.LoadMemShift{Off: 0}) // X is the header's length
	}
	flags := bpf.LoadIndirect{Off: 13, Size: 1}
	if f.All {
		p.add(flags) // drops a segment that ends before the flags
	} else {
		p.unless(flags, bpf.JumpBitsSet, uint32(FIN|SYN|RST))
	}
	for _, fromServer := range []bool{true, false} {
		tests := end(server, fromServer)
		if f.Client.IsValid() {
			tests = append(tests, end(netip.AddrPortFrom(f.Client.Addr().Unmap(), f.Client.Port()), !fromServer)...)
		}
		p.pass(tests)
	}
	p.add(bpf.RetConstant{Val: 0})
	return p.code
}

// test is a word of the headers and its required value.
type test struct {
	load bpf.Instruction
	want uint32
}

// end tests the address and port of the source or the destination. X is the length of the IP header.
func end(at netip.AddrPort, source bool) []test {
	addr := at.Addr().AsSlice()
	off, port := uint32(12), bpf.LoadIndirect{Off: 0, Size: 2}
	if len(addr) == 16 {
		off = 8
	}
	if !source {
		off += uint32(len(addr))
		port.Off = 2
	}
	var all []test
	for i := range len(addr) / 4 {
		all = append(all, test{bpf.LoadAbsolute{Off: off + uint32(4*i), Size: 4}, binary.BigEndian.Uint32(addr[4*i:])})
	}
	return append(all, test{port, uint32(at.Port())})
}

// wholePacket is longer than any.
const wholePacket = 1 << 18

type program struct {
	code []bpf.Instruction
	// length is how much of a packet is passed.
	length uint32
}

func (p *program) add(i ...bpf.Instruction) { p.code = append(p.code, i...) }

// unless drops the packet if the loaded value does not meet the condition.
func (p *program) unless(load bpf.Instruction, cond bpf.JumpTest, val uint32) {
	p.add(load, bpf.JumpIf{Cond: cond, Val: val, SkipTrue: 1}, bpf.RetConstant{Val: 0})
}

// pass passes the packet if all tests hold; otherwise the program continues.
func (p *program) pass(tests []test) {
	for i, t := range tests {
		behind := 2*(len(tests)-i) - 1
		p.add(t.load, bpf.JumpIf{Cond: bpf.JumpEqual, Val: t.want, SkipFalse: uint8(behind)})
	}
	p.add(bpf.RetConstant{Val: p.length})
}
