package ladder

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// segment makes an IP packet.
func segment(v6 bool, flags Flags, seq, ack uint32, data int, options ...byte) []byte {
	tcp := make([]byte, tcpHeader, tcpHeader+len(options)+data)
	binary.BigEndian.PutUint16(tcp, 40000)
	binary.BigEndian.PutUint16(tcp[2:], 80)
	binary.BigEndian.PutUint32(tcp[4:], seq)
	binary.BigEndian.PutUint32(tcp[8:], ack)
	for len(options)%4 != 0 {
		options = append(options, 0)
	}
	tcp[12], tcp[13] = byte((tcpHeader+len(options))/4)<<4, byte(flags)
	binary.BigEndian.PutUint16(tcp[14:], 512)
	tcp = append(append(tcp, options...), make([]byte, data)...)
	if v6 {
		ip := make([]byte, ipv6Header)
		ip[0], ip[6] = 6<<4, protocolTCP
		binary.BigEndian.PutUint16(ip[4:], uint16(len(tcp)))
		ip[23], ip[39] = 1, 2
		return append(ip, tcp...)
	}
	ip := make([]byte, ipv4Header)
	ip[0], ip[9] = 4<<4|5, protocolTCP
	binary.BigEndian.PutUint16(ip[2:], uint16(len(ip)+len(tcp)))
	copy(ip[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	return append(ip, tcp...)
}

func TestDecode(t *testing.T) {
	syn := []byte{2, 4, 0x05, 0xb4, 1, 3, 3, 7, 4, 2, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0, 34, 2}
	for _, v6 := range []bool{false, true} {
		source, destination := netip.MustParseAddrPort("10.0.0.1:40000"), netip.MustParseAddrPort("10.0.0.2:80")
		if v6 {
			source, destination = netip.MustParseAddrPort("[::1]:40000"), netip.MustParseAddrPort("[::2]:80")
		}
		for _, tt := range []struct {
			raw  []byte
			want Packet
		}{
			{segment(v6, SYN, 7, 0, 0, syn...), Packet{Flags: SYN, Seq: 7, Options: []string{"mss 1460", "wscale 7", "sack", "timestamps", "option 34"}}},
			{segment(v6, ACK|PSH, 8, 9, 5), Packet{Flags: ACK | PSH, Seq: 8, Ack: 9, Bytes: 5}},
			{segment(v6, FIN|ACK, 1, 2, 0), Packet{Flags: FIN | ACK, Seq: 1, Ack: 2}},
		} {
			tt.want.Source, tt.want.Destination, tt.want.Window, tt.want.Raw = source, destination, 512, tt.raw
			// Ethernet pads a short frame.
			got, ok := Decode(append(tt.raw[:len(tt.raw):len(tt.raw)], 0, 0, 0))
			if !ok {
				t.Fatalf("%x is not decoded", tt.raw)
			}
			if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
	}
	whole := segment(false, ACK, 1, 1, 0)
	for n := range len(whole) {
		if p, ok := Decode(whole[:n]); ok {
			t.Errorf("%d bytes of %d: %+v", n, len(whole), p)
		}
	}
	for at, b := range map[int]byte{9: 17, 6: 0x20, 0: 0x55, 32: 0x40} {
		bad := append([]byte(nil), whole...)
		bad[at] = b
		if p, ok := Decode(bad); ok {
			t.Errorf("with byte %d = %#x: %+v", at, b, p)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(segment(false, SYN, 7, 0, 0, 2, 4, 5, 0xb4))
	f.Add(segment(true, FIN|ACK, 7, 9, 3))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok := Decode(b)
		if ok && (p.Bytes < 0 || len(p.Raw) > len(b) || p.Source.Addr().BitLen() != p.Destination.Addr().BitLen()) {
			t.Errorf("%+v", p)
		}
	})
}

func TestSentAgain(t *testing.T) {
	client, server := netip.MustParseAddrPort("192.0.2.1:40000"), netip.MustParseAddrPort("192.0.2.2:80")
	fin := Packet{Source: client, Destination: server, Flags: FIN | ACK, Seq: 7}
	pure := Packet{Source: client, Destination: server, Flags: ACK, Seq: 8}
	other := Packet{Source: server, Destination: client, Flags: FIN | ACK, Seq: 7}
	data := Packet{Source: client, Destination: server, Flags: ACK, Seq: 6, Bytes: 1}
	for _, tt := range []struct {
		name    string
		packets []Packet
		want    bool
	}{
		{"nothing", nil, false},
		{"each once", []Packet{data, fin, other, pure, pure}, false},
		{"a FIN twice", []Packet{data, fin, other, fin}, true},
		{"data twice", []Packet{data, data}, true},
		{"data again later", []Packet{data, fin, other, data}, false},
	} {
		w := Watch{Client: client, Server: server, Packets: tt.packets}
		for i := range tt.packets {
			w.Events = append(w.Events, Event{At: int64(i), Packet: i}, Event{At: int64(i), Kind: Arrived, Packet: i})
		}
		if got := w.SentAgain(3); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
