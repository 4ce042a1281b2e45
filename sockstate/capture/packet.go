package capture

import (
	"strings"
)

// Flags are the TCP header flags that open and end connections (RFC 9293, section 3.1).
type Flags uint8

// The flags of a Packet.
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

// Packet is a segment: 40 bytes without a pointer, as there may be millions.
type Packet struct {
	// At is when it was on the link, on the clock of clock.Now; the package doc explains where.
	At int64
	// Client is the client's address; an IPv4 address is IPv4-mapped.
	Client     [16]byte
	ClientPort uint16
	FromServer bool
	Flags      Flags
	// Seq is the sequence number, which identifies a retransmission.
	Seq uint32
	// Acked is the acknowledgment number if ACK is set: the sender's kernel has received everything before it.
	Acked uint32
	// Bytes is the length of the data.
	Bytes uint32
}
