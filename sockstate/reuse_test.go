package sockstate

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// waiting is a client's socket in TIME_WAIT of that age.
func waiting(local, remote string, age time.Duration) *Socket {
	return &Socket{
		Tuple: Tuple{Local: netip.MustParseAddrPort(local), Remote: netip.MustParseAddrPort(remote)},
		State: TimeWait, Mini: true, Left: TimeWaitLength - age,
	}
}

func TestReuse(t *testing.T) {
	const lo, veth, v6 = "127.0.0.1:7777", "198.19.0.1:7777", "[::1]:7777"
	old := func(remote string) *Socket {
		local := map[string]string{lo: "127.0.0.1:40000", veth: "198.18.0.1:40000", v6: "[::1]:40000"}[remote]
		return waiting(local, remote, 5*time.Second)
	}
	for _, tt := range []struct {
		name                     string
		reuse, delay, timestamps string
		s                        *Socket
		want                     bool
	}{
		{"off", "0", "1000", "1", old(lo), false},
		{"on", "1", "1000", "1", old(veth), true},
		{"loopback only, across veth", "2", "1000", "1", old(veth), false},
		{"loopback only, on loopback", "2", "1000", "1", old(lo), true},
		{"loopback only, IPv6", "2", "1000", "1", old(v6), true},
		{"loopback only, mapped", "2", "1000", "1", waiting("[::ffff:127.0.0.1]:40000", "[::ffff:127.0.0.1]:7777", 5*time.Second), true},
		{"without timestamps", "1", "1000", "0", old(veth), false},
		{"timestamps with random offset or without", "1", "1000", "2", old(veth), true},
		{"at the delay", "1", "5000", "1", old(veth), false},
		{"past the delay", "1", "4999", "1", old(veth), true},
		{"no such delay, after a second", "1", "", "1", waiting("198.18.0.1:1", veth, 1001*time.Millisecond), true},
		{"no such delay, before", "1", "", "1", waiting("198.18.0.1:1", veth, 999*time.Millisecond), false},
		{"unknown", "", "", "", old(lo), false},
		{"a FIN_WAIT_2 minisocket", "1", "1000", "1", func() *Socket { s := old(veth); s.State = FinWait2; return s }(), false},
		{"an open one", "1", "1000", "1", &Socket{State: Established}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := ReuseOf(map[string]string{ReuseSysctl: tt.reuse, ReuseDelaySysctl: tt.delay, timestampsSysctl: tt.timestamps})
			if got := r.takes(tt.s); got != tt.want {
				t.Errorf("%+v takes it: %v", r, got)
			}
		})
	}
}

// A census splits a pair's ports by who has them, and forgets no pair's memory.
func TestPortUse(t *testing.T) {
	server, other := netip.MustParseAddrPort("198.19.0.1:7777"), netip.MustParseAddrPort("198.19.0.1:80")
	f := Filter{
		Servers: []netip.AddrPort{server}, Since: time.Now().Add(-10 * time.Second), Fresh: time.Second,
		Reuse: Reuse{Mode: 1, Timestamps: true, Delay: 2 * time.Second},
	}
	open := func(local string, state State) *Socket {
		return &Socket{Tuple: Tuple{Local: netip.MustParseAddrPort(local), Remote: server}, State: state, Inode: 1}
	}
	all := []*Socket{
		open("198.18.0.1:1", Established), open("198.18.0.1:2", SynSent), open("198.18.0.1:3", Closed),
		{Tuple: Tuple{Local: netip.MustParseAddrPort("198.18.0.1:4"), Remote: server}, State: FinWait2, Mini: true, Left: time.Minute},
		waiting("198.18.0.1:5", server.String(), 0), waiting("198.18.0.1:6", server.String(), 999*time.Millisecond),
		waiting("198.18.0.1:7", server.String(), time.Second), waiting("198.18.0.1:8", server.String(), 3*time.Second),
		waiting("198.18.0.1:9", server.String(), 30*time.Second), waiting("198.18.0.2:9", server.String(), time.Minute),
		waiting("198.18.0.1:10", other.String(), 0),
		{Tuple: Tuple{Local: server, Remote: netip.MustParseAddrPort("198.18.0.1:1")}, State: TimeWait, Left: time.Minute},
	}
	want := map[Pair]*PortUse{
		{netip.MustParseAddr("198.18.0.1"), server}: {Open: 3, TimeWait: 4, Entered: 2, Reusable: 1, Earlier: 1},
		{netip.MustParseAddr("198.18.0.2"), server}: {Earlier: 1},
	}
	var c Census
	for range 2 {
		for _, s := range all {
			c.Add(&f, s)
		}
		if d := cmp.Diff(want, c.Ports, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
			t.Errorf("-want +got\n%s", d)
		}
		if c.Count[Client][TimeWait] != 4 || c.Count[Server][TimeWait] != 1 {
			t.Errorf("TIME_WAITs of client and server %d and %d, want 4 and 1", c.Count[Client][TimeWait], c.Count[Server][TimeWait])
		}
		c.Reset()
	}
	if n := testing.AllocsPerRun(10, func() {
		c.Reset()
		for _, s := range all {
			c.Add(&f, s)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a census of pairs that it knows", n)
	}
}
