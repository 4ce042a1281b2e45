package setup

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/host"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/loadgen"
	"lastack/server"
	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// asked is what a test asks for, and the host that it is asked of.
type asked struct {
	Spec
	Facts
}

// roomy is a host that has enough of everything but what a test changes.
func roomy() host.Facts {
	return host.Facts{
		NoFileSoft: 20_000, MemLock: math.MaxUint64, AvailableBytes: 16 << 30, PageBytes: 4096, HZ: 250, CPUs: 2,
		Sysctls: map[string]string{
			"net.ipv4.ip_local_port_range": "32768 60999", "net.ipv4.tcp_ehash_entries": "262144", "net.ipv4.tcp_max_tw_buckets": "131072",
			"net.ipv4.tcp_mem": "1 2 575802", "net.ipv4.tcp_max_orphans": "131072", "fs.file-max": "2466193",
		},
	}
}

// planOf is what run makes of its flags, with the embedded server in a sandbox.
func planOf(connections int, change func(c *asked, g *loadgen.Group)) *asked {
	c := &asked{
		Facts: Facts{Host: roomy(), CPUs: []int{0, 1}},
		Spec: Spec{
			Server: &Server{Workers: 2, Listeners: 2}, Sandbox: &sandbox.Spec{Topology: sandbox.Lo},
			Plan: loadgen.Plan{Workers: 2, Duration: 10 * time.Second, Groups: []loadgen.Group{{
				Name: "run", Connections: connections,
				ConnectTimeout: 5 * time.Second, RequestTimeout: 10 * time.Second, CloseTimeout: 5 * time.Second,
			}}},
		},
	}
	if change != nil {
		change(c, &c.Plan.Groups[0])
	}
	return c
}

// until resolves as far as the numbers of a plan go, whether or not the host can bear them.
func (c *asked) until(t *testing.T) *resolver {
	t.Helper()
	r := newResolver(&c.Spec, &c.Facts)
	r.Engine = uring
	for _, step := range []func() error{r.complete, r.embed, r.enclose, r.spread, r.estimateNeeds} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func (c *asked) resolve() (Setup, error) { return Resolve(c.Spec, c.Facts) }

func plateau(c *asked, g *loadgen.Group) { g.Plateau, c.Plan.Duration = 10*time.Second, 0 }

func to(targets ...string) func(*asked, *loadgen.Group) {
	return func(c *asked, g *loadgen.Group) {
		g.Targets, c.AllowPublic = nil, true
		for _, t := range targets {
			g.Targets = append(g.Targets, netip.MustParseAddrPort(t))
		}
	}
}

func counting(n int64) func(*asked, *loadgen.Group) {
	return func(c *asked, _ *loadgen.Group) { c.Plan.Count, c.Plan.Duration = n, 0 }
}

func all(changes ...func(*asked, *loadgen.Group)) func(*asked, *loadgen.Group) {
	return func(c *asked, g *loadgen.Group) {
		for _, f := range changes {
			f(c, g)
		}
	}
}

func closing(policy string) func(*asked, *loadgen.Group) {
	return func(_ *asked, g *loadgen.Group) {
		p, err := teardown.ParsePolicy(policy)
		if err != nil {
			panic(err)
		}
		g.Close = p
	}
}

func sysctl(key, value string) func(*asked, *loadgen.Group) {
	return func(c *asked, _ *loadgen.Group) {
		if c.Sandbox == nil {
			c.Host.Sysctls[key] = value
			return
		}
		c.Sandbox.Sysctls = append(c.Sandbox.Sysctls, sandbox.Sysctl{Key: key, Value: value})
	}
}

func cpus(n int) func(*asked, *loadgen.Group) {
	return func(c *asked, _ *loadgen.Group) { c.Host.CPUs = n }
}

func atRate(r float64) func(*asked, *loadgen.Group) {
	return func(_ *asked, g *loadgen.Group) { g.RateFrom, g.RateTo = r, r }
}

func from(n int) func(*asked, *loadgen.Group) {
	return func(_ *asked, g *loadgen.Group) {
		for i := range n {
			g.Sources = append(g.Sources, netip.AddrFrom4([4]byte{127, 2, byte(i >> 8), byte(i)}))
		}
	}
}

func veth(c *asked, _ *loadgen.Group) { c.Sandbox.Topology = sandbox.Veth }

func elsewhere(c *asked, g *loadgen.Group) {
	c.Server, c.Sandbox = nil, nil
	g.Targets = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:9")}
}

// What is taken: addresses, TIME_WAITs on each side and room for them.
func TestNeeds(t *testing.T) {
	for _, tt := range []struct {
		name           string
		c              *asked
		sources        int
		client, server int64
		entries        int
	}{
		{"the default", planOf(64, nil), 1, 64, 0, 0},
		{"a small plateau", planOf(9000, plateau), 1, 9000, 0, 0},
		{"the most that is comfortable", planOf(14_116, plateau), 1, 14_116, 0, 0},
		{"one more", planOf(14_117, plateau), 3, 14_117, 0, 0},
		{"a hundred thousand", planOf(100_000, plateau), 15, 100_000, 0, 0},
		{"a million", planOf(1_000_000, plateau), 142, 1_000_000, 0, 4 << 20},
		{"a million, reset", planOf(1_000_000, all(plateau, closing("client:rst"))), 142, 0, 0, 0},
		{"a million, never closed", planOf(1_000_000, all(plateau, closing("never"))), 142, 0, 0, 0},
		{"a million, closed slowly", planOf(1_000_000, all(plateau, func(_ *asked, g *loadgen.Group) { g.CloseRate = 1000 })), 142, 62_048, 0, 0},
		{"a million, over veth", planOf(1_000_000, all(plateau, veth)), 142, 1_000_000, 0, 4 << 20},
		{"more than the hash may hold", planOf(20_000_000, plateau), 2834, 20_000_000, 0, 16 << 20},
		{"the user's own buckets", planOf(1_000_000, all(plateau, sysctl("net.ipv4.tcp_max_tw_buckets", "1000"))), 142, 1_000_000, 0, 0},
		{"a count", planOf(64, counting(40_000)), 6, 40_000, 0, 0},
		{"a count with reuse on trial", planOf(64, all(counting(40_000), sysctl("net.ipv4.tcp_tw_reuse", "0"))), 1, 28_232, 0, 0},
		{"a count, reset", planOf(64, all(counting(40_000), closing("client:rst"))), 1, 0, 0, 0},
		{"a count, the server closes first", planOf(64, all(counting(400_000), closing("server:fin"))), 1, 0, 14_116, 0}, // those of connect's first pass
		{"a count that no CPU closes in the time", planOf(64, all(counting(45_000_000), cpus(2))), 880, 6_204_800, 0, 16 << 20},
		{"a large count", planOf(64, counting(200_000)), 29, 200_000, 0, 512 << 10},
		{"both close: a TIME_WAIT at each end", planOf(64, all(counting(100_000), closing("both:fin"))), 15, 100_000, 100_000, 512 << 10},
		{"both close, over veth: each end has its own", planOf(64, all(counting(100_000), closing("both:fin"), veth)), 15, 100_000, 100_000, 0},
		{"a count at a rate: those of the longest TIME_WAIT", planOf(0, all(counting(1_000_000), atRate(1000))), 9, 62_048, 0, 0},
		{"a rate: its ports can run out", planOf(0, atRate(10_000)), 1, 28_232, 0, 0},
		{"a rate with addresses", planOf(0, all(atRate(20_000), from(20))), 20, 200_000, 0, 512 << 10},
		{"addresses as asked", planOf(50_000, all(plateau, from(2))), 2, 50_000, 0, 0},
		{"ports as asked", planOf(500, all(plateau, func(_ *asked, g *loadgen.Group) { g.SourcePorts = sockstate.PortRange{Lo: 40000, Hi: 40999} })), 1, 500, 0, 0},
		{"a range as asked", planOf(5000, all(counting(5000), sysctl(portRangeKey, "40000 40999"))), 1, 1000, 0, 0},
		{"a target elsewhere", planOf(5000, all(plateau, elsewhere)), 1, 5000, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.c.until(t)
			n, entries := r.Needs, 0
			if r.Sandbox != nil {
				entries = r.Sandbox.EhashEntries
			}
			got := []any{n.SourceAddresses, n.TimeWaits.Client, n.TimeWaits.Server, entries}
			if d := cmp.Diff([]any{tt.sources, tt.client, tt.server, tt.entries}, got); d != "" {
				t.Error(d)
			}
			if chosen := tt.sources > 1 && len(tt.c.Plan.Groups[0].Sources) == 0; r.chosen > 1 != chosen {
				t.Errorf("%d addresses were chosen", r.chosen)
			}
		})
	}
}

// TestSockets: how many sockets are to be expected decides who counts them.
func TestSockets(t *testing.T) {
	for _, tt := range []struct {
		name string
		n    int
		with func(*asked, *loadgen.Group)
		want int64
	}{
		{"closed loop, bounded by ports", 64, nil, 128 + 28_232},
		{"closed loop, RST", 64, func(_ *asked, g *loadgen.Group) { g.Close.How = teardown.RST }, 128},
		{"closed loop, many addresses", 64, func(_ *asked, g *loadgen.Group) {
			for i := range 100 {
				g.Sources = append(g.Sources, netip.AddrFrom4([4]byte{127, 1, 0, byte(i)}))
			}
		}, 128 + 200_000},
		{"closed loop, hold", 64, func(_ *asked, g *loadgen.Group) { g.Hold = time.Second }, 128 + 640},
		{"a count", 64, func(c *asked, _ *loadgen.Group) { c.Plan.Count = 1000 }, 128 + 1000},
		{"open loop", 0, func(_ *asked, g *loadgen.Group) { g.RateFrom, g.RateTo = 100, 100 }, 1000},
		{"plateau", 10_000, plateau, 30_000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := planOf(tt.n, tt.with).until(t).Sockets; got != tt.want {
				t.Errorf("%d sockets, want %d", got, tt.want)
			}
		})
	}
}

func TestNeedsInBytes(t *testing.T) {
	c := planOf(1_000_000, plateau)
	got := c.until(t).Needs
	want := record.Needs{
		Connections: 1_000_000, Sockets: 2_000_000, TimeWaits: record.NeedsBySide{Client: 1_000_000},
		SourceAddresses: 142, PortsEach: 28_232,
		KernelBytes: 2_000_000*3750 + 1_000_000*512, ProcessBytes: 20<<20 + 1_000_000*104,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	// Held by a schedule without a cap.
	c = planOf(0, all(atRate(1000), func(_ *asked, g *loadgen.Group) { g.Hold = 5 * time.Second }))
	if n := c.until(t).Needs; n.Connections != 5000 || n.Sockets != 10_000 {
		t.Errorf("%+v", n)
	}
	// Exchanges in a closed loop may all be under way, those of a plateau are not.
	c = planOf(1000, func(_ *asked, g *loadgen.Group) {
		g.Exchange = exchange.Spec{Kind: exchange.Echo, Request: 1, Response: 5000}
	})
	if n := c.until(t).Needs; n.ExchangeBytes != 1000*2*8192 {
		t.Errorf("%d bytes in exchanges", n.ExchangeBytes)
	}
}

// The addresses that a run takes by itself.
func TestSpread(t *testing.T) {
	onHost := func(c *asked, _ *loadgen.Group) { c.Sandbox = nil }
	v6 := func(c *asked, _ *loadgen.Group) { c.Server.V6 = true }
	for _, tt := range []struct {
		name string
		c    *asked
		n    int
		text string
	}{
		{"none for a small run", planOf(64, nil), 0, ""},
		{"lo", planOf(1_000_000, plateau), 142, "127.1.0.1-127.1.0.142"},
		{"lo, many", planOf(10_000_000, plateau), 1417, "127.1.0.1-127.1.5.137"},
		{"lo, IPv6", planOf(100_000, all(plateau, v6)), 15, "fd6c:6173:7461:3::1-fd6c:6173:7461:3::f"},
		{"veth", planOf(100_000, all(plateau, veth)), 15, "198.18.1.1-198.18.1.15"},
		{"veth, IPv6", planOf(100_000, all(plateau, veth, v6)), 15, "fd6c:6173:7461:3::1-fd6c:6173:7461:3::f"},
		{"this host", planOf(100_000, all(plateau, onHost)), 15, "127.1.0.1-127.1.0.15"},
		{"this host, IPv6", planOf(100_000, all(plateau, onHost, v6)), 0, ""},
		{"asked for", planOf(100_000, all(plateau, from(2))), 2, "127.2.0.0,127.2.0.1"},
		{"a target elsewhere", planOf(100_000, all(plateau, elsewhere)), 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.c.until(t)
			if err := r.describe(); err != nil {
				t.Fatal(err)
			}
			sources, g := r.Plan.Groups[0].Sources, &r.Record.Groups[0]
			if text := strings.Join(g.Sources, ","); len(sources) != tt.n || text != tt.text {
				t.Errorf("%d sources, %q; want %d, %q", len(sources), text, tt.n, tt.text)
			}
			if chosen := len(tt.c.Plan.Groups[0].Sources) == 0 && tt.n > 0; chosen && (g.SourcesChosen != tt.n || fmt.Sprintf("%v-%v", sources[0], sources[tt.n-1]) != tt.text) {
				t.Errorf("%d chosen, %v to %v", g.SourcesChosen, sources[0], sources[tt.n-1])
			}
			if made := r.Sandbox != nil && slices.Contains(r.Sandbox.Sources, sandbox.Range6()); made != (r.V6 && r.chosen > 0) {
				t.Errorf("the sandbox makes IPv6 sources local: %v", made)
			}
		})
	}
}

// A plan that wants more than there is, is refused with what there is and what would do.
func TestShortages(t *testing.T) {
	facts := func(change func(f *host.Facts)) func(*asked, *loadgen.Group) {
		return func(c *asked, _ *loadgen.Group) { change(&c.Host) }
	}
	for _, tt := range []struct {
		name string
		c    *asked
		want string
	}{
		{"enough", planOf(1_000_000, plateau), ""},
		{
			"memory", planOf(1_000_000, all(plateau, facts(func(f *host.Facts) { f.AvailableBytes = 4 << 30 }))),
			"--connections 1,000,000: needs about 7.58 GiB of memory (7.46 GiB in the kernel for 2,000,000 sockets and their 1,000,000 TIME_WAITs, 119 MiB in this process), 4.00 GiB available (MemAvailable); a load may use 3.60 GiB: ask for at most 473,693 connections",
		},
		{
			"the cgroup's memory", planOf(100_000, all(plateau, closing("client:rst"), facts(func(f *host.Facts) { f.CgroupMemoryBytes = 256 << 20 }))),
			"--connections 100,000: needs about 745 MiB of memory (715 MiB in the kernel for 200,000 sockets, 29.9 MiB in this process), 256 MiB available (the cgroup's memory.max); a load may use 230 MiB: ask for at most 29,013 connections",
		},
		{
			"files", planOf(1_500_000, plateau),
			"--connections 1,500,000: needs 3,000,000 open files; the whole host may have 2,466,193 (fs.file-max), 0 are in use: raise it, or ask for at most 1,233,096 connections",
		},
		{
			"a schedule that piles up", planOf(0, all(atRate(100_000), from(20), func(c *asked, g *loadgen.Group) {
				g.Hold, c.Host.AvailableBytes = 20*time.Second, 1<<30
			})),
			"--hold 20s: needs about 4.29 GiB of memory (4.21 GiB in the kernel for 1,129,280 sockets and their 564,640 TIME_WAITs, 76.0 MiB in this process), 1.00 GiB available (MemAvailable); a load may use 922 MiB: ask for at most 116,485 connections",
		},
		{
			"many lifecycles, of which few are left in TIME_WAIT at once", planOf(64, all(counting(45_000_000), cpus(2))), "",
		},
		{
			"many lifecycles, and few buckets", planOf(64, all(counting(45_000_000), sysctl("net.ipv4.tcp_max_tw_buckets", "1000"), facts(func(f *host.Facts) { f.AvailableBytes = 128 << 20 }))), "",
		},
		{
			"memory for TIME_WAITs", planOf(64, all(counting(45_000_000), cpus(2), facts(func(f *host.Facts) { f.AvailableBytes = 2 << 30 }))),
			"--count 45,000,000: leaves up to 6,204,800 TIME_WAITs at once, for which the kernel needs about 2.96 GiB of memory; a load may use 1.80 GiB: ask for at most 3,732,963 lifecycles, or avoid TIME_WAIT (--close client:rst)",
		},
		{
			"memory for a rate's TIME_WAITs", planOf(100, all(atRate(50_000), from(200), func(c *asked, _ *loadgen.Group) { c.Plan.Duration, c.Host.AvailableBytes = time.Hour, 1<<30 })),
			"--rate 50,000: leaves up to 3,102,400 TIME_WAITs at once, for which the kernel needs about 1.48 GiB of memory; a load may use 922 MiB: ask for at most 29,735/s, or avoid TIME_WAIT (--close client:rst)",
		},
		{
			"all ports reserved", planOf(64, sysctl("net.ipv4.ip_local_reserved_ports", "1024-65535")),
			"--sysctl net.ipv4.ip_local_reserved_ports=1024-65535: all local ports from 32768 to 60999 (net.ipv4.ip_local_port_range) are reserved, and connect chooses no reserved port: reserve fewer, or widen the range",
		},
		{
			"all ports of the host reserved", planOf(64, all(elsewhere, facts(func(f *host.Facts) { f.Sysctls["net.ipv4.ip_local_reserved_ports"] = "32768-60999" }))),
			"net.ipv4.ip_local_reserved_ports=32768-60999: all local ports from 32768 to 60999 (net.ipv4.ip_local_port_range) are reserved, and connect chooses no reserved port: reserve fewer, or widen the range",
		},
		{
			"all source ports reserved", planOf(64, all(sysctl("net.ipv4.ip_local_reserved_ports", "40000-40999"), func(_ *asked, g *loadgen.Group) { g.SourcePorts = sockstate.PortRange{Lo: 40000, Hi: 40099} })),
			"--source-ports 40000-40099: all of them are reserved (net.ipv4.ip_local_reserved_ports=40000-40999), and connect chooses no reserved port: want others, or reserve fewer",
		},
		{
			"addresses", planOf(100_000, all(plateau, from(2))),
			"--connections 100,000: a --plateau holds them all at once, but there are only 2 source addresses x 28,232 ports = 56,464: ask for at most that many, or run with more --source addresses: 4, or without --source, so that lastack chooses",
		},
		{
			"source ports", planOf(500, all(plateau, func(_ *asked, g *loadgen.Group) { g.SourcePorts = sockstate.PortRange{Lo: 40000, Hi: 40099} })),
			"--connections 500: a --plateau holds them all at once, but there are only 1 source address x 100 ports = 100: ask for at most that many, or run with more --source addresses: 5, or with more --source-ports",
		},
		{
			"a range", planOf(500, all(plateau, sysctl(portRangeKey, "40000 40099"))),
			"--connections 500: a --plateau holds them all at once, but there are only 1 source address x 100 ports = 100: ask for at most that many, or run with more --source addresses: 5, or with a wider net.ipv4.ip_local_port_range",
		},
		{"a range that runs out, no plateau", planOf(500, sysctl(portRangeKey, "40000 40099")), ""},
		{
			"targets", planOf(60_000, all(plateau, elsewhere, func(_ *asked, g *loadgen.Group) {
				g.Targets = append(g.Targets, netip.MustParseAddrPort("127.0.0.1:10"))
			})),
			"--connections 60,000: a --plateau holds them all at once, but there are only 1 source address x 28,232 ports x 2 targets = 56,464: ask for at most that many, or run with more --source addresses: 2",
		},
		{
			"the target's own port in the range", planOf(28_232, all(plateau, elsewhere, to("127.0.0.1:40000"))),
			"--connections 28,232: a --plateau holds them all at once, but there are only 1 source address x 28,231 ports = 28,231: ask for at most that many, or run with more --source addresses: 2",
		},
		{"all but the target's own port", planOf(28_231, all(plateau, elsewhere, to("127.0.0.1:40000"))), ""},
		{
			"the targets' own ports among the source ports", planOf(197, all(plateau, elsewhere, to("127.0.0.1:40000", "127.0.0.2:40000", "127.0.0.1:40099"), func(_ *asked, g *loadgen.Group) {
				g.SourcePorts = sockstate.PortRange{Lo: 40_000, Hi: 40_064}
			})),
			"--connections 197: a --plateau holds them all at once, but there are only 1 source address x 64 ports x 3 targets = 192: ask for at most that many, or run with more --source addresses: 2, or with more --source-ports",
		},
		{
			"more targets' own ports than the load goes around", planOf(819, all(plateau, elsewhere, to(
				"127.0.0.1:40001", "127.0.0.1:40003", "127.0.0.1:40005", "127.0.0.1:40007", "127.0.0.1:40009",
				"127.0.0.1:40011", "127.0.0.1:40013", "127.0.0.1:40015", "127.0.0.1:40017",
			), facts(func(f *host.Facts) { f.Sysctls[portRangeKey] = "40000 40099" }))),
			"",
		},
		{
			"more targets' own ports than the load goes around, and one connection too many", planOf(820, all(plateau, elsewhere, to(
				"127.0.0.1:40001", "127.0.0.1:40003", "127.0.0.1:40005", "127.0.0.1:40007", "127.0.0.1:40009",
				"127.0.0.1:40011", "127.0.0.1:40013", "127.0.0.1:40015", "127.0.0.1:40017",
			), facts(func(f *host.Facts) { f.Sysctls[portRangeKey] = "40000 40099" }))),
			"--connections 820: a --plateau holds them all at once, but there are only 1 source address x 91 ports x 9 targets = 819: ask for at most that many, or run with more --source addresses: 2",
		},
		{"a target's port in the range, reserved", planOf(28_231, all(plateau, elsewhere, to("127.0.0.1:40000"), sysctl("net.ipv4.ip_local_reserved_ports", "40000"))), ""},
		{"a target elsewhere with a port in the range", planOf(28_232, all(plateau, elsewhere, to("192.0.2.1:40000"))), ""},
		{"a target outside the range", planOf(28_232, all(plateau, elsewhere, to("127.0.0.1:9"))), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.c.resolve()
			if err == nil && tt.want == "" {
				return
			}
			var refused *sockstate.ValueError
			if !errors.As(err, &refused) {
				t.Fatalf("%T %v, want a *sockstate.ValueError", err, err)
			}
			if got := err.Error(); got != tt.want {
				t.Errorf("-want +got:\n%s", cmp.Diff(tt.want, got))
			}
		})
	}
}

func TestBufferWarning(t *testing.T) {
	c := planOf(10_000, func(_ *asked, g *loadgen.Group) {
		g.Exchange = exchange.Spec{Kind: exchange.Echo, Request: 1, Response: 1 << 20}
	})
	want := "pressure.memory: the exchanges of 10,000 connections may have 19.5 GiB in TCP buffers at once, but the whole host has only 2.20 GiB of 2.20 GiB left (tcp_mem), above which the kernel drops data: 1,124 connections are safe"
	for c, want := range map[*asked][]string{planOf(1000, nil): nil, c: {want}} {
		s, err := c.resolve()
		if d := cmp.Diff(want, s.Warnings); d != "" || err != nil {
			t.Errorf("-want +got:\n%s%v", d, err)
		}
	}
}

// With rings the descriptors bound only the rings.
func TestDivideRings(t *testing.T) {
	for _, tt := range []struct {
		name         string
		c            *asked
		limit        int64
		load, server int
		err          string
	}{
		{"a few", planOf(64, nil), 20_000, 64, 32 + 8 + 4096, ""},
		{"a million under ulimit -n 20000", planOf(1_000_000, plateau), 20_000, 1_000_000, 625_000 + 4096, ""},
		{"under ulimit -n 1024", planOf(100_000, plateau), 1024, 100_000, 62_500 + 4096, ""},
		{"a target elsewhere", planOf(1_000_000, elsewhere), 20_000, 1_000_000, 0, ""},
		{"workers share a listener", planOf(1000, func(c *asked, _ *loadgen.Group) { c.Server.Listeners = 1 }), 1024, 1000, 1250 + 4096, ""},
		{"listeners that cannot be dealt out evenly", planOf(3000, func(c *asked, _ *loadgen.Group) { c.Server.Listeners = 3 }), 1024, 3000, 2500 + 4096, ""},
		{"the server leaks", planOf(64, func(_ *asked, g *loadgen.Group) { g.OnEOF.Kind = teardown.ReactNever }), 1024, 64, host.MaxSpareSlots, ""},
		{"a schedule: no more than its timeouts allow", planOf(0, all(atRate(1000), func(c *asked, _ *loadgen.Group) { c.Plan.Duration = time.Hour })), 20_000, 10_000, 5000 + 1250 + 4096, ""},
		{"a schedule: no more than it starts", planOf(0, atRate(100)), 20_000, 1000, 500 + 125 + 4096, ""},
		{"a schedule until a count", planOf(0, all(atRate(1000), counting(50))), 20_000, 50, 25 + 6 + 4096, ""},
		{"a schedule without end", planOf(0, all(atRate(1e6), func(c *asked, _ *loadgen.Group) { c.Plan.Duration = time.Hour })), 20_000, host.MaxSpareSlots, host.MaxSpareSlots/2 + host.MaxSpareSlots/8 + 4096, ""},
		{
			"too few descriptors for the rings", planOf(100_000, plateau), 256, 0, 0,
			"--connections 100,000: needs 786 rings of 256 sockets (a descriptor each), and RLIMIT_NOFILE leaves 182 of 256: raise it (ulimit -n), or ask for at most 22,784",
		},
		{
			"hardly any descriptors", planOf(100, nil), 60, 0, 0,
			"--connections 100: needs 8 rings of 60 sockets (a descriptor each), and RLIMIT_NOFILE leaves 0 of 60: raise it (ulimit -n)",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.c.Host.NoFileSoft = uint64(tt.limit)
			load, srv, err := tt.c.until(t).slots()
			text := ""
			if err != nil {
				text = err.Error()
			}
			if load != tt.load || srv != tt.server || text != tt.err {
				t.Errorf("load %d, server %d, error %q\nwant %d, %d, %q", load, srv, text, tt.load, tt.server, tt.err)
			}
		})
	}
}

// Clients that keep their connections need a local port each, of all groups together.
func TestCheckKept(t *testing.T) {
	facts := &host.Facts{Sysctls: map[string]string{"net.ipv4.ip_local_port_range": "40000 40099"}}
	kept := func(n int) loadgen.Group {
		return loadgen.Group{Connections: n, Keep: loadgen.KeepIdle, Targets: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:80")}}
	}
	arrivals := loadgen.Group{RateFrom: 10, RateTo: 10, Targets: kept(1).Targets}
	for _, tt := range []struct {
		name   string
		groups []loadgen.Group
		facts  *host.Facts
		want   string // in the error; empty: none
	}{
		{"as many as there are", []loadgen.Group{kept(60), kept(40)}, facts, ""},
		{"one more", []loadgen.Group{kept(60), kept(41)}, facts, "1 source address x 100 ports = 100: ask for at most 100"},
		{"none left for the arrivals", []loadgen.Group{kept(60), kept(40), arrivals}, facts, "and the arrivals need one"},
		{"arrivals alone", []loadgen.Group{arrivals}, facts, ""},
		{"ports unknown", []loadgen.Group{kept(1000)}, &host.Facts{}, ""},
	} {
		err := newResolver(&Spec{Plan: loadgen.Plan{Groups: tt.groups}}, &Facts{Host: *tt.facts}).checkKept()
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestDivideDescriptors(t *testing.T) {
	group := func(n int) loadgen.Group { return loadgen.Group{Connections: n} }
	tests := []struct {
		name         string
		groups       []loadgen.Group
		embedded     bool
		limit        int64
		load, server int
		err          string
	}{
		{"both ends here", []loadgen.Group{group(100)}, true, 1024, 100, 860, ""},
		{"to the last one", []loadgen.Group{group(480)}, true, 1024, 480, 480, ""},
		{
			"one too many",
			[]loadgen.Group{group(481)},
			true, 1024, 0, 0,
			"--connections 481: needs 962 descriptors (a descriptor at each end, both in this process), and RLIMIT_NOFILE leaves 960 of 1,024: raise it (ulimit -n), or ask for at most 480",
		},
		{"a target elsewhere", []loadgen.Group{group(960)}, false, 1024, 960, 0, ""},
		{
			"groups add up",
			[]loadgen.Group{group(500), group(461)},
			false, 1024, 0, 0,
			"--connections 961: needs 961 descriptors (a descriptor each), and RLIMIT_NOFILE leaves 960 of 1,024: raise it (ulimit -n), or ask for at most 960",
		},
		{"open loop without a cap", []loadgen.Group{group(0)}, true, 1024, 480, 480, ""},
		{"open loop to a target elsewhere", []loadgen.Group{group(0)}, false, 1024, 960, 0, ""},
		{"no limit", []loadgen.Group{group(1_000_000)}, true, 1<<63 - 1, 1_000_000, 1 << 20, ""},
		{
			"hardly any",
			[]loadgen.Group{group(1)},
			true, 60, 0, 0,
			"--connections 1: needs 2 descriptors (a descriptor at each end, both in this process), and RLIMIT_NOFILE leaves 0 of 60: raise it (ulimit -n)",
		},
		{
			"none for an open loop",
			[]loadgen.Group{group(0)},
			true, 60, 0, 0,
			"--connections 1: needs 2 descriptors (a descriptor at each end, both in this process), and RLIMIT_NOFILE leaves 0 of 60: raise it (ulimit -n)",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := resolver{Setup: Setup{Plan: loadgen.Plan{Groups: tt.groups}}}
			if tt.embedded {
				r.Server = new(server.Config)
			}
			load, srv, err := r.divideFds(tt.limit)
			text := ""
			if err != nil {
				var refused *sockstate.ValueError
				if !errors.As(err, &refused) {
					t.Errorf("%T, want a *sockstate.ValueError", err)
				}
				text = err.Error()
			}
			if load != tt.load || srv != tt.server || text != tt.err {
				t.Errorf("load %d, server %d, error %q\nwant %d, %d, %q", load, srv, text, tt.load, tt.server, tt.err)
			}
		})
	}
}
