package capture

import (
	"net/netip"
	"strings"
)

// Flags are those flags of a TCP header that open and end connections, at its bits (RFC 9293, section 3.1).
type Flags uint8

// The flags of a Packet; others are left out.
const (
	FIN Flags = 0x01
	SYN Flags = 0x02
	RST Flags = 0x04
	ACK Flags = 0x10

	allFlags = FIN | SYN | RST | ACK
)

// Has reports whether all flags of f are set.
func (a Flags) Has(f Flags) bool { return a&f == f }

// String is like "SYN|ACK".
func (a Flags) String() string {
	var set []string
	for _, f := range []struct {
		flag Flags
		name string
	}{{SYN, "SYN"}, {FIN, "FIN"}, {RST, "RST"}, {ACK, "ACK"}} {
		if a.Has(f.flag) {
			set = append(set, f.name)
		}
	}
	return strings.Join(set, "|")
}

// Packet is a segment. It holds no pointer, as there may be a million; it has 40 bytes.
type Packet struct {
	// At is when it was on the link, by the clock of clock.Now; see the package on what that means.
	At int64
	// Client is the client's address, an IPv4 address as an IPv4-mapped one.
	Client     [16]byte
	ClientPort uint16
	FromServer bool
	Flags      Flags
	// Seq is the sequence number, by which a retransmission is known.
	Seq uint32
	// Acked is the acknowledgement number, where the flag ACK is set: the sender's kernel has received what is before it.
	Acked uint32
	// Bytes is the length of the data.
	Bytes uint32
}

// ClientAddr is the client's end of the connection.
func (p *Packet) ClientAddr() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(p.Client).Unmap(), p.ClientPort)
}
