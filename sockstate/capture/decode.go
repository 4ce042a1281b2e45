package capture

import (
	"encoding/binary"
	"net/netip"
)

// segment is the decoded headers.
type segment struct {
	src, dst netip.AddrPort
	flags    Flags
	seq, ack uint32
	data     uint32 // bytes
}

// maxHeaders is the most that decode reads: IPv4 with the longest options, and TCP up to the flags.
const maxHeaders = 60 + tcpUpToFlags

const (
	protocolTCP  = 6
	ipv6Header   = 40
	tcpUpToFlags = 14
)

// decode decodes the headers of a TCP segment from the network header on. ok is false for a truncated packet, a later
// fragment or another protocol. gopacket would decode all layers into allocated structs; these are fields at fixed
// offsets (RFC 791, RFC 8200, RFC 9293).
func decode(b []byte) (s segment, ok bool) {
	if len(b) == 0 {
		return s, false
	}
	var src, dst netip.Addr
	var tcp []byte
	length := 0 // of the TCP header and data
	switch b[0] >> 4 {
	case 4:
		header := int(b[0]&0xf) * 4
		if header < 20 || len(b) < header || b[9] != protocolTCP || binary.BigEndian.Uint16(b[6:])&fragmentOffset != 0 {
			return s, false
		}
		src, dst = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
		tcp, length = b[header:], int(binary.BigEndian.Uint16(b[2:]))-header
	case 6:
		if len(b) < ipv6Header || b[6] != protocolTCP {
			return s, false
		}
		src, dst = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
		tcp, length = b[ipv6Header:], int(binary.BigEndian.Uint16(b[4:]))
	default:
		return s, false
	}
	if len(tcp) < tcpUpToFlags {
		return s, false
	}
	return segment{
		src:   netip.AddrPortFrom(src, binary.BigEndian.Uint16(tcp)),
		dst:   netip.AddrPortFrom(dst, binary.BigEndian.Uint16(tcp[2:])),
		seq:   binary.BigEndian.Uint32(tcp[4:]),
		ack:   binary.BigEndian.Uint32(tcp[8:]),
		flags: Flags(tcp[13]) & allFlags,
		data:  uint32(max(length-int(tcp[12]>>4)*4, 0)),
	}, true
}

// packet converts the segment; ok is false if it is not the server's.
func (s *segment) packet(server netip.AddrPort, at int64) (p Packet, ok bool) {
	client := s.src
	if s.dst != server {
		if client = s.dst; s.src != server {
			return p, false
		}
	}
	return Packet{
		At: at, Client: client.Addr().As16(), ClientPort: client.Port(),
		FromServer: s.dst != server, Flags: s.flags, Seq: s.seq, Acked: s.ack, Bytes: s.data,
	}, true
}
