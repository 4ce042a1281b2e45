package capture

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/bpf"
)

var compareAddr = cmp.Options{
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	cmp.AllowUnexported(segment{}),
}

// clientAddr is the client's end of the connection.
func (p *Packet) clientAddr() netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(p.Client).Unmap(), p.ClientPort)
}

// build makes the headers of a segment; options are those of IPv4.
func build(src, dst string, flags uint8, seq uint32, options int) []byte {
	s, d := netip.MustParseAddrPort(src), netip.MustParseAddrPort(dst)
	var b []byte
	if s.Addr().Is4() {
		b = make([]byte, 20, 80)
		b[0], b[9] = 0x40|uint8(5+options/4), protocolTCP
		binary.BigEndian.PutUint16(b[6:], 0x4000) // don't fragment
		copy(b[12:], s.Addr().AsSlice())
		copy(b[16:], d.Addr().AsSlice())
		b = append(b, bytes.Repeat([]byte{1}, options)...) // no operation
	} else {
		b = make([]byte, 40, 80)
		b[0], b[6] = 0x60, protocolTCP
		copy(b[8:], s.Addr().AsSlice())
		copy(b[24:], d.Addr().AsSlice())
	}
	b = binary.BigEndian.AppendUint16(b, s.Port())
	b = binary.BigEndian.AppendUint16(b, d.Port())
	b = binary.BigEndian.AppendUint32(b, seq)
	b = append(b, 0, 0, 0, 0, 0x50, flags)
	return append(b, 0, 0, 0, 0, 0, 0)
}

// with sets a byte.
func with(b []byte, at int, v byte) []byte {
	b[at] = v
	return b
}

const (
	server4, client4 = "192.0.2.1:80", "198.51.100.7:40000"
	server6, client6 = "[2001:db8::1]:80", "[2001:db8::7]:40000"
)

// What the filter lets through is what is decoded, and nothing else of the server's.
func TestFilterAndDecode(t *testing.T) {
	tests := []struct {
		name    string
		headers []byte
		server  string
		want    *Packet // without the client; nil: not let through
	}{
		{"SYN", build(client4, server4, 0x02, 7, 0), server4, &Packet{Flags: SYN, Seq: 7}},
		{"SYN|ACK", build(server4, client4, 0x12, 1<<31, 0), server4, &Packet{FromServer: true, Flags: SYN | ACK, Seq: 1 << 31}},
		{"FIN|PSH|ACK", build(client4, server4, 0x19, 0, 0), server4, &Packet{Flags: FIN | ACK}},
		{"RST", build(server4, client4, 0x04, 0, 0), server4, &Packet{FromServer: true, Flags: RST}},
		{"options", build(client4, server4, 0x02, 9, 40), server4, &Packet{Flags: SYN, Seq: 9}},
		{"ECN", build(client4, server4, 0xc2, 9, 4), server4, &Packet{Flags: SYN, Seq: 9}},
		{"IPv6 SYN", build(client6, server6, 0x02, 7, 0), server6, &Packet{Flags: SYN, Seq: 7}},
		{"IPv6 RST|ACK", build(server6, client6, 0x14, 7, 0), server6, &Packet{FromServer: true, Flags: RST | ACK, Seq: 7}},

		{"ACK", build(client4, server4, 0x10, 0, 0), server4, nil},
		{"IPv6 PSH|ACK", build(client6, server6, 0x18, 0, 0), server6, nil},
		{"another port", build(client4, "192.0.2.1:81", 0x02, 0, 0), server4, nil},
		{"another server", build(client4, "192.0.2.2:80", 0x02, 0, 0), server4, nil},
		{"the client's port is the server's", build("198.51.100.7:80", "192.0.2.1:40000", 0x02, 0, 0), server4, nil},
		{"another IPv6 server", build(client6, "[2001:db8::2]:80", 0x02, 0, 0), server6, nil},
		{"IPv6, another word", build(client6, "[2001:db9::1]:80", 0x02, 0, 0), server6, nil},
		{"a later fragment", with(build(client4, server4, 0x02, 0, 0), 7, 1), server4, nil},
		{"UDP", with(build(client4, server4, 0x02, 0, 0), 9, 17), server4, nil},
		{"IPv6 UDP", with(build(client6, server6, 0x02, 0, 0), 6, 17), server6, nil},
		{"cut before the flags", build(client4, server4, 0x02, 0, 0)[:33], server4, nil},
		{"IPv6 cut before the flags", build(client6, server6, 0x02, 0, 0)[:53], server6, nil},
		{"cut in the options", build(client4, server4, 0x02, 0, 40)[:50], server4, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			server := netip.MustParseAddrPort(tt.server)
			n := runFilter(t, Filter{}, server, tt.headers)
			if tt.want == nil {
				if n != 0 {
					t.Errorf("the filter lets %d bytes through", n)
				}
				return
			}
			s, ok := decode(tt.headers[:min(n, len(tt.headers))])
			if !ok {
				t.Fatalf("the %d bytes that the filter lets through are not decoded", n)
			}
			got, ok := s.packet(server, 5)
			if !ok {
				t.Fatal("not the server's")
			}
			want := *tt.want
			client := netip.MustParseAddrPort(client4)
			if server.Addr().Is6() {
				client = netip.MustParseAddrPort(client6)
			}
			want.At, want.Client, want.ClientPort = 5, client.Addr().As16(), client.Port()
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			if got.clientAddr() != client {
				t.Errorf("client %v, want %v", got.clientAddr(), client)
			}
		})
	}
}

func runFilter(t testing.TB, f Filter, server netip.AddrPort, headers []byte) int {
	t.Helper()
	vm, err := bpf.NewVM(f.compile(server))
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(headers)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Each filter takes what it says.
func TestFilters(t *testing.T) {
	other4, other6 := "198.51.100.7:40001", "[2001:db8::8]:40000"
	all := Filter{All: true}
	one := func(client string) Filter { return Filter{All: true, Client: netip.MustParseAddrPort(client)} }
	ends := func(client string) Filter { return Filter{Client: netip.MustParseAddrPort(client)} }
	for _, tt := range []struct {
		name    string
		filter  Filter
		headers []byte
		server  string
		through bool
	}{
		{"all, an ACK", all, build(client4, server4, 0x10, 0, 0), server4, true},
		{"all, data over IPv6", all, build(server6, client6, 0x18, 0, 0), server6, true},
		{"all, with options", all, build(server4, client4, 0x18, 0, 40), server4, true},
		{"all, another port", all, build(client4, "192.0.2.1:81", 0x10, 0, 0), server4, false},
		{"all, UDP", all, with(build(client4, server4, 0x10, 0, 0), 9, 17), server4, false},
		{"all, cut before the flags", all, build(client4, server4, 0x10, 0, 0)[:33], server4, false},
		{"one connection, from the client", one(client4), build(client4, server4, 0x10, 0, 0), server4, true},
		{"one connection, from the server", one(client4), build(server4, client4, 0x10, 0, 0), server4, true},
		{"one connection, another's", one(client4), build(other4, server4, 0x10, 0, 0), server4, false},
		{"one connection, to another", one(client4), build(server4, other4, 0x10, 0, 0), server4, false},
		{"one connection, the client's address IPv4-mapped", one("[::ffff:198.51.100.7]:40000"), build(server4, client4, 0x10, 0, 0), server4, true},
		{"one connection over IPv6", one(client6), build(client6, server6, 0x10, 0, 0), server6, true},
		{"one connection over IPv6, from the server", one(client6), build(server6, client6, 0x10, 0, 0), server6, true},
		{"one connection over IPv6, another's", one(client6), build(other6, server6, 0x10, 0, 0), server6, false},
		{"the ends of one connection, SYN", ends(client4), build(client4, server4, 0x02, 0, 0), server4, true},
		{"the ends of one connection, ACK", ends(client4), build(client4, server4, 0x10, 0, 0), server4, false},
		{"the ends of one connection, another's SYN", ends(client4), build(other4, server4, 0x02, 0, 0), server4, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if n := runFilter(t, tt.filter, netip.MustParseAddrPort(tt.server), tt.headers); n > 0 != tt.through {
				t.Errorf("the filter lets %d bytes through", n)
			}
		})
	}
}

func TestDecodeCut(t *testing.T) {
	for _, whole := range [][]byte{build(client4, server4, 0x02, 7, 0), build(client4, server4, 0x02, 7, 12), build(client6, server6, 0x02, 7, 0)} {
		flagsEnd := len(whole) - 6
		for n := range whole {
			if _, ok := decode(whole[:n]); ok != (n >= flagsEnd) {
				t.Errorf("%d of %d bytes: decoded %v", n, len(whole), ok)
			}
		}
	}
	s, _ := decode(build(client6, server6, 0xff, 7, 0))
	want := segment{netip.MustParseAddrPort(client6), netip.MustParseAddrPort(server6), allFlags, 7, 0, 0}
	if d := cmp.Diff(want, s, compareAddr); d != "" {
		t.Errorf("-want +got\n%s", d)
	}
	for _, b := range []byte{0x00, 0x44, 0x50, 0xf5} { // of no version, or with a header that is too short
		if _, ok := decode(with(build(client4, server4, 0x02, 7, 0), 0, b)); ok {
			t.Errorf("first byte %#x: decoded", b)
		}
	}
}

// FuzzDecode holds the filter and the decoder against each other, on any bytes.
func FuzzDecode(f *testing.F) {
	for _, b := range [][]byte{
		build(client4, server4, 0x02, 7, 0), build(server4, client4, 0x04, 7, 40), build(client6, server6, 0x11, 7, 0),
		build(client4, server4, 0x10, 7, 0),
		{},
		{0x45},
		{0x60},
	} {
		f.Add(b)
	}
	servers := []netip.AddrPort{netip.MustParseAddrPort(server4), netip.MustParseAddrPort(server6)}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, ok := decode(b)
		for _, server := range servers {
			// The filter runs behind one that lets the server's IP version through only.
			version := byte(4)
			if server.Addr().Is6() {
				version = 6
			}
			if len(b) == 0 || b[0]>>4 != version {
				continue
			}
			through := runFilter(t, Filter{}, server, b)
			_, mine := s.packet(server, 0)
			want := ok && mine && s.flags&(SYN|FIN|RST) != 0
			// No stack sends a header length below 20, nor takes one.
			if short := version == 4 && b[0]&0xf < 5; !short && want != (through > 0) {
				t.Errorf("server %v: decoded %v %+v, the filter lets %d bytes through", server, ok, s, through)
			}
			if through > 0 && ok {
				if again, ok := decode(b[:min(through, len(b))]); !ok || again != s {
					t.Errorf("decoded differently when cut to %d bytes: %+v, %+v", through, s, again)
				}
			}
		}
	})
}

func TestFlagsString(t *testing.T) {
	for f, want := range map[Flags]string{0: "", SYN: "SYN", SYN | ACK: "SYN|ACK", FIN | ACK: "FIN|ACK", RST: "RST", allFlags: "SYN|FIN|RST|ACK"} {
		if got := f.String(); got != want {
			t.Errorf("%#x: %q, want %q", uint8(f), got, want)
		}
	}
}
