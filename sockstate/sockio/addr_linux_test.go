package sockio

import (
	"net/netip"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lastack/sockstate"
)

// bytesOf is how the kernel sees a value.
func bytesOf[T any](v *T) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), unsafe.Sizeof(*v))
}

// htons is a port as the kernel keeps it.
func htons(p uint16) (v uint16) {
	*(*[2]byte)(unsafe.Pointer(&v)) = [2]byte{byte(p >> 8), byte(p)}
	return v
}

func TestAddr(t *testing.T) {
	v4 := func(port uint16, a ...byte) []byte {
		return bytesOf(&unix.RawSockaddrInet4{Family: unix.AF_INET, Port: htons(port), Addr: [4]byte(a)})
	}
	v6 := func(s string, port uint16) []byte {
		return bytesOf(&unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: htons(port), Addr: netip.MustParseAddr(s).As16()})
	}
	tests := []struct {
		addr string
		raw  []byte
		back string // where it differs
	}{
		{"127.0.0.1:80", v4(80, 127, 0, 0, 1), ""},
		{"0.0.0.0:0", v4(0, 0, 0, 0, 0), ""},
		{"255.255.255.255:65535", v4(65535, 255, 255, 255, 255), ""},
		{"[::ffff:10.1.2.3]:4660", v4(0x1234, 10, 1, 2, 3), "10.1.2.3:4660"},
		{"[::1]:443", v6("::1", 443), ""},
		{"[::]:0", v6("::", 0), ""},
		{"[2001:db8:1:2:3:4:5:6]:65535", v6("2001:db8:1:2:3:4:5:6", 65535), ""},
		{"[fe80::1%eth0]:1", v6("fe80::1", 1), "[fe80::1]:1"},
	}
	reused := new(Addr)
	for _, test := range tests {
		ap := netip.MustParseAddrPort(test.addr)
		a := NewAddr(ap)
		if diff := cmp.Diff(test.raw, a.raw[:a.len]); diff != "" {
			t.Errorf("%v: -want +got:\n%s", ap, diff)
		}
		if want := len(test.raw) == unix.SizeofSockaddrInet6; a.family() == unix.AF_INET6 != want {
			t.Errorf("%v: family %d", ap, a.family())
		}
		want := test.back
		if want == "" {
			want = test.addr
		}
		if got := a.AddrPort().String(); got != want {
			t.Errorf("%v came back as %s", ap, got)
		}
		if reused.Set(ap); *reused != *a {
			t.Errorf("%v: Set keeps something of the address before", ap)
		}
	}
}

func TestOpt(t *testing.T) {
	number := func(n int32) []byte { return bytesOf(&n) }
	tests := map[string]struct {
		opt         Opt
		level, name int32
		value       []byte
	}{
		"int":          {newOpt(unix.IPPROTO_TCP, unix.TCP_NODELAY, 1), unix.IPPROTO_TCP, unix.TCP_NODELAY, number(1)},
		"negative":     {newOpt(unix.IPPROTO_TCP, unix.TCP_LINGER2, -1), unix.IPPROTO_TCP, unix.TCP_LINGER2, number(-1)},
		"abort":        {newLinger(0), unix.SOL_SOCKET, unix.SO_LINGER, bytesOf(&unix.Linger{Onoff: 1})},
		"linger":       {newLinger(300), unix.SOL_SOCKET, unix.SO_LINGER, bytesOf(&unix.Linger{Onoff: 1, Linger: 300})},
		"bind no port": {NewBindNoPort(), unix.SOL_IP, unix.IP_BIND_ADDRESS_NO_PORT, number(1)},
		"port range":   {NewPortRange(sockstate.PortRange{Lo: 1024, Hi: 65535}), unix.SOL_IP, unix.IP_LOCAL_PORT_RANGE, number(-1<<16 | 1024)},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := test.opt
			if o.level != test.level || o.name != test.name {
				t.Errorf("option %d of level %d; want %d of %d", o.name, o.level, test.name, test.level)
			}
			if diff := cmp.Diff(test.value, o.val[:o.len]); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestOpNames(t *testing.T) {
	seen := make(map[string]bool)
	for op := OpSocket; op <= OpWake; op++ {
		if s := op.String(); s == "" || seen[s] {
			t.Errorf("operation %d is called %q", op, s)
		}
		seen[op.String()] = true
	}
	if len(opNames) != len(seen) {
		t.Errorf("%d names for %d operations", len(opNames), len(seen))
	}
}
