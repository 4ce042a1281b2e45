package main

import (
	"time"

	"github.com/spf13/pflag"

	"lastack/bench/quantity"
	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/loadgen"
	"lastack/server"
	"lastack/sockstate/observe"
	"lastack/sockstate/sockio"
)

// runOptions is run's command line.
type runOptions struct {
	// spec has a flag's value where Resolve needs no more than that. server and box become part of it if there is no TARGET.
	spec   setup.Spec
	server setup.Server
	box    sandbox.Spec

	sources setup.SourceList
	sandbox bool
	sysctls []string
	loss    string
	shardFlags
	resultFlags
	metrics metricsFlags

	// complete sets the rest.
	targets []target
	facts   setup.Facts
	setup   setup.Setup
}

func newRunOptions() *runOptions {
	return &runOptions{spec: setup.Spec{Plan: loadgen.Plan{Groups: []loadgen.Group{{Name: "run"}}}}}
}

// settleAuto is longer than FIN_WAIT_2 and TIME_WAIT together, at the default of 60 s each.
const settleAuto = 135 * time.Second

func (o *runOptions) register(f *pflag.FlagSet) {
	o.registerLoad(f, sandbox.Lo, sandbox.Veth, sandbox.Routed)
	f.Var(decimal(&o.spec.ServerPID), "server-pid", "process ID of a local TARGET, whose CPU, descriptors and memory are then reported")
	f.BoolVar(&o.sandbox, "sandbox", false, "fail if this host allows no sandbox")
	f.BoolVar(&o.spec.Flush, "flush", false, "before and after the load, end the TIME_WAITs on its addresses and ports (needs CAP_NET_ADMIN)")
	o.shardFlags.register(f)
	o.resultFlags.register(f, "connect.p99<5ms")
	o.metrics.register(f)
	f.BoolVar(&o.spec.AllowPublic, "allow-public", false, "allow targets outside private and loopback ranges")
	f.Lookup("exchange").DefValue += "; none with a TARGET"
}

// registerLoad adds the flags of a load and of the embedded server in a sandbox. The first of the topologies is the default.
func (o *runOptions) registerLoad(f *pflag.FlagSet, topologies ...sandbox.Topology) {
	s, p, g := &o.spec, &o.spec.Plan, &o.spec.Plan.Groups[0]
	f.SortFlags = false
	f.VarP(count(&g.Connections), "connections", "c", "closed loop: connections at once; open loop: at most so many (no limit unless given)")
	f.VarP(rateFlag{&g.RateFrom, &g.RateTo}, "rate", "R", "open loop: new connections/s, or LO..HI (0 = closed loop)")
	f.BoolVar(&g.Poisson, "poisson", false, "open loop: arrivals come by chance, and are not paced")
	f.DurationVarP(&p.Duration, "duration", "d", 0, "how long to start new connections; open ones then finish")
	f.VarP(count(&p.Count), "count", "n", "stop after N connections (without -d: only then)")
	f.DurationVar(&p.Warmup, "warmup", 0, "leave this time at the start out of the result")
	f.DurationVar(&p.Ramp, "ramp", 0, "raise the connections, or the rate, to their full value over this time")
	f.DurationVar(&g.Plateau, "plateau", 0, "open all connections, hold them this long after the last has opened, then close them all")
	f.Var(rateFlag{from: &g.CloseRate}, "close-rate", "closes/s at the plateau's end (0 = as fast as possible)")
	f.VarP(decimal(&p.Workers), "workers", "w", "load worker threads (0 = one per CPU, fewer if --rate needs fewer)")
	traffic{closing{&g.Close, &g.OnEOF, &g.Exchange, &g.Requests}, &g.Hold}.register(f)
	f.DurationVar(&g.Think, "think", 0, "time between two exchanges of a connection")
	registerClient(f, &g.Headers, &g.ConnectTimeout, &g.RequestTimeout)
	f.DurationVar(&g.CloseTimeout, "close-timeout", 5*time.Second, "how long the peer may take to close")
	f.Var(&o.sources, "source", "local addresses to connect from, in turn: A, A-B or A/N, comma-separated")
	f.Var(textFlag{&g.SourcePorts, "LO-HI"}, "source-ports", "local ports to connect from, LO-HI (Linux 6.3)")
	f.Var(count(&o.server.Backlog), "backlog", "length of the accept queue")
	f.Var(decimal(&o.server.Listeners), "listeners", "listening sockets, each with its own accept queue (one per worker)")
	f.DurationVar(&o.server.Delay, "delay", 0, "how long the server waits before each reply")
	f.BoolVarP(&o.server.V6, "ipv6", "6", false, "the server listens on IPv6")
	f.Var(newChoice(&s.Engine, sockio.BackendNames()...), "engine", "how to drive sockets")
	f.Var(newChoice(&s.Census, observe.CensusNames()...), "census", "how to count sockets by state: in the kernel (eBPF), by sock_diag or from /proc/net/tcp")
	f.Var(newChoice(&s.Trace, setup.TraceOff, setup.TraceAuto, setup.TraceOn), "trace", "follow each connection's states in the kernel, by eBPF (auto: with root's privileges; on: or fail)")
	f.DurationVar(&s.Interval, "interval", time.Second, "time between samples of sockets, counters and CPU")
	f.Var(newChoice(&o.box.Topology, topologies...), "topology", "connect both ends by loopback, by a veth pair, or through a router with NAT")
	f.Var(count(&o.box.NAT.Addresses), "nat-addresses", "addresses of the router, taken in turn (1 unless given)")
	f.Var(textFlag{&o.box.NAT.Ports, "LO-HI"}, "nat-ports", "ports of each of them (1024-65535 unless given)")
	f.StringArrayVar(&o.sysctls, "sysctl", nil, "`NAME=VALUE` of a sysctl to set in the sandbox, like net.ipv4.tcp_tw_reuse=1 (repeatable)")
	f.StringVar(&o.loss, "loss", "", "`SHARE` of TCP packets to drop, like 1%")
	f.Var(waitFlag{d: &s.Settle, word: "auto", means: settleAuto, what: "settling time", like: "30s"}, "settle", "after the load, watch closing sockets for up to D; auto: until all have gone (until only TIME_WAIT is left, unless given)")
	// Resolve chooses these, as the other flags allow.
	f.Lookup("connections").DefValue = quantity.FormatCount(setup.DefaultConnections)
	f.Lookup("duration").DefValue = setup.DefaultDuration.String()
	f.Lookup("backlog").DefValue = quantity.FormatCount(server.DefaultBacklog)
}

// registerClient adds the flags of requests.
func registerClient(f *pflag.FlagSet, headers *[]string, connect, request *time.Duration) {
	f.StringArrayVarP(headers, "header", "H", nil, "HTTP `HEADER`, 'Name: value' (repeatable); records keep only well-known values")
	f.DurationVar(connect, "connect-timeout", 5*time.Second, "from connect() to established")
	f.DurationVar(request, "request-timeout", 10*time.Second, "from a request to its whole reply")
}
