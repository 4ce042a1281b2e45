package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"lastack/sockstate/exchange"
)

func TestParseTarget(t *testing.T) {
	for s, want := range map[string]string{
		"127.0.0.1:80":          "127.0.0.1:80",
		"10.0.0.5:65535":        "10.0.0.5:65535",
		"[::1]:9000":            "[::1]:9000",
		"[fd00::5]:80":          "[fd00::5]:80",
		"[::ffff:10.0.0.5]:443": "10.0.0.5:443", // IPv4, written at length
		"8.8.8.8:53":            "8.8.8.8:53",   // refused later
	} {
		got, err := parseTarget(t.Context(), s)
		if err != nil || got.addr != netip.MustParseAddrPort(want) || got.name != s || len(got.more) > 0 || got.exchange.Kind != exchange.None {
			t.Errorf("parseTarget(%q) = %v, %v, want %s", s, got, err, want)
		}
	}
	for s, want := range map[string]string{
		"":                 `target "": want HOST:PORT`,
		"localhost":        `target "localhost": want HOST:PORT`,
		":80":              `target ":80": want HOST:PORT`,
		"::1:80":           `target "::1:80": want HOST:PORT`,
		"[::1]":            `target "[::1]": want HOST:PORT`,
		"127.0.0.1:":       `target "127.0.0.1:": want a port from 1 to 65535`,
		"127.0.0.1:0":      `target "127.0.0.1:0": want a port from 1 to 65535`,
		"127.0.0.1:-1":     `target "127.0.0.1:-1": want a port from 1 to 65535`,
		"127.0.0.1:+80":    `target "127.0.0.1:+80": want a port from 1 to 65535`,
		"127.0.0.1:65536":  `target "127.0.0.1:65536": want a port from 1 to 65535`,
		"0.0.0.0:80":       `target "0.0.0.0:80": 0.0.0.0 is no host's address`,
		"[::]:80":          `target "[::]:80": :: is no host's address`,
		"239.1.1.1:80":     `target "239.1.1.1:80": 239.1.1.1 is a multicast address`,
		"[ff02::1]:80":     `target "[ff02::1]:80": ff02::1 is a multicast address`,
		"[fe80::1%lo]:80":  `target "[fe80::1%lo]:80": fe80::1%lo is a link-local address`,
		"[fe80::1]:80":     `target "[fe80::1]:80": fe80::1 is a link-local address`,
		"nobody.invalid:1": `target "nobody.invalid:1": the name "nobody.invalid" has no address here`,
	} {
		got, err := parseTarget(t.Context(), s)
		if err == nil || !strings.HasPrefix(err.Error(), want) || codeOf(err, true) != exitUsage {
			t.Errorf("parseTarget(%q) = %v, %v, want a usage error %q", s, got, err, want)
		}
	}
}

// TestParseTargetName resolves a name that every host knows.
func TestParseTargetName(t *testing.T) {
	got, err := parseTarget(t.Context(), "localhost:80")
	if err != nil || !got.addr.Addr().IsLoopback() || got.addr.Port() != 80 || got.name != "localhost:80" {
		t.Errorf("parseTarget(localhost:80) = %v, %v, want a loopback address", got, err)
	}
}

func TestParseURL(t *testing.T) {
	for s, want := range map[string]struct{ addr, name, exchange string }{
		"http://127.0.0.1:8080/":         {"127.0.0.1:8080", "127.0.0.1:8080", "http:/"},
		"http://127.0.0.1:8080":          {"127.0.0.1:8080", "127.0.0.1:8080", "http:/"},
		"HTTP://127.0.0.1/a/b?c=d&e":     {"127.0.0.1:80", "127.0.0.1:80", "http:/a/b?c=d&e"},
		"http://[::1]:90/x":              {"[::1]:90", "[::1]:90", "http:/x"},
		"http://web.example/x":           {"127.0.0.7:80", "web.example:80", "http:/x"},
		"http://web.example:8080/%20?q=": {"127.0.0.7:8080", "web.example:8080", "http:/%20?q="},
	} {
		got, err := parseTargetBy(t.Context(), s, func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{netip.MustParseAddr("127.0.0.7")}, nil
		})
		if err != nil || got.addr.String() != want.addr || got.name != want.name || got.exchange.String() != want.exchange {
			t.Errorf("%s: %+v, %v, want %+v", s, got, err, want)
		}
	}
	for s, want := range map[string]string{
		"https://127.0.0.1/":            `lastack does not speak TLS: want http://`,
		"HTTPS://127.0.0.1/":            `lastack does not speak TLS`,
		"ftp://127.0.0.1/":              `want HOST:PORT, or http://HOST:PORT/path`,
		"http://":                       `not a valid URL`,
		"http:///path":                  `not a valid URL`,
		"http://127.0.0.1:x/":           `not a valid URL`,
		"http://127.0.0.1:0/":           `want a port from 1 to 65535`,
		"http://user:pw@127.0.0.1/":     `the user and password of a URL are not sent`,
		"http://127.0.0.1/#top":         `a #fragment is not sent to a server`,
		"http://127.0.0.1//web.example": `a server's address is not a path`,
		"http://224.0.0.1/":             `224.0.0.1 is a multicast address`,
	} {
		got, err := parseTarget(t.Context(), s)
		if err == nil || !strings.Contains(err.Error(), want) || codeOf(err, true) != exitUsage {
			t.Errorf("%s: %+v, %v, want a usage error %q", s, got, err, want)
		}
	}
}

// Of a name's addresses the first that answers is taken, the families in turn, and all are held to the classes.
func TestProbe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.3:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	named := func(addrs ...string) (target, error) {
		return parseTargetBy(t.Context(), fmt.Sprintf("web.example:%d", port), func(context.Context, string) ([]netip.Addr, error) {
			var ips []netip.Addr
			for _, a := range addrs {
				ips = append(ips, netip.MustParseAddr(a))
			}
			return ips, nil
		})
	}
	for _, tt := range []struct {
		addrs []string
		taken string
		said  []string
	}{
		{[]string{"127.0.0.3"}, "127.0.0.3", nil},
		{[]string{"127.0.0.2", "127.0.0.3"}, "127.0.0.3", []string{"has 2 addresses", "the load goes to 127.0.0.3", "no connection to 127.0.0.2"}},
		{[]string{"::1", "127.0.0.3", "127.0.0.2"}, "127.0.0.3", []string{"has 3 addresses", "the load goes to 127.0.0.3", "no connection to [::1]:", "127.0.0.2"}},
		{[]string{"127.0.0.4", "127.0.0.2"}, "127.0.0.4", []string{"none accepted it, so the load goes to the first, 127.0.0.4"}},
	} {
		got, err := named(tt.addrs...)
		if err != nil {
			t.Fatal(err)
		}
		said := got.probe(t.Context())
		if got.addr.Addr().String() != tt.taken || len(got.more) > 0 || (said == "") != (tt.said == nil) {
			t.Errorf("%v: %v, %q", tt.addrs, got.addr, said)
		}
		for _, want := range tt.said {
			if !strings.Contains(said, want) {
				t.Errorf("%v: %q has no %q", tt.addrs, said, want)
			}
		}
	}
	if got, err := named("::1", "127.0.0.2"); err != nil || !slices.Equal(got.unprobed(), []netip.AddrPort{netip.AddrPortFrom(netip.IPv6Loopback(), got.addr.Port())}) || got.addr.Addr().String() != "127.0.0.2" {
		t.Errorf("before its server is there: %v, %v", got, err)
	}
	if got, err := named("127.0.0.2", "8.8.8.8"); err != nil || got.checkPublic(false) == nil || got.checkPublic(true) != nil {
		t.Errorf("a second address that is public: %v, %v", got, err)
	}
	if _, err := named("127.0.0.2", "224.0.0.1"); err == nil {
		t.Error("a second address that is multicast is taken")
	}
	if _, err := named("::ffff:224.0.0.1"); err == nil || !strings.Contains(err.Error(), ": 224.0.0.1 is a multicast address:") {
		t.Errorf("a name whose IPv4 address the resolver writes at length: %v", err)
	}
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf("127.0.1.%d", i+1)
	}
	if got, err := named(many...); err != nil || len(got.more) != maxAddresses-1 {
		t.Errorf("of 100 addresses %d are tried, %v", len(got.more)+1, err)
	}
}

func TestAlternate(t *testing.T) {
	var in []netip.Addr
	for _, a := range []string{"::1", "::2", "::3", "127.0.0.1", "::ffff:127.0.0.2"} {
		in = append(in, netip.MustParseAddr(a))
	}
	if got, want := fmt.Sprint(alternate(in)), "[::1 127.0.0.1 ::2 ::ffff:127.0.0.2 ::3]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// localhost is each loopback address, whatever the file of hosts says.
func TestBothLoopbacks(t *testing.T) {
	v4, v6, other := netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback(), netip.MustParseAddr("127.0.0.2")
	for _, tt := range []struct {
		ips  []netip.Addr
		v6   bool
		want []netip.Addr
	}{
		{[]netip.Addr{v4}, true, []netip.Addr{v4, v6}},
		{[]netip.Addr{v6, v4}, true, []netip.Addr{v6, v4}},
		{[]netip.Addr{v4}, false, []netip.Addr{v4}},
		{[]netip.Addr{netip.MustParseAddr("::ffff:127.0.0.1")}, false, []netip.Addr{netip.MustParseAddr("::ffff:127.0.0.1")}},
		{nil, true, []netip.Addr{v4, v6}},
		{[]netip.Addr{other}, true, []netip.Addr{other, v4, v6}},
	} {
		if got := bothLoopbacks(tt.ips, tt.v6); !slices.Equal(got, tt.want) {
			t.Errorf("%v: %v, want %v", tt.ips, got, tt.want)
		}
	}
}
