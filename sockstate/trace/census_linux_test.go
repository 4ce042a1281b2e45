package trace

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf/btf"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/sockdiag"
	"lastack/sockstate/socktest"
)

var cmpAddr = cmp.Options{
	cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

// openCensus opens the census, and sock_diag beside it.
func openCensus(t *testing.T, ns *netns.NS) (*Census, *sockdiag.Conn) {
	t.Helper()
	c, err := OpenCensus(CensusConfig{Namespaces: []*netns.NS{ns}})
	skip(t, err)
	t.Cleanup(func() { _ = c.Close() })
	d, err := sockdiag.Open(ns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return c, d
}

// agree takes both censuses and compares all but the times that pass between them.
func agree(t *testing.T, c *Census, d *sockdiag.Conn, f *sockstate.Filter) *sockstate.Census {
	t.Helper()
	var want, got sockstate.Census
	for _, x := range []struct {
		source sockstate.Source
		into   *sockstate.Census
	}{{d, &want}, {c, &got}} {
		if err := x.source.Census(f, x.into); err != nil {
			t.Fatal(err)
		}
		x.into.LongestLeft, x.into.Ages = 0, [sockstate.NumSides][sockstate.NumAges]int{}
	}
	if diff := cmp.Diff(want, got, cmpAddr); diff != "" {
		t.Errorf("-sock_diag +eBPF\n%s", diff)
	}
	return &got
}

// TestCensusSides: of an address at each end the first listed decides, a listener on all addresses is the server's, and what
// has neither address is of another load.
func TestCensusSides(t *testing.T) {
	ns := socktest.NewNamespace(t)
	a, b := socktest.Listen(t, ns, "127.0.0.1:20001", false), socktest.Listen(t, ns, "127.0.0.2:20002", false)
	socktest.Listen(t, ns, ":20003", false).Pairs(2)
	socktest.Listen(t, ns, "0.0.0.0:20004", false).Pairs(1)
	socktest.Listen(t, ns, "127.0.0.1:20005", false).Pairs(1)
	// From the second server's address and another port, to the first.
	if err := ns.Do(func() error {
		c, err := (&net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.2:30000"))}).Dial("tcp", a.Addr.String())
		if err == nil {
			t.Cleanup(func() { _ = c.Close() })
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	c, d := openCensus(t, ns)
	swapped := netip.MustParseAddrPort("127.0.0.2:30000")
	for _, servers := range [][]netip.AddrPort{
		{a.Addr, swapped},
		{swapped, a.Addr},
		{b.Addr, a.Addr, b.Addr},
		{netip.MustParseAddrPort("127.0.0.1:20003"), netip.MustParseAddrPort("127.0.0.9:20004")},
		{netip.MustParseAddrPort("[::1]:20003")},
		{netip.MustParseAddrPort("192.0.2.1:80")},
	} {
		agree(t, c, d, &sockstate.Filter{Servers: servers})
	}
	if got := agree(t, c, d, &sockstate.Filter{}); got.Total(sockstate.Client)+c.Seen() != 0 {
		t.Errorf("without servers: %+v, %d seen", got, c.Seen())
	}
}

// TestCensusLimits: the TIME_WAITs of before the load, those that are fresh, and those whose port connect would take.
func TestCensusLimits(t *testing.T) {
	t.Parallel()
	ns := socktest.NewNamespace(t)
	g := socktest.Listen(t, ns, "127.0.0.1:0", false)
	c, d := openCensus(t, ns)
	const step = 600 * time.Millisecond
	var since time.Time
	for i, n := range []int{3, 5, 7} {
		if i == 1 {
			since = time.Now()
		}
		clients, servers := g.Pairs(n)
		socktest.CloseAll(clients)
		socktest.CloseAll(servers)
		if i < 2 {
			time.Sleep(step)
		}
	}
	f := sockstate.Filter{Servers: []netip.AddrPort{g.Addr}}
	if got := agree(t, c, d, &f); got.Count[sockstate.Client][sockstate.TimeWait] != 15 {
		t.Fatalf("%+v", got)
	}
	f.Since, f.Fresh, f.Reuse = since, step/2, sockstate.Reuse{Mode: 2, Timestamps: true, Delay: step / 2}
	want := sockstate.PortUse{TimeWait: 12, Reusable: 5, Entered: 7, Earlier: 3}
	if got := agree(t, c, d, &f).Ports[sockstate.Pair{Source: g.Addr.Addr(), Destination: g.Addr}]; *got != want && time.Since(since) < 3*step/2-50*time.Millisecond {
		t.Errorf("%+v, want %+v", got, want)
	}
	f.Reuse.Mode, f.Fresh = 0, time.Hour
	agree(t, c, d, &f)
}

// TestCensusManyPairs: each pair of addresses counts apart, and those without room are told.
func TestCensusManyPairs(t *testing.T) {
	ns := socktest.NewNamespace(t)
	c, d := openCensus(t, ns)
	var servers []netip.AddrPort
	for i := range 3 {
		servers = append(servers, socktest.Listen(t, ns, fmt.Sprintf("127.0.0.%d:20000", i+1), false).Addr)
	}
	const n = 60
	for i := range n {
		err := ns.Do(func() error {
			c, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i))}}).Dial("tcp", servers[i%len(servers)].String())
			if err == nil {
				t.Cleanup(func() { _ = c.Close() })
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	f := sockstate.Filter{Servers: servers}
	for range 3 {
		if got := agree(t, c, d, &f); len(got.Ports) != n {
			t.Errorf("%d pairs, want %d", len(got.Ports), n)
		}
		// A census that ends before it has taken the pairs.
		c.left = true
		if _, err := c.walk(f.Limits()); err != nil {
			t.Fatal(err)
		}
	}
	reload(t, c, len(servers), 4)
	var part sockstate.Census
	err := c.Census(&f, &part)
	if e, ok := errors.AsType[*fullError](err); !ok || e.room != 4 || part.Total(sockstate.Client) != n || len(part.Ports) != 4 {
		t.Errorf("%v, %d at the client, %d pairs", err, part.Total(sockstate.Client), len(part.Ports))
	}
}

// reload gives the census room for other numbers of servers and pairs.
func reload(t *testing.T, c *Census, servers, pairs int) {
	t.Helper()
	if err := errors.Join(c.iter.Close(), c.program.Close(), c.servers.Close(), c.pairs.Close()); err != nil {
		t.Fatal(err)
	}
	c.selected, c.chosen, c.left = nil, false, false
	if err := c.load(btf.NewCache(), servers, pairs); err != nil {
		t.Fatal(err)
	}
}

// TestCensusManyServers: servers without room are refused each time, and leave nothing behind. An empty list of namespaces is the caller's.
func TestCensusManyServers(t *testing.T) {
	c, err := OpenCensus(CensusConfig{})
	skip(t, err)
	t.Cleanup(func() { _ = c.Close() })
	d, err := sockdiag.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	var servers []netip.AddrPort
	for i := range 3 {
		g := socktest.Listen(t, nil, fmt.Sprintf("127.0.0.%d:0", i+1), false)
		g.Pairs(i + 1)
		servers = append(servers, g.Addr)
	}
	reload(t, c, 1, 16)
	for range 2 {
		if err := c.Census(&sockstate.Filter{Servers: servers}, new(sockstate.Census)); !errors.Is(err, unix.E2BIG) {
			t.Errorf("three servers where one has room: %v", err)
		}
		for i, s := range servers {
			if got := agree(t, c, d, &sockstate.Filter{Servers: []netip.AddrPort{s}}); got.Count[sockstate.Client][sockstate.Established] != i+1 {
				t.Errorf("%v: %+v", s, got.Count)
			}
		}
	}
}

// TestCensusLeavesNothing: a census leaves no descriptor, also of a namespace that has vanished meanwhile.
func TestCensusLeavesNothing(t *testing.T) {
	socktest.Guard(t)
	ns, err := netns.New()
	if err != nil {
		t.Skip(err)
	}
	c, err := OpenCensus(CensusConfig{Namespaces: []*netns.NS{nil, ns}})
	if cerr := ns.Close(); cerr != nil {
		t.Fatal(cerr)
	}
	skip(t, err)
	var s sockstate.Census
	if err := c.Census(&sockstate.Filter{Servers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:80")}}, &s); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestFrom(t *testing.T) {
	c := Census{hz: 250}
	for d, want := range map[time.Duration]uint64{-time.Hour: 0, 0: 0, 1: 1, 4 * time.Millisecond: 1, 4*time.Millisecond + 1: 2, time.Second: 250, time.Minute + time.Nanosecond: 15001} {
		if got := c.from(d); got != want {
			t.Errorf("%v: %d ticks, want %d", d, got, want)
		}
	}
}
