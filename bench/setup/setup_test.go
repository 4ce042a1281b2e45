package setup

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lastack/bench/sandbox"
	"lastack/loadgen"
	"lastack/server"
	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

func addrs(texts ...string) (all []netip.Addr) {
	for _, s := range texts {
		all = append(all, netip.MustParseAddr(s))
	}
	return all
}

func sources(texts ...string) func(*asked, *loadgen.Group) {
	return func(_ *asked, g *loadgen.Group) { g.Sources = addrs(texts...) }
}

func given(flags ...string) func(*asked, *loadgen.Group) {
	return func(c *asked, _ *loadgen.Group) { c.Given = flags }
}

func hold(d time.Duration) func(*asked, *loadgen.Group) {
	return func(_ *asked, g *loadgen.Group) { g.Hold = d }
}

func sourcePorts(lo, hi uint16) func(*asked, *loadgen.Group) {
	return func(_ *asked, g *loadgen.Group) { g.SourcePorts = sockstate.PortRange{Lo: lo, Hi: hi} }
}

func engine(name string) func(*asked, *loadgen.Group) {
	return func(c *asked, _ *loadgen.Group) { c.Engine = name }
}

func noRing(c *asked, _ *loadgen.Group) { c.NoRing = "io_uring is switched off" }

func onHost(c *asked, _ *loadgen.Group) { c.Sandbox = nil }

func v6(c *asked, _ *loadgen.Group) { c.Server.V6 = true }

func named(c *asked, _ *loadgen.Group) { c.Names = []string{"web:80"} }

// What cannot be carried out is refused, with the flag, its value and what is accepted.
func TestRefusals(t *testing.T) {
	foreign := all(elsewhere, named)
	for _, tt := range []struct {
		name   string
		change func(*asked, *loadgen.Group)
		want   string
	}{
		{"a plan", func(_ *asked, g *loadgen.Group) { g.Connections = -1 }, "--connections -1: want 1 to 100000000"},
		{"no group", func(c *asked, _ *loadgen.Group) { c.Plan.Groups = nil }, "--groups 0: want 1 to 64"},
		{"workers", func(c *asked, _ *loadgen.Group) { c.Plan.Workers = 1025 }, "--workers 1025: want 0 (automatic) to 1024"},
		{"a server", func(c *asked, _ *loadgen.Group) { c.Server.Backlog = -1 }, "--backlog -1: want 1 to 1048576"},
		{"the interval", func(c *asked, _ *loadgen.Group) { c.Interval = time.Millisecond }, "--interval 1ms: want 10ms to 1h"},
		{"a duration and a plateau", func(_ *asked, g *loadgen.Group) { g.Plateau = time.Second }, "--duration 10s: not with --plateau, which ends when all connections are closed"},
		{"a count and a plateau", all(plateau, counting(5)), "--count 5: not with --plateau, which opens --connections once"},
		{"a leak that needs room", all(counting(11), closing("never")), "--count 11: with --close never no slot becomes free for another connection: want at most --connections, 10"},
		{"an engine", engine("kqueue"), "--engine kqueue: want auto, uring, epoll"},
		{"no rings", all(engine(uring), noRing), "--engine uring: io_uring is switched off"},
		{
			"descriptors", all(elsewhere, engine(epoll), func(c *asked, g *loadgen.Group) { c.Host.NoFileSoft, c.Plan.Workers, g.Connections = 1024, 1, 961 }),
			"--connections 961: needs 961 descriptors (a descriptor each), and RLIMIT_NOFILE leaves 958 of 1,024: raise it (ulimit -n), or ask for at most 958",
		},
		{
			"open files of the host", func(c *asked, _ *loadgen.Group) { c.Host.Sysctls["fs.file-max"], c.Host.Usage.Files = "5000", 4990 },
			"--connections 10: needs 20 open files; the whole host may have 5,000 (fs.file-max), 4,990 are in use: raise it, or ask for at most 5 connections",
		},
		{"a public target", all(foreign, to("8.8.8.8:53"), func(c *asked, _ *loadgen.Group) { c.AllowPublic = false }), `target "web:80": 8.8.8.8 is a public address: want a private or loopback address, or --allow-public if its owner consents to the load`},
		{"a process of its own", func(c *asked, _ *loadgen.Group) { c.ServerPID = 7 }, "--server-pid 7: needs a TARGET; the embedded server is in this process"},
		{"a sandbox for a target", all(foreign, given("topology")), "--topology: a sandbox contains both ends, so there can be no TARGET: leave out web:80, or the flag"},
		{"the embedded server's", all(foreign, given("backlog")), "--backlog: applies to the embedded server, and a run with a TARGET (web:80) has none: leave it out"},
		{"the target's reaction", all(foreign, given("on-eof")), "--on-eof close: with --close client:fin the server reacts, and lastack does not control a TARGET: want --close server:*, or no TARGET"},
		{"the target's hold", all(foreign, closing("server:fin"), hold(time.Second)), "--hold 1s: applies to the side that closes first, which with --close server:fin is the target: want --close client:*"},
		{
			"a source elsewhere", all(elsewhere, sources("127.0.0.1", "192.0.2.1"), func(c *asked, _ *loadgen.Group) { c.Facts.Sources.Foreign = addrs("192.0.2.1") }),
			"--source 192.0.2.1: is not an address of this host: want one that is, or add it (ip addr add, ip route add local)",
		},
		{"a multicast address among the sources", all(elsewhere, sources("127.0.0.1", "224.0.0.1")), "--source 224.0.0.1: want a unicast address of this host"},
		{"any address among the sources", all(elsewhere, sources("127.0.0.1", "0.0.0.0")), "--source 0.0.0.0: want a unicast address of this host"},
		{
			"a broadcast address", all(elsewhere, sources("127.255.255.255"), func(c *asked, _ *loadgen.Group) { c.Facts.Sources.Broadcast = addrs("127.255.255.255") }),
			"--source 127.255.255.255: is a broadcast address here, and the kernel would send from another address: want an address of one host, or a range without it",
		},
		{"IPv4 to a server on IPv6", all(v6, func(_ *asked, g *loadgen.Group) { g.Sources = addrs("127.0.0.1") }, func(c *asked, _ *loadgen.Group) { c.Spec.Sources = "127.0.0.1" }), "--source 127.0.0.1: with --ipv6 the embedded server accepts no IPv4: want IPv6 addresses"},
		{"loopback across a veth pair", all(veth, sources("127.0.0.2"), func(c *asked, _ *loadgen.Group) { c.Spec.Sources = "127.0.0.2/32" }), "--source 127.0.0.2/32: a loopback address cannot reach a server across a veth pair: want other addresses, or --topology lo"},
		{
			"source ports elsewhere", all(elsewhere, sourcePorts(30_000, 40_000)),
			"--source-ports 30000-40000: the kernel ignores ports outside net.ipv4.ip_local_port_range (32768 to 60999): want ports inside, or widen the range",
		},
		{
			"source ports outside of the range that was asked for", all(sourcePorts(30_000, 40_000), sysctl(portRangeKey, "40000 50000")),
			"--source-ports 30000-40000: the kernel ignores ports outside net.ipv4.ip_local_port_range (40000 to 50000): want ports inside, or widen the range",
		},
		{"privileged source ports", sourcePorts(1000, 2000), "--source-ports 1000-2000: the kernel chooses no local port below 1024 (net.ipv4.ip_unprivileged_port_start): want LO of 1024 or more"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := planOf(10, tt.change).resolve()
			if e, ok := errors.AsType[*sockstate.ValueError](err); !ok || e.Error() != tt.want {
				t.Errorf("%T %v\nwant %s", err, err, tt.want)
			}
			if d := cmp.Diff(Setup{}, s); d != "" {
				t.Errorf("there is a setup:\n%s", d)
			}
		})
	}
}

// What nobody asked for is chosen.
func TestChoices(t *testing.T) {
	threads := func(workers, listeners int) string {
		return fmt.Sprintf("%d workers, %d listeners", workers, listeners)
	}
	open := func(c *asked, _ *loadgen.Group) { c.Plan.Workers, c.Server.Workers, c.Server.Listeners = 0, 0, 0 }
	for _, tt := range []struct {
		name        string
		connections int
		change      func(*asked, *loadgen.Group)
		of          func(*Setup) any
		want        any
	}{
		{"connections", 0, nil, func(s *Setup) any { return s.Plan.Groups[0].Connections }, 64},
		{"no cap for a schedule", 0, atRate(100), func(s *Setup) any { return s.Plan.Groups[0].Connections }, 0},
		{"duration", 1, func(c *asked, _ *loadgen.Group) { c.Plan.Duration = 0 }, func(s *Setup) any { return s.Plan.Duration }, 10 * time.Second},
		{"until a count", 1, counting(5), func(s *Setup) any { return s.Plan.Duration }, time.Duration(0)},
		{"a count within a duration", 1, func(c *asked, _ *loadgen.Group) { c.Plan.Count = 5 }, func(s *Setup) any { return s.Plan.Duration }, 10 * time.Second},
		{"interval", 1, nil, func(s *Setup) any { return s.Interval }, time.Second},

		{"workers: one a CPU", 64, all(open, cpus(4)), func(s *Setup) any { return s.Plan.Workers }, 4},
		{"workers: as the quota allows", 64, all(open, func(c *asked, _ *loadgen.Group) { c.Host.CPUs, c.Host.CPUQuota = 8, 2.5 }), func(s *Setup) any { return s.Plan.Workers }, 3},
		{"workers: as the rate needs", 0, all(open, cpus(4), atRate(15_000)), func(s *Setup) any { return s.Plan.Workers }, 2},
		{"workers: no more than connections", 1, all(open, cpus(4)), func(s *Setup) any { return s.Plan.Workers }, 1},
		{"the server's workers", 1, all(open, cpus(4)), func(s *Setup) any { return threads(s.Server.Workers, s.Server.Listeners) }, threads(4, 4)},
		{"the server's workers, as the load's were asked for", 64, all(open, cpus(4), func(c *asked, _ *loadgen.Group) { c.Plan.Workers = 3 }), func(s *Setup) any { return threads(s.Server.Workers, s.Server.Listeners) }, threads(3, 3)},
		{"threads", 64, nil, func(s *Setup) any { return s.Threads }, 6},
		{"threads without a server", 64, elsewhere, func(s *Setup) any { return s.Threads }, 4},
		{"backlog", 64, nil, func(s *Setup) any { return s.Server.Backlog }, server.DefaultBacklog},

		{"rings", 64, nil, func(s *Setup) any { return s.Engine + s.EngineReason }, "uring"},
		{"no rings", 64, noRing, func(s *Setup) any { return s.Engine + ": " + s.EngineReason }, "epoll: io_uring is switched off"},
		{"epoll, asked for", 64, all(engine(epoll), noRing), func(s *Setup) any { return s.Engine + s.EngineReason }, "epoll"},
		{"memory for rings of whoever may lock any", 64, rings(0), func(s *Setup) any { return s.Engine }, "uring"},
		{"no exemption in a user namespace", 64, rings(1000), func(s *Setup) any { return s.Engine }, "epoll"},

		{"CPUs shared", 64, nil, func(s *Setup) any { return fmt.Sprint(s.CPUs, s.Server.CPUs) }, "[0 1] [0 1]"},
		{"CPUs not shared with a schedule", 64, atRate(10), func(s *Setup) any { return len(s.CPUs) }, 0},
		{"CPUs not shared without a listener each", 64, func(c *asked, _ *loadgen.Group) { c.Server.Listeners = 1 }, func(s *Setup) any { return len(s.CPUs) }, 0},
		{"CPUs not shared by epoll", 64, engine(epoll), func(s *Setup) any { return len(s.CPUs) }, 0},
		{"too few CPUs", 64, func(c *asked, _ *loadgen.Group) { c.CPUs = []int{0} }, func(s *Setup) any { return len(s.CPUs) }, 0},

		{"server's ports outside the range", 64, sysctl(portRangeKey, "7000 20000"), func(s *Setup) any { return s.ServerPorts[0] }, uint16(27777)},
		{"the range of the source ports", 64, sourcePorts(30_000, 40_000), func(s *Setup) any { return s.Sandbox.Sysctls }, []sandbox.Sysctl{{Key: portRangeKey, Value: "30000 40000"}}},
		{"sources made local", 64, sources("10.1.0.0", "10.1.0.1", "127.0.0.9"), func(s *Setup) any { return fmt.Sprint(s.Sandbox.Sources, s.NeedsSandbox) }, "[10.1.0.0/31]--source"},
		{"so many sources, though one would do", 64, all(veth, sysctl(portRangeKey, "7000 20000"), func(c *asked, _ *loadgen.Group) { c.SourceCount = 3 }), func(s *Setup) any { return texts(s.Plan.Groups[0].Sources) }, []string{"198.18.1.1", "198.18.1.2", "198.18.1.3"}},
		{"one source, though more would be chosen", 100_000, func(c *asked, _ *loadgen.Group) { c.SourceCount = 1 }, func(s *Setup) any { return len(s.Plan.Groups[0].Sources) }, 0},
		{"the host's hash, though a larger one would be chosen", 0, all(atRate(10_000), func(c *asked, _ *loadgen.Group) { c.SharedHash, c.Plan.Duration = true, time.Hour }), func(s *Setup) any { return s.Sandbox.EhashEntries }, 0},
		{"a flag needs the sandbox", 64, given("rate", "topology", "loss"), func(s *Setup) any { return s.NeedsSandbox }, "--loss"},
		{"none needs it", 64, given("rate"), func(s *Setup) any { return s.NeedsSandbox }, ""},
		{"no sandbox", 64, onHost, func(s *Setup) any { return s.Sandbox == nil }, true},
		{"sources as typed", 64, all(elsewhere, sources("127.0.0.2", "127.0.0.3"), func(c *asked, _ *loadgen.Group) { c.Spec.Sources = "127.0.0.2-127.0.0.3,127.0.0.2" }), func(s *Setup) any { return s.Record.Groups[0].Sources }, []string{"127.0.0.2-127.0.0.3", "127.0.0.2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := planOf(tt.connections, tt.change)
			before := mustJSON(t, c)
			s, err := c.resolve()
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, tt.of(&s), cmpopts.EquateComparable(sandbox.Sysctl{})); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			if d := cmp.Diff(before, mustJSON(t, c)); d != "" {
				t.Errorf("Resolve changed what was asked for:\n%s", d)
			}
		})
	}
}

// rings is a user who may lock any memory, but not in the sandbox of uid.
func rings(uid int) func(*asked, *loadgen.Group) {
	return func(c *asked, _ *loadgen.Group) {
		c.Host.MemLock, c.Host.UID, c.Host.InitialUserNS, c.Host.Capabilities = 4096, uid, true, []string{"ipc_lock", "sys_admin"}
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A spec and a setup go through a pipe, and nothing of them is lost.
func TestPlainData(t *testing.T) {
	c := planOf(100_000, all(plateau, veth, v6, sysctl("net.ipv4.tcp_fin_timeout", "7"), func(c *asked, g *loadgen.Group) {
		g.Close, g.OnEOF = teardown.Policy{Who: teardown.ClientFirst, How: teardown.Half}, teardown.Reaction{Kind: teardown.ReactDelay, Delay: 5}
		g.Exchange, g.Headers = exchange.Spec{Kind: exchange.HTTP, Path: "/x"}, []string{"A: b"}
		c.Given, c.Version, c.Command, c.Names, c.Resolved = []string{"veth"}, "1", []string{"lastack", "run"}, []string{"n"}, []string{"r"}
		c.Sandbox.Loss = 0.01
	}))
	s, err := c.resolve()
	if err != nil {
		t.Fatal(err)
	}
	equal := cmp.Options{
		cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
		cmpopts.EquateEmpty(), cmpopts.IgnoreTypes(sockio.Backend{}),
	}
	var spec Spec
	var facts Facts
	var got Setup
	for from, to := range map[any]any{&c.Spec: &spec, &c.Facts: &facts, &s: &got} {
		if err := json.Unmarshal([]byte(mustJSON(t, from)), to); err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range []string{cmp.Diff(c.Spec, spec, equal), cmp.Diff(c.Facts, facts, equal), cmp.Diff(s, got, equal)} {
		if d != "" {
			t.Error(d)
		}
	}
	again, err := Resolve(spec, facts)
	if d := cmp.Diff(s, again, equal); d != "" || err != nil {
		t.Errorf("resolved again: %v\n%s", err, d)
	}
}
