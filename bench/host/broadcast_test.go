package host

import (
	"net/netip"
	"testing"
)

func TestBroadcastsOf(t *testing.T) {
	route := func(prefix string, broadcast bool) localRoute {
		return localRoute{netip.MustParsePrefix(prefix), broadcast}
	}
	got := broadcastsOf([]localRoute{
		route("127.0.0.0/8", false), route("127.0.0.1/32", false), route("127.255.255.255/32", true),
		route("10.9.0.5/32", false), route("10.9.0.255/32", true), route("10.9.0.0/24", false),
		// Whole networks of them, with an address of the host's inside.
		route("10.8.0.5/32", false), route("10.8.0.0/24", true),
	})
	for a, want := range map[string]bool{
		"255.255.255.255": true, "255.255.255.254": false, "0.0.0.0": true, "0.1.2.3": true, "1.0.0.0": false,
		"127.255.255.255": true, "127.0.0.255": false, "127.0.0.0": false, "127.255.255.254": false,
		"10.9.0.255": true, "10.9.0.254": false, "10.9.0.5": false,
		"10.8.0.4": true, "10.8.0.5": false, "10.8.0.6": true, "10.8.1.0": false,
		"::1": false, "::": false,
	} {
		if got := got.Contains(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %v, want %v", a, got, want)
		}
	}
	if got := broadcastsOf(nil); !got.Contains(netip.MustParseAddr("127.255.255.255")) || got.Contains(netip.MustParseAddr("127.0.0.1")) {
		t.Error("without routes, those that every host has are to be known")
	}
}
