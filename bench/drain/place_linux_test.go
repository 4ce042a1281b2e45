package drain

import (
	"net/netip"
	"testing"
	"time"
)

// A server that listens where it should not is told of soon, and given up where nothing better can come: on the target's port.
func TestWrongPlace(t *testing.T) {
	want := []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:8080")}
	admin, other := netip.MustParseAddrPort("127.0.0.1:9090"), netip.MustParseAddrPort("[::1]:8080")
	for _, tt := range []struct {
		name     string
		ports    []netip.AddrPort
		says     string
		hopeless bool
	}{
		{"nowhere", nil, "", false},
		{"another port, which may be one of several", []netip.AddrPort{admin}, "waiting for the server, which listens on 127.0.0.1:9090 so far, and not on 127.0.0.1:8080", false},
		{"another address", []netip.AddrPort{other}, "waiting for the server, which listens on [::1]:8080 so far, and not on 127.0.0.1:8080", true},
	} {
		var w wrongPlace
		began := time.Now()
		var said []string
		for at := time.Duration(0); at < hopelessAt; at += elsewherePoll {
			if w.hopeless(began.Add(at)) {
				t.Errorf("%s: hopeless before %v", tt.name, at)
			}
			if line := w.see(began.Add(at), tt.ports, want); line != "" {
				said = append(said, line)
			}
		}
		if len(said) > 1 || tt.says == "" && len(said) > 0 || tt.says != "" && (len(said) != 1 || said[0] != tt.says) {
			t.Errorf("%s: %q, want %q", tt.name, said, tt.says)
		}
		if got := w.hopeless(began.Add(hopelessAt)); got != tt.hopeless {
			t.Errorf("%s: hopeless %v", tt.name, got)
		}
	}
}
