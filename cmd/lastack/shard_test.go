package main

import (
	"net/netip"
	"slices"
	"testing"
)

// All shards meet at one address of a name, in whatever order a resolver has them.
func TestMeetingPoint(t *testing.T) {
	t.Parallel()
	for want, of := range map[string][]string{
		"127.0.0.1": {"::1", "127.0.0.1"},
		"10.0.0.7":  {"127.0.1.1", "fd00::1", "10.0.0.9", "10.0.0.7"},
		"fd00::1":   {"fd00::2", "::1", "fd00::1"},
	} {
		var ips []netip.Addr
		for _, s := range of {
			ips = append(ips, netip.MustParseAddr(s))
		}
		for range ips {
			ips = append(ips[1:], ips[0])
			if got := meetingPoint(slices.Clone(ips)); got.String() != want {
				t.Errorf("%v of %v, want %s", got, ips, want)
			}
		}
	}
}
