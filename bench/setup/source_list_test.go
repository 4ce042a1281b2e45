package setup

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func texts[T fmt.Stringer](list []T) []string {
	var all []string
	for _, v := range list {
		all = append(all, v.String())
	}
	return all
}

func TestSourceList(t *testing.T) {
	for _, tt := range []struct {
		flags []string
		addrs []string
		text  string
	}{
		{[]string{"127.0.0.1"}, []string{"127.0.0.1"}, "127.0.0.1"},
		{[]string{"::1"}, []string{"::1"}, "::1"},
		{[]string{"10.0.0.1-10.0.0.3"}, []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, "10.0.0.1-10.0.0.3"},
		// The network's address and its broadcast are nobody's.
		{[]string{"10.0.0.0/30"}, []string{"10.0.0.1", "10.0.0.2"}, "10.0.0.0/30"},
		{[]string{"10.0.0.3/30"}, []string{"10.0.0.1", "10.0.0.2"}, "10.0.0.3/30"},
		// 127.0.0.255 is no broadcast address, as lo's network is a /8.
		{[]string{"127.0.0.254-127.0.1.0"}, []string{"127.0.0.254", "127.0.0.255", "127.0.1.0"}, "127.0.0.254-127.0.1.0"},
		// RFC 3021: a point-to-point link has neither.
		{[]string{"10.0.0.0/31"}, []string{"10.0.0.0", "10.0.0.1"}, "10.0.0.0/31"},
		{[]string{"10.0.0.7/32"}, []string{"10.0.0.7"}, "10.0.0.7/32"},
		{[]string{"fd00::/127"}, []string{"fd00::", "fd00::1"}, "fd00::/127"},
		{[]string{"10.0.0.1, 10.0.1.1"}, []string{"10.0.0.1", "10.0.1.1"}, "10.0.0.1, 10.0.1.1"},
		{[]string{"10.0.0.1", "10.0.1.1"}, []string{"10.0.0.1", "10.0.1.1"}, "10.0.0.1,10.0.1.1"},
	} {
		var s SourceList
		for _, f := range tt.flags {
			if err := s.Set(f); err != nil {
				t.Errorf("--source %s: %v", f, err)
			}
		}
		if diff := cmp.Diff(tt.addrs, texts(s.Addrs)); diff != "" {
			t.Errorf("%q: addresses (-want +got):\n%s", tt.flags, diff)
		}
		if s.String() != tt.text {
			t.Errorf("%q prints %q, want %q", tt.flags, s.String(), tt.text)
		}
	}
}

func TestSourceListRefused(t *testing.T) {
	for text, want := range map[string]string{
		"":                                `"" is not a source`,
		"x":                               `"x" is not a source`,
		"10.0.0.1,":                       `"" is not a source`,
		"10.0.0.1:80":                     `"10.0.0.1:80" is not a source`,
		"10.0.0.0/33":                     `"10.0.0.0/33" is not a source`,
		"10.0.0.0/-1":                     `"10.0.0.0/-1" is not a source`,
		"10.0.0.9-10.0.0.1":               `"10.0.0.9-10.0.0.1" is not a source`,
		"10.0.0.1-::1":                    `"10.0.0.1-::1" is not a source`,
		"10.0.0.1-2":                      `"10.0.0.1-2" is not a source`,
		"0.0.0.0":                         `"0.0.0.0" is not a source`,
		"::":                              `"::" is not a source`,
		"224.0.0.1":                       `"224.0.0.1" is not a source`,
		"ff02::1":                         `"ff02::1" is not a source`,
		"fe80::1%lo":                      `"fe80::1%lo" is not a source`,
		"0.1.2.3":                         `"0.1.2.3" is not a source: 0.1.2.3 is no host's address (RFC 1122)`,
		"255.255.255.255":                 `"255.255.255.255" is not a source: 255.255.255.255 is the broadcast address`,
		"127.255.255.255":                 `"127.255.255.255" is not a source: 127.255.255.255 is a broadcast address`,
		"127.0.0.1,127.255.255.254/31":    `"127.255.255.254/31" is not a source: 127.255.255.255 is a broadcast address`,
		"127.255.255.250-128.0.0.9":       `"127.255.255.250-128.0.0.9" is not a source: 127.255.255.255 is a broadcast address`,
		"223.255.255.255-224.0.0.9":       `"223.255.255.255-224.0.0.9" is not a source: 224.0.0.0 is a multicast address`,
		"255.255.255.254-255.255.255.255": `"255.255.255.254-255.255.255.255" is not a source: 255.255.255.255 is the broadcast address`,
		"::-::1":                          `"::-::1" is not a source: :: is no host's address`,
		"::/127":                          `"::/127" is not a source: :: is no host's address`,
		"ff02::1-ff02::2":                 `"ff02::1-ff02::2" is not a source: ff02::1 is a multicast address`,
		"::ffff:10.0.0.1":                 `"::ffff:10.0.0.1" is not a source`,
		"::ffff:10.0.0.0/120":             `"::ffff:10.0.0.0/120" is not a source`,
		"10.0.0.0/8":                      `"10.0.0.0/8" holds too many addresses: want at most 262144`,
		"fd00::/64":                       `"fd00::/64" holds too many addresses: want at most 262144`,
		"10.0.0.1,fd00::-fd01::":          `"10.0.0.1,fd00::-fd01::" holds too many addresses: want at most 262144`,
	} {
		s := SourceList{Text: "127.0.0.1", Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}
		if err := s.Set(text); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("--source %q: %v, want %q", text, err, want)
		}
		if s.Text != "127.0.0.1" || len(s.Addrs) != 1 {
			t.Errorf("--source %q was refused, and changed the sources to %q", text, s.Text)
		}
	}
}

// FuzzSourceList checks that whatever is accepted is bounded, and of one host each.
func FuzzSourceList(f *testing.F) {
	for _, s := range []string{"127.0.0.1", "10.0.0.0/24", "10.0.0.1-10.0.0.9,fd00::/120", "::1", "0.0.0.0/0", "255.255.255.255", "::ffff:1.2.3.4/128", "a-b/c,"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var s SourceList
		if s.Set(text) != nil {
			return
		}
		if len(s.Addrs) == 0 || len(s.Addrs) > MaxSources {
			t.Fatalf("--source %q: %d addresses", text, len(s.Addrs))
		}
		for _, a := range []netip.Addr{s.Addrs[0], s.Addrs[len(s.Addrs)-1]} {
			if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a == netip.MustParseAddr("255.255.255.255") || a == netip.MustParseAddr("127.255.255.255") || a.Zone() != "" || a.Is4In6() {
				t.Fatalf("--source %q: %v", text, a)
			}
		}
	})
}
