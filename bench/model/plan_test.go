package model

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

func limitOf(t *testing.T, c *record.Capacity, name, side string) *record.CapacityLimit {
	t.Helper()
	i := slices.IndexFunc(c.Limits, func(l record.CapacityLimit) bool { return l.Name == name && l.Side == side })
	if i < 0 {
		t.Fatalf("no limit %s of %s", name, side)
	}
	return &c.Limits[i]
}

func plan(t *testing.T, in *Input) *record.Capacity {
	t.Helper()
	c, err := Plan(*in)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The question of the introduction, by hand: 28,232 ports / (0.8 + 61.024 s) = 456.6/s, the first connection fails at 28,232 / 62.848 s =
// 449.2/s, and at 20,000/s the ports last 1.41 s.
func TestFirstLimit(t *testing.T) {
	in := testInput()
	in.Load.RateFrom, in.Load.RateTo, in.Load.Hold, in.Load.Over = 2000, 20_000, constant(800*time.Millisecond), 90*24*time.Hour
	m, _, err := newMiddle(NAT, "aws", 4, 0, &in.Client)
	if err != nil {
		t.Fatal(err)
	}
	in.Middle = m
	c := plan(t, in)
	if l := &c.Limits[0]; l.Name != record.LimitPorts || l.Side != "client" {
		t.Fatalf("first: %+v", l)
	}
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got/want-1) > 1e-3 {
			t.Errorf("%s: %g, want %g", what, got, want)
		}
	}
	l := &c.Limits[0]
	near("reached at", l.Reached.Value, 456.65)
	near("at least", l.Reached.Lo, 449.21)
	near("at most", l.Reached.Hi, 464.34)
	near("full after", l.FullAfterS.Value, 1.4116)
	near("used", l.Use, 20_000*62.848/28232)
	nat := limitOf(t, c, record.LimitNATPorts, NAT)
	near("NAT: at least", nat.Reached.Lo, 220_000/120.8)
	near("NAT: full after", nat.FullAfterS.Value, 11)
	buckets := limitOf(t, c, record.LimitTWBuckets, "client")
	near("buckets", buckets.Reached.Value, 131072/61.024)
	near("buckets: when", *buckets.WhenS, 90*24*3600*(131072/61.024-2000)/18000)
	if *l.WhenS != 0 {
		t.Errorf("the ports do not last for the lowest rate, but are reached after %g s of the growth", *l.WhenS)
	}
	if l := limitOf(t, c, record.LimitFds, "client"); l.FullAfterS != nil || l.WhenS != nil {
		t.Errorf("descriptors last: %+v", l)
	}
	if f := c.Effects[0]; f.Input != "tcp_tw_reuse" || f.First != record.LimitNATPorts {
		t.Errorf("what has the most effect: %+v", f)
	}
}

// A SYN from the same port reopens the server's TIME_WAIT, so that 500 of them take more than 500 connections: connect chooses among the 1,000 ports
// of its first pass, and after n connections 1000 (1 - exp(-n/1000)) are in TIME_WAIT, with n = 693.
func TestFullAfterReopened(t *testing.T) {
	in := testInput()
	in.Load.RateFrom, in.Load.RateTo, in.Load.Close = 16, 16, policy(t, "server:fin")
	in.Client.Ports, in.Client.FirstPass, in.Server.Buckets = 2000, 1000, 500
	if l := limitOf(t, plan(t, in), record.LimitTWBuckets, "server"); l.FullAfterS == nil || math.Abs(l.FullAfterS.Value-1000*math.Ln2/16) > 0.1 {
		t.Errorf("%+v, full after %+v", l, l.FullAfterS)
	}
}

// A leak fills any limit: after limit / rate.
func TestLeak(t *testing.T) {
	in := testInput()
	in.Load.OnEOF = reaction(t, "never")
	c := plan(t, in)
	l := limitOf(t, c, record.LimitFds, "server")
	if !l.Peak.Endless || l.Peak.Value != 1000 || l.Reached.Value != 0 || math.Abs(l.FullAfterS.Value-20) > 0.01 {
		t.Errorf("%+v, full after %+v", l, l.FullAfterS)
	}
	if !slices.ContainsFunc(c.Changes, func(c record.CapacityChange) bool { return c.Where == PlaceApplication }) {
		t.Errorf("no change of the application: %+v", c.Changes)
	}
	if _, err := json.Marshal(c); err != nil {
		t.Error(err) // of an infinite number
	}
}

// inputsAtRandom are loads of all kinds.
func inputsAtRandom(t *testing.T, n int) []*Input {
	t.Helper()
	r := rand.New(rand.NewPCG(3, 4))
	policies := teardown.Policies()
	var all []*Input
	for range n {
		in := testInput()
		l := &in.Load
		l.Close = policies[r.IntN(len(policies))]
		if l.Close.Who == teardown.ClientFirst || l.Close.Who == teardown.ServerFirst {
			l.OnEOF = reaction(t, []string{"close", "delay=100ms", "delay=70s", "never", "rst"}[r.IntN(5)])
		}
		l.Exchange = exchange.Spec{Kind: exchange.Echo, Request: 1 + r.IntN(1000), Response: 1 + r.IntN(100_000)}
		l.Hold = []Time{constant(0), constant(800 * time.Millisecond), between(0, 5*time.Second), exponential(time.Minute)}[r.IntN(4)]
		l.RTT, l.Poisson = []Time{constant(0), between(0, 20*time.Millisecond)}[r.IntN(2)], r.IntN(2) == 0
		l.Sources, l.Targets, l.RateTo = 1+r.IntN(40), 1+r.IntN(3), float64(1+r.IntN(20_000))
		l.RateFrom = l.RateTo / 2
		in.Client.Reuse, in.Client.HZ = r.IntN(4) == 0, []int{0, 100, 250, 1000}[r.IntN(4)]
		names := slices.Concat(MiddleNames(NAT), MiddleNames(Balancer), []string{"", ""})
		switch i := r.IntN(len(names)); {
		case names[i] == "":
		case i < len(MiddleNames(NAT)):
			in.Middle, _, _ = newMiddle(NAT, names[i], 1+r.IntN(8), 0, &in.Client)
			in.Middle.Conntrack = int64(1000 + r.IntN(1_000_000))
		default:
			in.Middle, _, _ = newMiddle(Balancer, names[i], 1+r.IntN(8), 0, &in.Client)
		}
		all = append(all, in)
	}
	return all
}

// Every need grows with the rate, has its value within its interval, and meets its limit at the rate at which that is reached.
func TestNeedsGrow(t *testing.T) {
	for i, in := range inputsAtRandom(t, 60) {
		needs := needsOf(in)
		for _, n := range needs {
			last := span{}
			for rate := 0.5; rate < 1e6; rate *= 1.7 {
				now := n.at(rate)
				if now.lo > now.mean*(1+1e-9) || now.mean > now.hi*(1+1e-9) || math.IsNaN(now.lo+now.mean+now.hi) && !math.IsInf(now.mean, 1) {
					t.Fatalf("input %d: %s of %s at %g/s is %v", i, n.name, n.side, rate, now)
				}
				// Open connections take the ports of TIME_WAITs that are reused.
				displaced := n.name == sockstate.TimeWait.String() && (n.side != sockstate.Client.String() || in.Client.Reuse)
				if !displaced && now.mean < last.mean*(1-1e-9) || !displaced && now.hi < last.hi*(1-1e-9) {
					t.Fatalf("input %d: %s of %s falls to %v from %v at %g/s: %+v", i, n.name, n.side, now, last, rate, in.Load)
				}
				if n.after != nil {
					if a, b := n.after(rate, 10), n.after(rate, 20); a > b*(1+1e-9) || b > n.after(rate, 1e7)*(1+1e-9) {
						t.Fatalf("input %d: %s of %s falls with time at %g/s", i, n.name, n.side, rate)
					}
				}
				last = now
			}
		}
		for _, l := range limitsOf(in, needs) {
			at := l.reached()
			if at.lo > at.mean || at.mean > at.hi {
				t.Fatalf("input %d: %s of %s is reached at %v", i, l.name, l.need.side, at)
			}
			if v := l.need.at(at.lo).hi; at.lo > 0 && !math.IsInf(at.lo, 1) && math.Abs(v/l.max-1) > 1e-6 {
				t.Fatalf("input %d: %s of %s is %g at %g/s, and not %g", i, l.name, l.need.side, v, at.lo, l.max)
			}
		}
	}
}

// Twice as many addresses bear twice the rate.
func TestLinearInAddresses(t *testing.T) {
	for _, close := range []string{"client:fin", "client:rst"} {
		in := testInput()
		in.Load.Close, in.Load.Hold = policy(t, close), constant(time.Second)
		in.Middle, _, _ = newMiddle(NAT, "azure", 2, 0, &in.Client)
		one := plan(t, in)
		in.Load.Sources, in.Middle.Addresses = 2, 4
		two := plan(t, in)
		in.Load.Targets = 3
		six := plan(t, in)
		for _, l := range []struct{ name, side string }{{record.LimitPorts, "client"}, {record.LimitNATPorts, NAT}} {
			a, b, c := limitOf(t, one, l.name, l.side).Reached.Value, limitOf(t, two, l.name, l.side).Reached.Value, limitOf(t, six, l.name, l.side).Reached.Value
			if math.Abs(b/a-2) > 1e-6 || math.Abs(c/a-6) > 1e-6 {
				t.Errorf("%s, %s: %g, %g and %g/s", close, l.name, a, b, c)
			}
		}
	}
}

// Who makes all the changes can do with what there is, with the headroom, whatever the load; unless it leaks.
func TestChangesAreEnough(t *testing.T) {
	leaks := 0
	for i, in := range inputsAtRandom(t, 60) {
		changed := in.clone()
		hosts := map[string]float64{"client": 1, "server": 1, Balancer: 1}
		for _, c := range plan(t, in).Changes {
			host := &changed.Client
			switch c.Side {
			case "server":
				host = &changed.Server
			case Balancer:
				host = &changed.Middle.host
			}
			n, _ := strconv.ParseInt(strings.ReplaceAll(c.To, ",", ""), 10, 64)
			switch c.Key {
			case "net.ipv4.ip_local_port_range":
				host.Ports, host.FirstPass = MostPorts, MostPorts/2
			case "sources":
				changed.Load.Sources = int(n)
			case "addresses":
				changed.Middle.Addresses = int(n)
			case "gateways":
				changed.Middle.Gateways = int(n)
			case "net.netfilter.nf_conntrack_max":
				changed.Middle.Conntrack = n
			case "net.netfilter.nf_conntrack_buckets":
				if n != changed.Middle.Conntrack {
					t.Errorf("%d buckets for %d entries", n, changed.Middle.Conntrack)
				}
			case "net.ipv4.tcp_max_tw_buckets":
				host.Buckets = n
			case "net.ipv4.tcp_max_orphans":
				host.Orphans = n
			case "net.core.somaxconn":
				if host.SYNBacklog == host.Backlog {
					host.SYNBacklog = n
				}
				host.Backlog = n
			case "net.ipv4.tcp_max_syn_backlog":
				host.SYNBacklog = n * 3 / 4
			case "fs.file-max":
				host.Files = n
			case "nofile":
				host.NoFile = n
			case "fs.nr_open":
			case "net.ipv4.tcp_mem":
				var low, pressure, most int64
				if _, err := fmt.Sscan(c.To, &low, &pressure, &most); err != nil || low > pressure || pressure > most {
					t.Errorf("tcp_mem %q: %v", c.To, err)
				}
				host.BufferBytes = most * pageBytes
			case "hosts":
				hosts[c.Side] = float64(n)
			case "leak":
				leaks++
			default:
				t.Fatalf("%+v", c)
			}
		}
		needs := needsOf(changed)
		for _, l := range limitsOf(changed, needs) {
			n := l.need.at(in.Load.RateTo)
			if l.name == record.LimitMemory || l.name == record.LimitCPU {
				l.max *= hosts[l.need.side]
			}
			if !math.IsInf(n.mean, 1) && n.hi > l.max*0.7*(1+1e-9) {
				t.Errorf("input %d: %s of %s is still short: %g of %g: %+v", i, l.name, l.need.side, n.hi, l.max, in.Load)
			}
		}
	}
	if leaks == 0 {
		t.Error("no load leaks")
	}
}

// With as many addresses as are advised the rate, too, has the headroom: just above, connect would not begin to search.
func TestChangesBearMore(t *testing.T) {
	in := testInput()
	in.Load.RateTo, in.Load.Close, in.Load.Hold = 20_000, policy(t, "client:fin"), constant(800*time.Millisecond)
	changed := in.clone()
	changed.Client.Ports, changed.Client.FirstPass = MostPorts, MostPorts/2
	for _, c := range plan(t, in).Changes {
		if c.Key == "sources" {
			changed.Load.Sources, _ = strconv.Atoi(c.To)
		}
	}
	c := plan(t, changed)
	for _, l := range c.Limits {
		if l.Side == "client" && slices.Contains([]string{record.LimitCPU, record.LimitPorts, record.LimitPortSearch}, l.Name) && l.Reached != nil && l.Reached.Value < 20_000/(1-in.Headroom) {
			t.Errorf("%s is reached at %g/s", l.Name, l.Reached.Value)
		}
	}
}

// The queue of handshakes is as long as somaxconn allows with SYN cookies, and three quarters of tcp_max_syn_backlog without.
func TestSYNBacklog(t *testing.T) {
	for _, tt := range []struct {
		backlog, syns int64
		want          string
	}{
		{4096, 4096, "net.core.somaxconn 4096 -> 16384"},
		{65535, 1536, "net.ipv4.tcp_max_syn_backlog 2048 -> 32768"},
		{4096, 1536, "net.ipv4.tcp_max_syn_backlog 2048 -> 32768, net.core.somaxconn 4096 -> 16384"},
	} {
		in := testInput()
		in.Load.RateTo, in.Load.RTT = 20_000, constant(500*time.Millisecond)
		in.Server.Backlog, in.Server.SYNBacklog = tt.backlog, tt.syns
		var got []string
		for _, c := range plan(t, in).Changes {
			if slices.Contains(c.Limits, record.LimitSYNDrops) {
				got = append(got, c.Key+" "+c.From+" -> "+c.To)
			}
		}
		if all := strings.Join(got, ", "); all != tt.want {
			t.Errorf("backlog %d, %d: %s, want %s", tt.backlog, tt.syns, all, tt.want)
		}
	}
}

// Each row of the table says where its figures are from, and when they were read.
func TestMiddles(t *testing.T) {
	h := testHost()
	for _, p := range providers {
		if !strings.Contains(p.source, "20") && p.Name != "linux" || p.source == "" || p.keptFIN.lo > p.keptFIN.mean || p.keptFIN.mean > p.keptFIN.hi {
			t.Errorf("%s %s: %+v", p.Kind, p.Name, p)
		}
		m, _, err := newMiddle(p.Kind, p.Name, 2, 0, &h)
		if err != nil || m.PortsEach == 0 || m.Addresses != 2 {
			t.Errorf("%s %s: %+v, %v", p.Kind, p.Name, m, err)
		}
	}
	for _, tt := range []struct {
		kind, name string
		addresses  int
		gateways   int
		want       string
	}{
		{NAT, "aws", 0, 0, "--nat aws: a NAT needs addresses: add --nat-addresses N, as many as it has"},
		{NAT, "aws", 17, 2, "--gateways 2: a gateway of aws has at most 8 addresses: want at least 3 for 17"},
		{NAT, "aws", 2, 3, "--gateways 3: each has an address at least: want at most 2, or more --nat-addresses"},
		{NAT, "cisco", 1, 0, "--nat cisco: unknown"},
	} {
		if _, _, err := newMiddle(tt.kind, tt.name, tt.addresses, tt.gateways, &h); err == nil || err.Error() != tt.want {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
}

func TestResolve(t *testing.T) {
	load := Load{RateFrom: 1, RateTo: 1, Sources: 1, Targets: 1}
	for _, tt := range []struct {
		name, want string
		spec       Spec
	}{
		{"a NAT without a name", "--nat-addresses 2: say which NAT has them: --nat linux, aws, gcp or azure", Spec{Load: load, NATAddresses: 2}},
		{"both", "--lb linux: a plan has one NAT or one load balancer", Spec{Load: load, NAT: "aws", NATAddresses: 1, LB: "linux"}},
		{"a drain", "--from a drain: want the record of a run", Spec{Load: load, From: &record.Run{Kind: record.KindDrain}}},
		{"a run without CPU times", "does not tell the CPU time", Spec{Load: load, From: &record.Run{}}},
	} {
		if _, err := Resolve(tt.spec, testHost(), nil); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	run := &record.Run{}
	run.Connections.Attempted = 10_000
	run.Pressure.CPU = record.CPU{ElapsedS: 10, GeneratorS: 0.4, ServerS: 0.2, UserS: 0.1, SystemS: 0.8}
	run.Latency = map[string]record.Latency{"connect": {MinUs: 50, MeanUs: 100, P99Us: 400}, "exchange": {MinUs: 60, MeanUs: 300, P99Us: 900}}
	in, err := Resolve(Spec{Load: load, From: run, NAT: "linux", NATAddresses: 1}, testHost(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := (span{40e-6, 50e-6, 60e-6}); math.Abs(in.CPU.client.mean-want.mean) > 1e-9 || math.Abs(in.CPU.client.hi-want.hi) > 1e-9 {
		t.Errorf("CPU %v, want %v", in.CPU.client, want)
	}
	if in.Load.RTT.Mean != 100*time.Microsecond || in.Load.Service.Mean != 200*time.Microsecond || in.Middle.Conntrack != usualConntrack || !in.ServerSame {
		t.Errorf("%+v, %+v", in.Load, in.Middle)
	}
}

func TestCheck(t *testing.T) {
	for want, change := range map[string]func(*Input){
		"--rate 5..2: ":     func(in *Input) { in.Load.RateFrom, in.Load.RateTo = 5, 2 },
		"--rate 0..0: ":     func(in *Input) { in.Load.RateFrom, in.Load.RateTo = 0, 0 },
		"--growth 5Mx: ":    func(in *Input) { in.Load.Growth = []float64{5e6} },
		"--sources 0: ":     func(in *Input) { in.Load.Sources = 0 },
		"--targets 0: ":     func(in *Input) { in.Load.Targets = 0 },
		"--headroom 1: ":    func(in *Input) { in.Headroom = 1 },
		"--hold 800h0m0s: ": func(in *Input) { in.Load.Hold = constant(800 * time.Hour) },
	} {
		in := testInput()
		change(in)
		if _, err := Plan(*in); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s...", err, want)
		}
	}
}

func TestParseTime(t *testing.T) {
	for s, want := range map[string]Time{
		"800ms": constant(800 * time.Millisecond), "0s": {}, "1s..3s": {Min: time.Second, Mean: 2 * time.Second, Max: 3 * time.Second}, "exp:1m": {Mean: time.Minute, Exponential: true},
	} {
		got, err := parseTime(s)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v", s, got, err)
		}
		if again, err := parseTime(got.String()); err != nil || again != got {
			t.Errorf("%q prints as %q: %v", s, got, err)
		}
	}
	for _, s := range []string{"", "x", "-1s", "3s..1s", "1s..", "..1s", "exp:", "exp:-1s", "exp:1s..2s", "900h", "1s...2s"} {
		if got, err := parseTime(s); err == nil {
			t.Errorf("%q is read as %+v", s, got)
		}
	}
}

func TestMemoryOf(t *testing.T) {
	for _, tt := range []struct {
		kernel string
		slabs  map[string]int64
		want   Memory
	}{
		{"6.18.44", nil, Memory{Socket: 3750, TimeWait: [...]int64{512, 256}, Margin: 0.05}},
		{"6.5.0-generic", nil, Memory{Socket: 3750, TimeWait: [...]int64{512, 256}, Margin: 0.15}},
		{"5.15.0-91-generic", nil, Memory{Socket: 3750, TimeWait: [...]int64{384, 256}, Margin: 0.2}},
		{"7.0-rc1+", nil, Memory{Socket: 3750, TimeWait: [...]int64{512, 256}, Margin: 0.05}},
		{"not a version", nil, Memory{Socket: 3750, TimeWait: [...]int64{512, 256}, Margin: 0.05}},
		// The bind buckets are merged with another cache.
		{"6.18", map[string]int64{"TCP": 2520, "sock_inode_cache": 862, "filp": 195, "dentry": 195, "tw_sock_TCP": 256}, Memory{Socket: 3772, TimeWait: [...]int64{512, 256}, Margin: 0.05}},
	} {
		got := MemoryOf(tt.kernel, tt.slabs)
		if got.Socket != tt.want.Socket || got.TimeWait != tt.want.TimeWait || got.Margin != tt.want.Margin || got.Source == "" {
			t.Errorf("%s: %+v, want %+v", tt.kernel, got, tt.want)
		}
	}
}
