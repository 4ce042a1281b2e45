package main

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
		if err != nil || got != (target{netip.MustParseAddrPort(want), s}) {
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
		"0.0.0.0:80":       `target "0.0.0.0:80": want an address of one host`,
		"[::]:80":          `target "[::]:80": want an address of one host`,
		"239.1.1.1:80":     `target "239.1.1.1:80": want an address of one host`,
		"[ff02::1]:80":     `target "[ff02::1]:80": want an address of one host`,
		"[fe80::1%lo]:80":  `target "[fe80::1%lo]:80": link-local IPv6 addresses are not supported`,
		"[fe80::1]:80":     `target "[fe80::1]:80": link-local IPv6 addresses are not supported`,
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

func TestIsPublic(t *testing.T) {
	for a, want := range map[string]bool{
		"127.0.0.1": false, "127.255.255.254": false, "::1": false,
		"10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, "fd00::1": false, "fc00::1": false,
		"169.254.169.254": false, "fe80::1": false,
		"100.64.0.1": false, "100.127.255.255": false, "198.18.0.1": false, "198.19.255.255": false, "2001:2::1": false,

		"8.8.8.8": true, "192.0.2.1": true, "255.255.255.255": true, "2001:db8::1": true, "2600::1": true,
		"172.15.255.255": true, "172.32.0.0": true, "100.63.255.255": true, "100.128.0.0": true,
		"198.17.255.255": true, "198.20.0.0": true, "2001:2:1::1": true, "fec0::1": true,
	} {
		if got := isPublic(netip.MustParseAddr(a)); got != want {
			t.Errorf("isPublic(%s) = %t, want %t", a, got, want)
		}
	}
}

func TestRefusePublic(t *testing.T) {
	private := target{netip.MustParseAddrPort("10.0.0.5:80"), "10.0.0.5:80"}
	for _, tt := range []struct {
		targets []target
		want    string
	}{
		{nil, ""},
		{[]target{private, private}, ""},
		{[]target{private, {netip.MustParseAddrPort("192.0.2.1:80"), "192.0.2.1:80"}}, `target "192.0.2.1:80": it is a public address: `},
		{[]target{{netip.MustParseAddrPort("[2001:db8::1]:80"), "www.example:80"}}, `target "www.example:80": 2001:db8::1 is a public address: `},
	} {
		err := refusePublic(tt.targets)
		got := ""
		if err != nil {
			got, _, _ = strings.Cut(err.Error(), "want ")
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("refusePublic(%v) (-want +got):\n%s", tt.targets, diff)
		}
		if err != nil && codeOf(err, true) != exitUsage {
			t.Errorf("refusePublic(%v): exit code %d", tt.targets, codeOf(err, true))
		}
	}
}
