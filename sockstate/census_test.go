package sockstate

import (
	"net/netip"
	"testing"
	"time"
)

// TestAges: a TIME_WAIT counts by its whole seconds, and the last count is of those whose time is over.
func TestAges(t *testing.T) {
	server := netip.MustParseAddrPort("127.0.0.1:80")
	f := Filter{Servers: []netip.AddrPort{server}}
	for left, age := range map[time.Duration]int{
		TimeWaitLength + time.Second: 0, // a timer that is late to be read
		TimeWaitLength:               0,
		TimeWaitLength - 1:           0,
		59 * time.Second:             1,
		time.Second:                  59,
		1:                            59,
		0:                            60,
	} {
		var c Census
		c.Add(&f, &Socket{Tuple: Tuple{Local: server, Remote: netip.MustParseAddrPort("127.0.0.1:4000")}, State: TimeWait, Mini: true, Left: left})
		if c.Ages[Server][age] != 1 {
			t.Errorf("%v left: ages %v, want %d s", left, c.Ages, age)
		}
	}
}

// TestLimits: what is compared with a time left is what Add compares with an age.
func TestLimits(t *testing.T) {
	f := Filter{Fresh: time.Second, Reuse: Reuse{Delay: 2 * time.Second}}
	if got, want := f.Limits(), (Limits{Fresh: 59 * time.Second, Reusable: 58 * time.Second}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	f.Since = time.Now().Add(-10 * time.Second)
	if got := f.Limits().Earlier; got > 50*time.Second-timeWaitSlack || got < 40*time.Second {
		t.Errorf("earlier below %v, want 49.9 s", got)
	}
}
