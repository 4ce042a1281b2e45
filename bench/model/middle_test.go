package model

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"lastack/bench/record"
	"lastack/sockstate"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if got != want && math.Abs(got/want-1) > 1e-4 {
		t.Errorf("%s: %g, want %g", what, got, want)
	}
}

// The client sees the addresses of the load balancer, however many targets are behind it: 28,232 ports for each of 2, and 1,000/s held for a second.
func TestBalancer(t *testing.T) {
	of := func(name string) *Input {
		in := testInput()
		in.Load.Hold, in.Load.Targets, in.Load.RateTo = constant(time.Second), 5, 20_000
		in.Middle, _, _ = newMiddle(Balancer, name, 2, 0, &in.Client)
		return in
	}
	c := plan(t, of("linux"))
	near(t, "client's ports", limitOf(t, c, record.LimitPorts, "client").Max, 2*28232)
	near(t, "ports of the balancer", limitOf(t, c, record.LimitBalancerPorts, Balancer).Max, 2*5*28232)
	// A proxy has a descriptor on each side, and, of its clients and of its targets, the TIME_WAITs of a client only.
	at := func(name, side string) float64 {
		n := need1(t, of("linux"), name, side)
		if n == nil {
			t.Fatalf("no %s of %s", name, side)
		}
		return n.at(1000).mean
	}
	near(t, "descriptors", at("descriptors", Balancer), at("descriptors", "client")+at("descriptors", "server"))
	near(t, "TIME_WAIT", at("TIME_WAIT", Balancer), 61_024)
	near(t, "memory", at("kernel_memory", Balancer), at("kernel_memory", "client")+at("kernel_memory", "server"))
	near(t, "CPU", at("cpu", Balancer), 84e-6*1000)
	near(t, "nofile", limitOf(t, c, record.LimitFds, Balancer).Max, 20000)
	near(t, "accept queue", limitOf(t, c, record.LimitAcceptQueue, Balancer).Max, 4097)
	if !slices.ContainsFunc(c.Changes, func(c record.CapacityChange) bool {
		return c.Key == "sources" && strings.Contains(c.Why, "addresses of the load balancer")
	}) {
		t.Errorf("%+v", c.Changes)
	}
	// One of a provider has no sockets: it has flows.
	in := of("aws-nlb")
	near(t, "flows", need1(t, in, "flows", Balancer).at(1000).mean, 1000)
	if n := need1(t, in, "descriptors", Balancer); n != nil {
		t.Errorf("%+v", n)
	}
}

// More addresses than a gateway may have are those of several, which the advice can be typed as.
func TestGateways(t *testing.T) {
	spec := Spec{Load: Load{RateFrom: 20_000, RateTo: 20_000, Sources: 60, Targets: 1, Hold: constant(800 * time.Millisecond)}, NAT: "aws", NATAddresses: 4, Headroom: 0.3}
	resolve := func() Input {
		in, err := Resolve(spec, testHost(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return in
	}
	in := resolve()
	to := make(map[string]string)
	for _, c := range plan(t, &in).Changes {
		if c.Side == NAT {
			to[c.Key] = c.From + " -> " + c.To
		}
	}
	if to[KeyAddresses] != "4 -> 63" || to[KeyGateways] != "1 -> 8" {
		t.Fatalf("%v", to)
	}
	spec.NATAddresses = 63
	in = resolve()
	c := plan(t, &in)
	if m := c.Asked.Middle; m.Gateways != 8 || m.Addresses != 63 || !slices.ContainsFunc(c.Assumed, func(s string) bool { return strings.Contains(s, "63 addresses of the NAT are those of 8 gateways") }) {
		t.Errorf("%+v, %q", m, c.Assumed)
	}
	near(t, "ports", limitOf(t, c, record.LimitNATPorts, NAT).Max, 63*55000)
	if slices.ContainsFunc(c.Changes, func(c record.CapacityChange) bool { return c.Side == NAT }) {
		t.Errorf("%+v", c.Changes)
	}
	// Each gateway tracks as many.
	spec.NAT, spec.NATAddresses, spec.Gateways = "azure", 20, 3
	in = resolve()
	near(t, "connections", limitOf(t, plan(t, &in), record.LimitMiddleConnections, NAT).Max, 6_000_000)
}

// What nobody closes grows in its own unit: a socket of 3,750 bytes on each side with each connection.
func TestGrowth(t *testing.T) {
	in := testInput()
	in.Load.Close = policy(t, "never")
	for name, want := range map[string]span{
		"kernel_memory": {3750 * .95e3, 3750e3, 3750 * 1.05e3}, "slab_TCP": {2498 * .95e3, 2498e3, 2498 * 1.05e3}, "ESTABLISHED": exactly(1000), "descriptors": exactly(1000), "local_ports": exactly(1000),
	} {
		e := need1(t, in, name, "client").estimate(1000)
		if !e.Endless {
			t.Errorf("%s: %+v", name, e)
		}
		near(t, name, e.Value, want.mean)
		near(t, name+" at least", e.Lo, want.lo)
		near(t, name+" at most", e.Hi, want.hi)
	}
	// The limit fills at that speed: 16 GiB of 3,937.5 bytes/connection.
	near(t, "memory full", limitOf(t, plan(t, in), record.LimitMemory, "client").FullAfterS.Value, float64(16<<30)/3937.5e3)
}

// Each limit and HZ are inputs, and what counts is when anything runs out: 28,232 ports for 60.8 to 62.848 s at 250 Hz, to 64.896 s at 1000 Hz.
func TestEffectsOfLimits(t *testing.T) {
	of := func(change func(*Input)) map[string]record.CapacityEffect {
		in := testInput()
		in.Load.Hold = constant(800 * time.Millisecond)
		change(in)
		all := make(map[string]record.CapacityEffect)
		for _, e := range plan(t, in).Effects {
			all[e.Input] = e
		}
		return all
	}
	ports := of(func(in *Input) { in.Client.Conntrack = 262144 })
	near(t, "HZ", ports["HZ"].ReachedPerS, 28232/62.848)
	for _, name := range []string{"client: nofile", "server: nofile", "client: tcp_max_tw_buckets", "client: nf_conntrack_max", "server: somaxconn", "client: memory", "server: memory", "client: CPUs"} {
		if e, ok := ports[name]; !ok || e.Change != 0 || e.From == e.To {
			t.Errorf("%s: %+v", name, e)
		}
	}
	buckets := of(func(in *Input) { in.Client.Buckets = 10_000 })["client: tcp_max_tw_buckets"]
	near(t, "buckets", buckets.Change, 0.1)
	files := of(func(in *Input) { in.Client.NoFile = 100 })
	near(t, "nofile", files["client: nofile"].Change, 0.1)
	// Wider than the next limit has no use.
	near(t, "reuse", files["tcp_tw_reuse"].Change, 0)
	tracked := of(func(in *Input) { in.Load.Sources, in.Middle = 100, newTracker(1000) })["conntrack: nf_conntrack_max"]
	if c := tracked.Change; math.Abs(c-0.1) > 1e-3 { // the more entries, the more often they are collected
		t.Errorf("tracked: %v", c)
	}
}

// nofile and conntrack are raised with what bounds them.
func TestChangesOfWhatBoundsLimits(t *testing.T) {
	of := func(host func(*Host), middle *Middle) (got []string) {
		in := testInput()
		in.Load.RateTo, in.Load.Hold, in.Load.Sources, in.Middle = 20_000, constant(100*time.Second), 1000, middle
		host(&in.Client)
		for _, c := range plan(t, in).Changes {
			if c.Key == "fs.nr_open" && c.Side == sockstate.Client.String() || strings.Contains(c.Key, "conntrack") {
				got = append(got, c.Side+" "+c.Key+" "+c.From+" -> "+c.To)
			}
		}
		return got
	}
	for _, tt := range []struct {
		name   string
		host   func(*Host)
		middle *Middle
		want   string
	}{
		{"nr_open as read", func(h *Host) { h.NrOpen = 2_000_000 }, nil, "client fs.nr_open 2000000 -> 4194304"},
		{"nr_open that is enough", func(h *Host) { h.NrOpen = 1 << 30 }, nil, ""},
		{"nr_open not read", func(*Host) {}, nil, "client fs.nr_open 1048576 -> 4194304"},
		{
			"conntrack of the host", func(h *Host) { h.NrOpen, h.Conntrack, h.ConntrackBuckets = 1<<30, 262144, 65536 }, nil,
			"client net.netfilter.nf_conntrack_max 262144 -> 8388608, client net.netfilter.nf_conntrack_buckets 65536 -> 8388608",
		},
		{"its buckets are enough", func(h *Host) { h.NrOpen, h.Conntrack, h.ConntrackBuckets = 1<<30, 262144, 1<<24 }, nil, "client net.netfilter.nf_conntrack_max 262144 -> 8388608"},
		{
			"conntrack of a firewall", func(h *Host) { h.NrOpen = 1 << 30 }, newTracker(262144),
			"conntrack net.netfilter.nf_conntrack_max 262144 -> 8388608, conntrack net.netfilter.nf_conntrack_buckets unknown -> 8388608",
		},
	} {
		if got := strings.Join(of(tt.host, tt.middle), ", "); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
