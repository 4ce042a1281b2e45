package sockio

import (
	"encoding/binary"
	"net/netip"

	"lastack/sockstate"
)

// Address families as Linux numbers them.
const (
	afInet  = 2
	afInet6 = 10
)

// Addr is a struct sockaddr_in or sockaddr_in6, made once for any number of calls.
type Addr struct {
	raw [28]byte
	len uint32
}

// NewAddr converts ap. An IPv4-mapped IPv6 address becomes IPv4; a zone is dropped.
func NewAddr(ap netip.AddrPort) *Addr {
	a := new(Addr)
	a.Set(ap)
	return a
}

// Set makes a the address ap.
func (a *Addr) Set(ap netip.AddrPort) {
	*a = Addr{}
	ip := ap.Addr().Unmap()
	binary.BigEndian.PutUint16(a.raw[2:], ap.Port())
	if ip.Is4() {
		binary.NativeEndian.PutUint16(a.raw[:], afInet)
		b := ip.As4()
		copy(a.raw[4:], b[:])
		a.len = 16
		return
	}
	binary.NativeEndian.PutUint16(a.raw[:], afInet6)
	b := ip.As16()
	copy(a.raw[8:], b[:])
	a.len = 28
}

// AddrPort converts back.
func (a *Addr) AddrPort() netip.AddrPort {
	port := binary.BigEndian.Uint16(a.raw[2:])
	if a.len == 16 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(a.raw[4:8])), port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte(a.raw[8:24])), port)
}

// Opt is a socket option with its value, made once for any number of calls.
type Opt struct {
	level, name int32
	len         uint32
	val         [8]byte
}

// newOpt makes an option with an int value.
func newOpt(level, name, value int) Opt {
	o := Opt{level: int32(level), name: int32(name), len: 4}
	binary.NativeEndian.PutUint32(o.val[:], uint32(int32(value)))
	return o
}

// newLinger makes SO_LINGER {1, seconds}: with 0, close() aborts the connection by RST.
func newLinger(seconds int) Opt {
	const solSocket, soLinger = 1, 13
	o := Opt{level: solSocket, name: soLinger, len: 8}
	binary.NativeEndian.PutUint32(o.val[:], 1)
	binary.NativeEndian.PutUint32(o.val[4:], uint32(int32(seconds)))
	return o
}

// NewBindNoPort makes IP_BIND_ADDRESS_NO_PORT. With it bind(addr, 0) lets connect choose the
// port, which then has to be unique only for the destination (__inet_hash_connect). Without it
// the port is taken for all destinations.
func NewBindNoPort() Opt {
	const solIP, ipBindAddressNoPort = 0, 24
	return newOpt(solIP, ipBindAddressNoPort, 1)
}

// NewReuseAddr makes SO_REUSEADDR: bind takes a port that only TIME_WAITs have, if their sockets had the option too
// (inet_csk_bind_conflict).
func NewReuseAddr() Opt {
	const solSocket, soReuseAddr = 1, 2
	return newOpt(solSocket, soReuseAddr, 1)
}

// NewPortRange makes IP_LOCAL_PORT_RANGE (Linux 6.3; ENOPROTOOPT before), the ports that
// connect chooses from. The kernel ignores a bound outside net.ipv4.ip_local_port_range
// (inet_sk_get_local_port_range).
func NewPortRange(r sockstate.PortRange) Opt {
	const solIP, ipLocalPortRange = 0, 51
	return newOpt(solIP, ipLocalPortRange, int(uint32(r.Hi)<<16|uint32(r.Lo)))
}

func (a *Addr) family() int { return int(binary.NativeEndian.Uint16(a.raw[:])) }
