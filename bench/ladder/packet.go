package ladder

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"

	"lastack/sockstate"
)

// Flags are those of a TCP header (RFC 9293, section 3.1).
type Flags uint8

// The flags that matter to a connection's life.
const (
	FIN Flags = 1 << iota
	SYN
	RST
	PSH
	ACK
)

// Has reports whether all flags of f are set.
func (a Flags) Has(f Flags) bool { return a&f == f }

// Names are the flags' names in the order in which tools print them, PSH left out: it says nothing of the connection.
func (a Flags) Names() (names []string) {
	for _, f := range []struct {
		flag Flags
		name string
	}{{SYN, "SYN"}, {FIN, "FIN"}, {RST, "RST"}, {ACK, "ACK"}} {
		if a.Has(f.flag) {
			names = append(names, f.name)
		}
	}
	return names
}

// Packet is a decoded TCP segment.
type Packet struct {
	Source, Destination netip.AddrPort
	Flags               Flags
	Seq, Ack            uint32
	Window              int
	// Bytes is the length of the data.
	Bytes int
	// Options are those of a SYN, as words.
	Options []string
	// Raw is the IP packet.
	Raw []byte
}

// next is the sequence number after the segment: SYN and FIN count as a byte each.
func (p *Packet) next() uint32 {
	n := p.Seq + uint32(p.Bytes)
	if p.Flags.Has(SYN) {
		n++
	}
	if p.Flags.Has(FIN) {
		n++
	}
	return n
}

// pure reports whether the segment only acknowledges.
func (p *Packet) pure() bool { return p.Flags&(SYN|FIN|RST|ACK) == ACK && p.Bytes == 0 }

// Header sizes, and the protocol number of TCP.
const (
	ipv4Header, ipv6Header, tcpHeader = 20, 40, 20

	protocolTCP = 6
)

// Decode decodes an IP packet. ok is false if it is no whole TCP segment.
func Decode(raw []byte) (p Packet, ok bool) {
	if len(raw) == 0 {
		return p, false
	}
	var source, destination netip.Addr
	var header, length int
	switch raw[0] >> 4 {
	case 4:
		header = int(raw[0]&0xf) * 4
		if header < ipv4Header || len(raw) < header || raw[9] != protocolTCP || binary.BigEndian.Uint16(raw[6:])&0x3fff != 0 {
			return p, false
		}
		length = int(binary.BigEndian.Uint16(raw[2:]))
		source, destination = netip.AddrFrom4([4]byte(raw[12:16])), netip.AddrFrom4([4]byte(raw[16:20]))
	case 6:
		header = ipv6Header
		if len(raw) < header || raw[6] != protocolTCP {
			return p, false
		}
		length = header + int(binary.BigEndian.Uint16(raw[4:]))
		source, destination = netip.AddrFrom16([16]byte(raw[8:24])), netip.AddrFrom16([16]byte(raw[24:40]))
	default:
		return p, false
	}
	if length < header+tcpHeader || len(raw) < header+tcpHeader {
		return p, false
	}
	tcp := raw[header:min(len(raw), length)]
	offset := int(tcp[12]>>4) * 4
	if offset < tcpHeader || offset > length-header || offset > len(tcp) {
		return p, false
	}
	p = Packet{
		Source:      netip.AddrPortFrom(source, binary.BigEndian.Uint16(tcp)),
		Destination: netip.AddrPortFrom(destination, binary.BigEndian.Uint16(tcp[2:])),
		Seq:         binary.BigEndian.Uint32(tcp[4:]),
		Ack:         binary.BigEndian.Uint32(tcp[8:]),
		Flags:       Flags(tcp[13]) & (FIN | SYN | RST | PSH | ACK),
		Window:      int(binary.BigEndian.Uint16(tcp[14:])),
		Bytes:       length - header - offset,
		Raw:         raw[:min(len(raw), length)],
	}
	if p.Flags.Has(SYN) {
		p.Options = options(tcp[tcpHeader:offset])
	}
	return p, true
}

// options describes the options of a SYN. It stops at a malformed one.
func options(b []byte) (words []string) {
	const end, nop, mss, scale, sackPermitted, timestamps = 0, 1, 2, 3, 4, 8
	for len(b) > 0 && b[0] != end {
		if b[0] == nop {
			b = b[1:]
			continue
		}
		if len(b) < 2 || b[1] < 2 || int(b[1]) > len(b) {
			return words
		}
		value := b[2:b[1]]
		switch {
		case b[0] == mss && len(value) == 2:
			words = append(words, "mss "+strconv.Itoa(int(binary.BigEndian.Uint16(value))))
		case b[0] == scale && len(value) == 1:
			words = append(words, "wscale "+strconv.Itoa(int(value[0])))
		case b[0] == sackPermitted:
			words = append(words, "sack")
		case b[0] == timestamps:
			words = append(words, "timestamps")
		default:
			words = append(words, fmt.Sprintf("option %d", b[0]))
		}
		b = b[b[1]:]
	}
	return words
}

// from is the side that sent p, if client is the client's address.
func (p *Packet) from(client netip.AddrPort) sockstate.Side {
	if p.Source == client {
		return sockstate.Client
	}
	return sockstate.Server
}
