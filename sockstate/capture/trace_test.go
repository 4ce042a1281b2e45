package capture

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestFind(t *testing.T) {
	a, b := netip.MustParseAddrPort("192.0.2.1:1000"), netip.MustParseAddrPort("[2001:db8::1]:1000")
	mapped := netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
	packet := func(at int64, client netip.AddrPort, seq uint32) Packet {
		return Packet{At: at, Client: client.Addr().As16(), ClientPort: client.Port(), Seq: seq}
	}
	tr := NewTrace([]Packet{packet(5, a, 1), packet(3, b, 2), packet(1, a, 3), packet(5, a, 4), packet(9, a, 5)})

	tests := []struct {
		client   netip.AddrPort
		from, to int64
		want     []uint32
	}{
		{a, 0, 100, []uint32{3, 1, 4, 5}},
		{mapped, 0, 100, []uint32{3, 1, 4, 5}},
		{a, 1, 5, []uint32{3, 1, 4}},
		{a, 5, 5, []uint32{1, 4}},
		{a, 2, 4, nil},
		{a, 6, 9, []uint32{5}},
		{a, 10, 100, nil},
		{a, 9, 1, nil},
		{b, 0, 100, []uint32{2}},
		{netip.MustParseAddrPort("192.0.2.1:1001"), 0, 100, nil},
	}
	for _, tt := range tests {
		var got []uint32
		for _, p := range tr.Find(tt.client, tt.from, tt.to) {
			got = append(got, p.Seq)
		}
		if d := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("%v from %d to %d: -want +got\n%s", tt.client, tt.from, tt.to, d)
		}
	}
	if got := NewTrace(nil).Find(a, 0, 1); len(got) != 0 {
		t.Errorf("found %v in nothing", got)
	}
	for i := 1; i < len(tr.Packets); i++ {
		if tr.Packets[i-1].At > tr.Packets[i].At {
			t.Errorf("not in the order of time: %v", tr.Packets)
		}
	}
}

func TestClock(t *testing.T) {
	// A clock that takes 10 ns to read, and one that is set now and then.
	now, offset := int64(0), int64(1e18)
	tick := func() int64 { now += 10; return now }
	c := &wallClock{now: tick, wall: func() int64 { return tick() + offset }}
	c.offset, c.bound = c.measure(readings)
	c.worst = c.bound

	near := func(want int64) {
		t.Helper()
		if d := c.at(offset+want) - want; abs(d) > c.bound {
			t.Errorf("off by %d ns, bound %d", d, c.bound)
		}
	}
	for range 100 {
		now += int64(time.Hour) // neither passing time ...
		c.check()
	}
	near(now)
	if c.stepped != 0 {
		t.Errorf("stepped by %d without a step", c.stepped)
	}

	offset -= int64(time.Millisecond)
	c.check()
	near(now)
	offset += int64(time.Second)
	c.check()
	near(now)
	want := int64(time.Second + time.Millisecond)
	if d := c.stepped - want; abs(d) > 4*c.worst {
		t.Errorf("stepped by %d, want %d", c.stepped, want)
	}

	// ... nor a thread that lost its CPU between two readings is a step.
	stepped := c.stepped
	c.wall = func() int64 { now += int64(time.Millisecond); return tick() + offset }
	c.check()
	if c.stepped != stepped {
		t.Errorf("a slow reading counts as a step of %d", c.stepped-stepped)
	}
}
