package main

import (
	"time"

	"github.com/spf13/pflag"

	"lastack/bench/quantity"
	"lastack/bench/setup"
	"lastack/server"
	"lastack/sockstate/sockio"
)

// runOptions is run's command line.
type runOptions struct {
	traffic
	connections countFlag
	rate        rateFlag
	duration    time.Duration
	count       countFlag
	warmup      time.Duration
	ramp        time.Duration
	plateau     time.Duration
	closeRate   rateFlag
	workers     int
	think       time.Duration
	headers     []string

	connectTimeout, requestTimeout, closeTimeout time.Duration

	sources     sources
	sourcePorts portsFlag
	serverPID   int
	backlog     countFlag
	listeners   int
	delay       time.Duration
	v6          bool

	engine, census *choice
	interval       time.Duration
	sandbox        bool
	topology       *choice
	sysctls        []string
	loss           string
	settle         settleFlag

	resultFlags
	allowPublic bool

	// complete sets the rest.
	targets []target
	spec    setup.Spec
	facts   setup.Facts
	setup   setup.Setup
}

func newRunOptions() *runOptions {
	return &runOptions{
		connections: setup.DefaultConnections, duration: setup.DefaultDuration, backlog: server.DefaultBacklog,
		connectTimeout: 5 * time.Second, requestTimeout: 10 * time.Second, closeTimeout: 5 * time.Second,
		engine: newChoice(sockio.BackendNames()...), census: newChoice("auto", "diag", "proc"),
		topology: newChoice("lo", "veth"), resultFlags: newResultFlags(),
		interval: time.Second,
		traffic:  newTraffic(),
	}
}

func (o *runOptions) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.VarP(&o.connections, "connections", "c", "closed loop: connections at once; open loop: at most so many (no limit unless given)")
	f.VarP(&o.rate, "rate", "R", "open loop: new connections/s, or LO..HI (0 = closed loop)")
	f.DurationVarP(&o.duration, "duration", "d", o.duration, "how long to start new connections; open ones then finish")
	f.VarP(&o.count, "count", "n", "stop after N connections (without -d: only then)")
	f.DurationVar(&o.warmup, "warmup", 0, "leave this time at the start out of the result")
	f.DurationVar(&o.ramp, "ramp", 0, "raise the connections, or the rate, to their full value over this time")
	f.DurationVar(&o.plateau, "plateau", 0, "open all connections, hold them this long after the last has opened, then close them all")
	f.Var(&o.closeRate, "close-rate", "closes/s at the plateau's end (0 = as fast as possible)")
	f.VarP(quantity.NewDecimal(&o.workers, 0), "workers", "w", "load worker threads (0 = one per CPU, fewer if --rate needs fewer)")
	o.traffic.register(f)
	f.Lookup("exchange").DefValue += "; none with a TARGET"
	f.DurationVar(&o.think, "think", 0, "time between two exchanges of a connection")
	f.StringArrayVarP(&o.headers, "header", "H", nil, "HTTP `HEADER`, 'Name: value' (repeatable); records keep only well-known values")
	f.DurationVar(&o.connectTimeout, "connect-timeout", o.connectTimeout, "from connect() to established")
	f.DurationVar(&o.requestTimeout, "request-timeout", o.requestTimeout, "from a request to its whole reply")
	f.DurationVar(&o.closeTimeout, "close-timeout", o.closeTimeout, "how long the peer may take to close")
	f.Var(&o.sources, "source", "local addresses to connect from, in turn: A, A-B or A/N, comma-separated")
	f.Var(&o.sourcePorts, "source-ports", "local ports to connect from, LO-HI (Linux 6.3)")
	f.Var(quantity.NewDecimal(&o.serverPID, 0), "server-pid", "process of a local TARGET, to report its CPU, descriptors and memory")
	f.Var(&o.backlog, "backlog", "length of the accept queue")
	f.Var(quantity.NewDecimal(&o.listeners, 0), "listeners", "listening sockets, each with its own accept queue (one per worker)")
	f.DurationVar(&o.delay, "delay", 0, "how long the server waits before each reply")
	f.BoolVarP(&o.v6, "ipv6", "6", false, "the server listens on IPv6")
	f.Var(o.engine, "engine", "how to drive sockets")
	f.Var(o.census, "census", "how to count sockets by state: sock_diag or /proc/net/tcp")
	f.DurationVar(&o.interval, "interval", o.interval, "time between samples")
	f.BoolVar(&o.sandbox, "sandbox", false, "fail if this host allows no sandbox")
	f.Var(o.topology, "topology", "connect both ends by loopback, or by a veth pair")
	f.StringArrayVar(&o.sysctls, "sysctl", nil, "set net.ipv4.`KEY=VALUE` in the sandbox (repeatable)")
	f.StringVar(&o.loss, "loss", "", "`SHARE` of TCP packets to drop, like 1%")
	f.Var(&o.settle, "settle", "after the load, watch closing sockets for up to D; auto: until all have gone")
	o.resultFlags.register(f, "connect.p99<5ms")
	f.BoolVar(&o.allowPublic, "allow-public", false, "allow targets outside private and loopback ranges")
}
