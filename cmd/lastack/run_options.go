package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lastack/bench"
	"lastack/bench/host"
	"lastack/bench/metric"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/loadgen"
	"lastack/server"
	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
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

	// What complete makes of it.
	plan    loadgen.Plan
	targets []target
	spec    sandbox.Spec
	// needsSandbox is the flag without which the host's namespace would do.
	needsSandbox string
	// unboxed is what the record says where there is no sandbox.
	unboxed record.Sandbox
	host    *host.Facts
	// backend is what --engine chose, and backendReason why it is not a better one.
	backend       sockio.Backend
	backendReason string
	command       []string
	// resolved says which address of a name is taken.
	resolved []string
}

func newRunOptions() *runOptions {
	return &runOptions{
		connections: 64, duration: 10 * time.Second, backlog: server.DefaultBacklog,
		connectTimeout: 5 * time.Second, requestTimeout: 10 * time.Second, closeTimeout: 5 * time.Second,
		engine: newChoice(sockio.BackendNames()...), census: newChoice("auto", "diag", "proc"),
		topology: newChoice("lo", "veth"), resultFlags: newResultFlags(),
		interval: time.Second,
		traffic:  newTraffic(),
	}
}

func (o *runOptions) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.VarP(&o.connections, "connections", "c", "slots in closed loop; cap in open loop (none unless given)")
	f.VarP(&o.rate, "rate", "R", "open loop: new connections/s, or LO..HI (0 = closed loop)")
	f.DurationVarP(&o.duration, "duration", "d", o.duration, "how long new connections are started; those under way then finish")
	f.VarP(&o.count, "count", "n", "stop after so many connections (without -d: only then)")
	f.DurationVar(&o.warmup, "warmup", 0, "time before the result begins")
	f.DurationVar(&o.ramp, "ramp", 0, "raise the connections, or the rate, over this time")
	f.DurationVar(&o.plateau, "plateau", 0, "open all connections, hold them so long once the last is open, close them all")
	f.Var(&o.closeRate, "close-rate", "closes/s at the plateau's end (0 = as fast as possible)")
	f.VarP(quantity.NewDecimal(&o.workers, 0), "workers", "w", "load worker threads (0 = one a CPU, fewer where --rate needs fewer)")
	o.traffic.register(f)
	f.Lookup("exchange").DefValue += "; none with a TARGET"
	f.DurationVar(&o.think, "think", 0, "time between two exchanges of a connection")
	f.StringArrayVarP(&o.headers, "header", "H", nil, "HTTP `HEADER`, 'Name: value' (repeatable); records keep only well-known values")
	f.DurationVar(&o.connectTimeout, "connect-timeout", o.connectTimeout, "from connect() to established")
	f.DurationVar(&o.requestTimeout, "request-timeout", o.requestTimeout, "from a request to its whole reply")
	f.DurationVar(&o.closeTimeout, "close-timeout", o.closeTimeout, "how long the other side may take to close")
	f.Var(&o.sources, "source", "addresses of this host to connect from, in turn: A, A-B or A/N, comma-separated")
	f.Var(&o.sourcePorts, "source-ports", "local ports to connect from, LO-HI (Linux 6.3)")
	f.Var(quantity.NewDecimal(&o.serverPID, 0), "server-pid", "process of a local TARGET: report its CPU, descriptors and memory")
	f.Var(&o.backlog, "backlog", "embedded server: length of the accept queue")
	f.Var(quantity.NewDecimal(&o.listeners, 0), "listeners", "embedded server: listening sockets, with a queue each (one for each worker)")
	f.DurationVar(&o.delay, "delay", 0, "embedded server: how long it thinks about each answer")
	f.BoolVarP(&o.v6, "ipv6", "6", false, "embedded server: on IPv6")
	f.Var(o.engine, "engine", "how sockets are driven")
	f.Var(o.census, "census", "who counts the sockets: sock_diag or /proc/net/tcp")
	f.DurationVar(&o.interval, "interval", o.interval, "time between two samples")
	f.BoolVar(&o.sandbox, "sandbox", false, "insist on network namespaces of the run's own")
	f.Var(o.topology, "topology", "in the sandbox: both ends on loopback, or joined by a veth pair")
	f.StringArrayVar(&o.sysctls, "sysctl", nil, "in the sandbox: net.ipv4.`KEY=VALUE` (repeatable)")
	f.StringVar(&o.loss, "loss", "", "in the sandbox: `SHARE` of TCP packets to lose, like 1%")
	f.Var(&o.settle, "settle", "watch the teardown drain after the load, D at most; auto: until all is gone")
	o.resultFlags.register(f, "connect.p99<5ms")
	f.BoolVar(&o.allowPublic, "allow-public", false, "allow targets outside private and loopback ranges")
}

// sandboxed reports whether the run is to take place in a sandbox.
func (o *runOptions) sandboxed() bool { return len(o.targets) == 0 }

// complete checks the whole command line, before a socket opens.
func (o *runOptions) complete(cmd *cobra.Command, args []string) error {
	o.command = commandLine()
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	for _, a := range args {
		t, err := parseTarget(cmd.Context(), a)
		if err != nil {
			return err
		}
		o.targets = append(o.targets, t)
	}
	if !o.allowPublic {
		if err := refusePublic(o.targets); err != nil {
			return err
		}
	}
	if err := o.sourceFamily(); err != nil {
		return err
	}
	if err := o.completeSandbox(given); err != nil {
		return err
	}
	if err := o.completeTraffic(given); err != nil {
		return err
	}
	if err := o.completePlan(given); err != nil {
		return err
	}
	if err := o.parseThresholds(metric.ParseThreshold); err != nil {
		return err
	}
	if o.interval < 10*time.Millisecond || o.interval > time.Hour {
		return usagef("--interval %v: want 10ms to 1h", o.interval)
	}
	facts, err := hostFacts()
	if err != nil {
		return err
	}
	o.host = facts
	if given("server-pid") {
		if err := checkPID("server-pid", o.serverPID); err != nil {
			return err
		}
	}
	if err := o.checkOutput(given); err != nil {
		return err
	}
	if err := o.widenPorts(); err != nil {
		return err
	}
	if o.backend, o.backendReason, err = sockio.Choose(o.engine.value); err != nil {
		return usagef("--engine %s: %w", o.engine.value, err)
	}
	cfg := o.config(nil, wantedSandbox(o.spec), nil)
	if err := bench.Check(cfg); err != nil {
		return asUsage(cmd, err)
	}
	o.spec.EhashEntries = bench.EhashEntries(cfg)
	if o.v6 && bench.NeedsSources(cfg) {
		o.spec.Sources = append(o.spec.Sources, sandbox.Range6())
	}
	o.probe(cmd.Context())
	return nil
}

// sourceFamily leaves of a name's addresses those of the sources' family.
func (o *runOptions) sourceFamily() error {
	if len(o.sources.addrs) == 0 {
		return nil
	}
	v4 := o.sources.addrs[0].Is4()
	for i := range o.targets {
		if !o.targets[i].only(func(a netip.Addr) bool { return a.Is4() == v4 }) {
			return usagef("--source %s: is not of the target's address family (%v)", o.sources.text, o.targets[i].addr)
		}
	}
	return nil
}

// probe finds out which of a name's addresses answers.
func (o *runOptions) probe(ctx context.Context) {
	for i := range o.targets {
		if said := o.targets[i].probe(ctx); said != "" {
			o.resolved = append(o.resolved, said)
			o.plan.Groups[0].Targets[i] = o.targets[i].addr
		}
	}
}

func (o *runOptions) completeSandbox(given func(string) bool) error {
	for _, name := range []string{"sandbox", "topology", "sysctl", "loss"} {
		if !given(name) {
			continue
		}
		if len(o.targets) > 0 {
			return usagef("--%s: a sandbox holds both ends, so it takes no TARGET: leave out %s, or the flag", name, o.targets[0].name)
		}
		if name == "sandbox" && !o.sandbox {
			return usagef("--sandbox=false: leave the flag out; without a TARGET the host's namespace is used only where there can be no sandbox")
		}
		o.needsSandbox = "--" + name
	}
	o.spec.Topology = sandbox.Topology(o.topology.value)
	var err error
	if o.spec.Sysctls, err = parseSysctls(o.sysctls); err != nil {
		return err
	}
	if given("loss") {
		l, err := sandbox.ParseLoss(o.loss)
		if err != nil {
			return usagef("%w", err)
		}
		o.spec.Loss = l
	}
	if len(o.targets) > 0 {
		o.unboxed = record.Sandbox{Mode: "off", Reason: "the target is outside"}
		for _, name := range []string{"backlog", "listeners", "delay", "ipv6"} {
			if given(name) {
				return usagef("--%s: it is the embedded server's, and a run with a TARGET (%s) has none: leave it out", name, o.targets[0].name)
			}
		}
		return nil
	}
	if o.serverPID != 0 {
		return usagef("--server-pid %d: only with a TARGET; the embedded server is this process", o.serverPID)
	}
	return o.sandboxSources()
}

// sandboxSources has the sandbox make the sources local that are not so by themselves.
func (o *runOptions) sandboxSources() error {
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	for _, p := range o.sources.prefixes {
		switch {
		case p.Addr().Is4() && o.v6:
			return usagef("--source %s: with --ipv6 the embedded server takes no IPv4: want IPv6 addresses", o.sources.text)
		case p.Addr().Is6() && !o.v6:
			return usagef("--source %s: the embedded server is on IPv4: want IPv4 addresses, or --ipv6", o.sources.text)
		}
		local := loopback.Contains(p.Addr())
		if local && o.spec.Topology == sandbox.Veth {
			return usagef("--source %s: a loopback address reaches no server across a veth pair: want others, or --topology lo", o.sources.text)
		}
		if !local {
			o.spec.Sources = append(o.spec.Sources, p)
			o.needsSandbox = "--source"
		}
	}
	return nil
}

// widenPorts gives a sandbox the range of --source-ports: outside the namespace's range the
// kernel would ignore it. A range that was asked for by --sysctl stays.
func (o *runOptions) widenPorts() error {
	const key, privileged = "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start"
	if o.sourcePorts.IsZero() || !o.sandboxed() {
		return nil
	}
	first := 1024
	for _, s := range o.spec.Sysctls {
		switch s.Key {
		case key:
			return nil
		case privileged:
			if n, err := strconv.Atoi(s.Value); err == nil {
				first = n
			}
		}
	}
	// ipv4_local_port_range refuses a range that begins among the privileged ports.
	if int(o.sourcePorts.Lo) < first {
		return usagef("--source-ports %v: the kernel chooses no local port below %d (%s): want LO-HI from there on", &o.sourcePorts, first, privileged)
	}
	o.spec.Sysctls = append(o.spec.Sysctls, sandbox.Sysctl{Key: key, Value: fmt.Sprintf("%d %d", o.sourcePorts.Lo, o.sourcePorts.Hi)})
	return nil
}

func (o *runOptions) completeTraffic(given func(string) bool) error {
	foreign := len(o.targets) > 0
	who := o.close.Who
	if foreign && !given("exchange") {
		o.exchange.Spec = exchange.Spec{}
	}
	fixed := ""
	if given("exchange") {
		fixed = "--exchange"
	}
	for i := range o.targets {
		t := &o.targets[i]
		if err := t.sayTo(&o.exchange.Spec, fixed); err != nil {
			return err
		}
		if fixed == "" && t.exchange.Kind != exchange.None {
			fixed = "target " + t.name
		}
	}
	if given("on-eof") && foreign && who == teardown.ClientFirst {
		return usagef("--on-eof %s: with --close %s it is the server's reaction, and a TARGET has its own: want it with --close server:*, or without a TARGET", o.onEOF, o.close)
	}
	if err := o.checkReaction(given("on-eof")); err != nil {
		return err
	}
	if o.hold < 0 {
		return usagef("--hold %v: want a duration of 0s or more", o.hold)
	}
	if foreign && o.hold > 0 && who == teardown.ServerFirst {
		return usagef("--hold %v: it is kept by the side that closes first, with --close %s the target itself: want --close client:*", o.hold, o.close)
	}
	if given("requests") && o.requests == 0 {
		return usagef("--requests 0: want at least 1")
	}
	return nil
}

func (o *runOptions) completePlan(given func(string) bool) error {
	open := o.rate.from > 0 || o.rate.to > 0
	switch {
	case given("connections") && o.connections == 0:
		return usagef("--connections 0: want at least 1")
	case given("count") && o.count == 0:
		return usagef("--count 0: want at least 1")
	case given("backlog") && o.backlog == 0:
		return usagef("--backlog 0: want at least 1")
	case o.listeners < 0 || o.listeners > maxServeThreads:
		return usagef("--listeners %d: want 0 (one for each worker) to %d", o.listeners, maxServeThreads)
	case given("duration") && o.duration <= 0:
		return usagef("--duration %v: want a duration above 0", o.duration)
	case given("plateau") && o.plateau <= 0:
		return usagef("--plateau %v: want a duration above 0", o.plateau)
	case given("duration") && o.plateau > 0:
		return usagef("--duration %v: not with --plateau, which ends when all connections are closed", o.duration)
	case given("count") && o.plateau > 0:
		return usagef("--count %v: not with --plateau, which opens --connections once", &o.count)
	case o.workers < 0 || o.workers > loadgen.MaxWorkers:
		return usagef("--workers %d: want 0 (one a CPU) to %d", o.workers, loadgen.MaxWorkers)
	case o.closeRate.from != o.closeRate.to:
		return usagef("--close-rate %v: want one rate", &o.closeRate)
	}
	if given("count") && !given("duration") || o.plateau > 0 {
		o.duration = 0
	}
	if open && !given("connections") {
		o.connections = 0
	}
	if o.connections > loadgen.MaxConnections {
		return usagef("--connections %v: want 1 to %d", &o.connections, loadgen.MaxConnections)
	}
	if o.requests > loadgen.MaxRequests {
		return usagef("--requests %v: want 1 to %d", &o.requests, loadgen.MaxRequests)
	}
	if who := o.close.Who; who == teardown.Nobody && !open && int64(o.count) > int64(o.connections) {
		return usagef("--count %v: with --close never no connection makes room for the next: want at most the --connections, %v", &o.count, &o.connections)
	}
	g := loadgen.Group{
		Name:        "run",
		Connections: int(o.connections), RateFrom: o.rate.from, RateTo: o.rate.to,
		Hold: o.hold, Plateau: o.plateau, CloseRate: o.closeRate.from,
		Close: o.close.Policy, OnEOF: o.onEOF.Reaction, Exchange: o.exchange.Spec,
		Requests: int(o.requests), Think: o.think, Headers: o.headers,
		ConnectTimeout: o.connectTimeout, RequestTimeout: o.requestTimeout, CloseTimeout: o.closeTimeout,
		Sources: o.sources.addrs, SourcePorts: o.sourcePorts.PortRange,
	}
	for _, t := range o.targets {
		g.Targets = append(g.Targets, t.addr)
	}
	if len(o.targets) > 0 {
		g.Host = o.targets[0].name
	}
	o.plan = loadgen.Plan{
		Groups: []loadgen.Group{g}, Duration: o.duration, Count: int64(o.count),
		Warmup: o.warmup, Ramp: o.ramp, Workers: o.workers,
	}
	if o.workers == 0 {
		o.plan.Workers = host.Workers()
		if open {
			o.plan.Workers = min(o.plan.Workers, int(max(o.rate.from, o.rate.to)/ratePerWorker)+1)
		}
		if o.connections > 0 {
			o.plan.Workers = min(o.plan.Workers, int(o.connections))
		}
	}
	return nil
}

// ratePerWorker is what one worker keeps up with. The fewer share a schedule, the less often each sleeps, and the
// sooner it is awake: at 10,000/s on two CPUs one has half the lag of two (p99 of nine pairs of runs: medians 650 us, 1.28 ms).
const ratePerWorker = 12_000

// config is the experiment.
func (o *runOptions) config(sb *sandbox.Sandbox, status record.Sandbox, live func(*record.Interval)) bench.Config {
	cfg := bench.Config{
		Plan: o.plan, Sandbox: sb, Status: status,
		Engine: o.engine.value, Backend: o.backend, BackendReason: o.backendReason, Census: o.census.value, Interval: o.interval, Settle: o.settle.d, ServerPID: o.serverPID,
		Thresholds: o.bounds, OnInterval: live, Host: o.host,
		Version: versionString(), Command: o.command, Sources: o.sources.text,
	}
	if len(o.targets) == 0 {
		workers := host.Workers()
		if o.workers > 0 {
			workers = o.workers
		}
		listeners := o.listeners
		if listeners == 0 {
			listeners = workers
		}
		cfg.Server = &bench.ServerConfig{V6: o.v6, Config: server.Config{
			Listeners: listeners, Backlog: int(o.backlog), Workers: workers,
			Close: o.close.Policy, OnEOF: o.onEOF.Reaction, Exchange: o.exchange.Spec,
			Requests: int(o.requests), Hold: o.hold, Delay: o.delay,
		}}
	}
	return cfg
}

// progressWidth is the width of the terminal that w is, 0 if it is none.
func progressWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	return terminalWidth(f)
}

// portsFlag adapts sockstate.PortRange to pflag.Value.
type portsFlag struct{ sockstate.PortRange }

// Set implements pflag.Value.
func (p *portsFlag) Set(s string) (err error) {
	if p.PortRange, err = sockstate.ParsePortRange(s); err != nil {
		return fmt.Errorf("%q is not a range of ports: want LO-HI, like 20000-29999, within 1 to 65535", s)
	}
	return nil
}

func (p *portsFlag) String() string {
	if p.IsZero() {
		return ""
	}
	return p.PortRange.String()
}

// Type implements pflag.Value.
func (p *portsFlag) Type() string { return "LO-HI" }

// settleFlag is --settle: a time, or auto.
type settleFlag struct {
	d    time.Duration
	auto bool
}

// settleAuto is longer than TIME_WAIT lasts after a FIN_WAIT_2 of the default length.
const settleAuto = 135 * time.Second

// Set implements pflag.Value.
func (s *settleFlag) Set(v string) error {
	if v == "auto" {
		*s = settleFlag{settleAuto, true}
		return nil
	}
	d, err := time.ParseDuration(v)
	if err == nil && d > loadgen.MaxTime {
		return fmt.Errorf("%q is too long: want at most %v, or auto", v, loadgen.MaxTime)
	}
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a time to settle: want a duration of 0s or more, like 30s, or auto", v)
	}
	*s = settleFlag{d: d}
	return nil
}

func (s *settleFlag) String() string {
	switch {
	case s.auto:
		return "auto"
	case s.d == 0:
		return ""
	}
	return s.d.String()
}

// Type implements pflag.Value.
func (s *settleFlag) Type() string { return "D|auto" }
