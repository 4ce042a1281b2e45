package setup

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A load goes to loopback and private addresses, with consent to others, and never to what is no server's.
func TestClassOf(t *testing.T) {
	for may, addresses := range map[permission][]string{
		allowed: {
			"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1",
			"10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fd00::1", "fc00::1", "fdff:ffff::1", "::ffff:10.0.0.5",
			"198.18.0.1", "198.19.255.255", "2001:2::1", "64:ff9b::10.0.0.5", "2002:0a00:0005::1",
		},
		consent: {
			"8.8.8.8", "2600::1", "172.15.255.255", "172.32.0.0", "198.17.255.255", "198.20.0.0", "2001:2:1::1",
			"::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:0808:0808::1", "64:ff9b:1::1", "2001::1",
			"169.254.169.254", "169.254.0.1", "::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "fd00:ec2::254",
			"100.64.0.1", "100.100.100.200", "100.127.255.255", "100.63.255.255", "100.128.0.0",
			"192.0.2.1", "198.51.100.7", "203.0.113.5", "2001:db8::1", "3fff::1", "fec0::1",
			"192.0.0.192", "192.0.0.1", "::8.8.8.8",
		},
		refusing: {
			"0.0.0.0", "0.1.2.3", "::", "255.255.255.255", "127.255.255.255", "240.0.0.1", "::ffff:255.255.255.255",
			"224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1", "::ffff:224.0.0.1", "2002:e000:0001::1", "64:ff9b::0.0.0.0",
			"fe80::1", "febf::1",
		},
	} {
		for _, a := range addresses {
			if got := classOf(netip.MustParseAddr(a)); got.may != may || got.is == "" {
				t.Errorf("classOf(%s): %d, %q, want %d", a, got.may, got.is, may)
			}
		}
	}
	for _, a := range []string{"169.254.169.254", "100.100.100.200", "192.0.0.192", "fd00:ec2::254"} {
		if is := classOf(netip.MustParseAddr(a)).is; !strings.Contains(is, "metadata") {
			t.Errorf("%s is %q, and clouds have their metadata service there", a, is)
		}
	}
	// Of two blocks the narrower stands first.
	for i, c := range addressClasses {
		for _, before := range addressClasses[:i] {
			if before.prefix.Overlaps(c.prefix) && before.prefix.Bits() <= c.prefix.Bits() {
				t.Errorf("%v stands behind %v, which holds it", c.prefix, before.prefix)
			}
		}
	}
}

// FuzzClassOf holds every address to what the standard library knows of it.
func FuzzClassOf(f *testing.F) {
	f.Add(netip.MustParseAddr("2002:e000:1::").AsSlice())
	f.Fuzz(func(t *testing.T, b []byte) {
		ip, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		switch c, a := classOf(ip), ip.Unmap(); {
		case (a.IsMulticast() || a.IsUnspecified()) && c.may != refusing:
			t.Errorf("%v may be loaded: %q", ip, c.is)
		case a.IsLinkLocalUnicast() && c.may == allowed:
			t.Errorf("%v may be loaded without consent: %q", ip, c.is)
		}
	})
}

func TestCheckTarget(t *testing.T) {
	for _, tt := range []struct {
		name  string
		addrs []string
		want  string
	}{
		{"none", nil, ""},
		{"10.0.0.5:80", []string{"10.0.0.5:80", "127.0.0.1:80"}, ""},
		{"192.0.2.1:80", []string{"192.0.2.1:80"}, `target "192.0.2.1:80": it is an address for documentation (RFC 5737, RFC 3849), which may be routed anywhere: `},
		{"www.example:80", []string{"127.0.0.1:80", "[2600::1]:80"}, `target "www.example:80": 2600::1 is a public address: `},
	} {
		var addrs []netip.AddrPort
		for _, a := range tt.addrs {
			addrs = append(addrs, netip.MustParseAddrPort(a))
		}
		got := ""
		if err := CheckTarget(tt.name, addrs...); err != nil {
			got, _, _ = strings.Cut(err.Error(), "want ")
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, d)
		}
	}
}
