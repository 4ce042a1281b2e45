package main

import (
	"fmt"
	"net/netip"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lastack/bench/drain"
	"lastack/bench/process"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/loadgen"
	"lastack/sockstate/exchange"
	"lastack/sockstate/sockio"
)

// drainOptions is drain's command line.
type drainOptions struct {
	pid     int
	exec    []string
	also    []string
	stop    string
	restart string

	signal              signalFlag
	then                thenFlag
	after, grace, watch time.Duration
	handover            bool
	repeat              countFlag
	contain             *choice
	ledger              string

	idle, inFlight, partial, queued countFlag
	arrivals                        rateFlag
	exchange, inFlightExchange      exchangeFlag
	think                           time.Duration
	headers                         []string
	reconnect                       reconnectFlag

	connectTimeout, requestTimeout time.Duration

	workers     int
	engine      *choice
	sandbox     bool
	sysctls     []string
	allowPublic bool
	resultFlags

	// complete sets the rest.
	target    target
	what      drain.Spec
	setup     drain.Setup
	isolation isolation[drain.Setup]
	// addresses counts the target's addresses if the server, once started, decides which one is used.
	addresses int
	// resolved says which of a name's addresses is used.
	resolved []string
}

// defaultThink keeps the clients in flight from using all CPU when replies are immediate.
const defaultThink = 10 * time.Millisecond

const defaultReconnect = 200 * time.Millisecond

func newDrainOptions() *drainOptions {
	o := &drainOptions{
		after: 5 * time.Second, grace: 30 * time.Second, watch: 2 * time.Second, repeat: 1,
		idle: 100, inFlight: 20, arrivals: rateFlag{200, 200},
		exchange:  exchangeFlag{exchange.Spec{Kind: exchange.HTTP, Path: "/"}},
		reconnect: reconnectFlag{d: defaultReconnect}, think: defaultThink,
		connectTimeout: 5 * time.Second, requestTimeout: 10 * time.Second,
		contain: newChoice(string(process.Auto), string(process.PIDNamespace), string(process.Group)),
		engine:  newChoice(sockio.BackendNames()...), resultFlags: newResultFlags(),
	}
	o.signal.Signal = syscall.SIGTERM
	return o
}

func (o *drainOptions) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.Var(quantity.NewDecimal(&o.pid, 0), "pid", "the server: a process that already runs on this host")
	f.StringArrayVar(&o.exec, "exec", nil, "the server: a `COMMAND` that lastack starts and ends, split into words as a shell would; a second one is --restart")
	f.StringArrayVar(&o.also, "also", nil, "a `COMMAND` to run beside the server of --exec, like a proxy in front of it or a backend behind it (repeatable)")
	f.StringVar(&o.stop, "stop", "", "stop the server by a `COMMAND` for /bin/sh -c, like 'ssh web.example systemctl stop app'; with --exec it stops that server")
	f.Var(&o.signal, "signal", "signal to send to --pid or --exec: a name or a number")
	f.DurationVar(&o.after, "after", o.after, "how long the load runs before the server is stopped")
	f.DurationVar(&o.grace, "grace", o.grace, "how long the server may then take to end")
	f.Var(&o.then, "then", "signal to send after the grace (KILL with --exec; none with --pid, and with --signal HUP or USR2)")
	f.DurationVar(&o.watch, "watch", o.watch, "how long to watch the clients after the server has ended, or is back")
	f.StringVar(&o.restart, "restart", "", "a `COMMAND` that starts the server again when the old one has ended; it ends with the run")
	f.BoolVar(&o.handover, "handover", false, "run --restart before the signal, so that both servers share the port (SO_REUSEPORT)")
	f.Var(&o.repeat, "repeat", "stop the server N times, and show the spread")
	f.Var(o.contain, "contain", "how to end the server's children with the run: a PID namespace or a process group")
	f.StringVar(&o.ledger, "ledger", "", "`FILE` to which the server writes its counts when it ends (lastack serve --ledger)")
	f.Var(&o.idle, "idle", "connections to keep open, after one request on each")
	f.Var(&o.inFlight, "in-flight", "clients that send one request after the other, --think apart")
	f.Var(&o.partial, "partial", "clients that have sent half a request")
	f.Var(&o.queued, "queued", "connections in the accept queue at the signal (SIGSTOP holds the server while they connect)")
	f.VarP(&o.arrivals, "arrivals", "R", "new connections/s, with one request on each")
	f.Var(&o.exchange, "exchange", "the request: echo:REQ,RESP (bytes) or http:/path")
	f.Var(&o.inFlightExchange, "in-flight-exchange", "the request of --in-flight clients, if it differs, like a slow path")
	f.Lookup("in-flight-exchange").DefValue = "" // the zero value means --exchange, not none
	f.DurationVar(&o.think, "think", o.think, "time between two requests of a client of --in-flight")
	f.StringArrayVarP(&o.headers, "header", "H", nil, "HTTP `HEADER`, 'Name: value' (repeatable); records keep only well-known values")
	f.Var(&o.reconnect, "reconnect", "how long a client that lost its connection waits before it connects again, doubled while refused; after a reply with Connection: close, an in-flight client reconnects after --think")
	f.DurationVar(&o.connectTimeout, "connect-timeout", o.connectTimeout, "from connect() to established")
	f.DurationVar(&o.requestTimeout, "request-timeout", o.requestTimeout, "from a request to its whole reply")
	f.BoolVar(&o.sandbox, "sandbox", false, "use a private network namespace; TARGET must be a loopback address, and the server --exec")
	f.StringArrayVar(&o.sysctls, "sysctl", nil, "in a sandbox: net.ipv4.`KEY=VALUE` (repeatable)")
	f.VarP(quantity.NewDecimal(&o.workers, 0), "workers", "w", "load worker threads (0 = automatic)")
	f.Var(o.engine, "engine", "how to drive sockets")
	o.resultFlags.register(f, "failed==0")
	f.BoolVar(&o.allowPublic, "allow-public", false, "allow a target outside private and loopback ranges")
}

func oneTarget(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("drain takes one TARGET (HOST:PORT), but was given %d arguments", len(args))
	}
	return nil
}

// complete checks the whole command line before a socket opens.
func (o *drainOptions) complete(cmd *cobra.Command, args []string) error {
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	var err error
	if o.target, err = parseTarget(cmd.Context(), args[0]); err != nil {
		return err
	}
	if err := o.target.checkPublic(o.allowPublic); err != nil {
		return err
	}
	if o.what.Stop, err = o.stopConfig(given); err != nil {
		return err
	}
	fixed := ""
	if given("exchange") {
		fixed = "--exchange"
	}
	if err := o.target.mergeExchange(&o.exchange.Spec, fixed); err != nil {
		return err
	}
	if o.what.Load, err = o.load(given); err != nil {
		return err
	}
	for _, flag := range []string{"idle", "in-flight", "partial", "queued", "arrivals"} {
		if !given(flag) {
			o.what.Load.Defaults = append(o.what.Load.Defaults, flag)
		}
	}
	if err := o.completeSandbox(); err != nil {
		return err
	}
	if o.workers < 0 || o.workers > loadgen.MaxWorkers {
		return usagef("--workers %d: want 0 (automatic) to %d", o.workers, loadgen.MaxWorkers)
	}
	if err := o.parseThresholds(record.KindDrain); err != nil {
		return err
	}
	if err := o.checkOutput(given); err != nil {
		return err
	}
	return o.resolve(cmd)
}

// resolve makes the setup from the checked flags.
func (o *drainOptions) resolve(cmd *cobra.Command) (err error) {
	c := &o.what
	if len(o.exec) > 0 {
		c.Others = o.target.unprobed()
		o.addresses = 1 + len(c.Others)
	}
	c.Target, c.Repeat, c.Workers, c.Engine = o.target.addr, int(o.repeat), o.workers, o.engine.value
	c.AllowPublic = o.allowPublic
	c.Version, c.Command = versionString(), commandLine()
	c.Sandbox = o.isolation.box
	facts, err := drain.Read(*c)
	if err != nil {
		return err
	}
	if o.setup, err = drain.Resolve(*c, facts); err != nil || c.Sandbox != nil {
		return asUsage(cmd, err)
	}
	if said := o.target.probe(cmd.Context()); said != "" {
		o.resolved = []string{said}
		c.Target = o.target.addr
		o.setup, err = drain.Resolve(*c, facts)
	}
	return asUsage(cmd, err)
}

func (o *drainOptions) completeSandbox() error {
	switch {
	case len(o.sysctls) > 0:
		o.isolation.needs = "--sysctl"
	case o.sandbox:
		o.isolation.needs = "--sandbox"
	default:
		o.isolation.why = "not asked for"
		return nil
	}
	switch {
	case len(o.exec) == 0:
		return usagef("%s: only a server that lastack starts can run in a sandbox: want --exec", o.isolation.needs)
	case !o.target.addr.Addr().IsLoopback():
		return usagef("%s: a sandbox has only loopback addresses, and the target %q is not one: want one like 127.0.0.1:8080", o.isolation.needs, o.target.name)
	}
	o.target.only(netip.Addr.IsLoopback)
	sysctls, err := parseSysctls(o.sysctls)
	o.isolation.box = &sandbox.Spec{Sysctls: sysctls}
	return err
}

// load collects the clients' flags. drain.Resolve checks their values; load checks only what depends on which flags were given.
func (o *drainOptions) load(given func(string) bool) (drain.Load, error) {
	l := drain.Load{
		Idle: int(o.idle), InFlight: int(o.inFlight), Partial: int(o.partial), Queued: int(o.queued), Arrivals: o.arrivals.from,
		Exchange: o.exchange.Spec, InFlightExchange: o.inFlightExchange.Spec,
		Host: o.target.name, Headers: o.headers, Think: o.think, Reconnect: o.reconnect.d,
		ConnectTimeout: o.connectTimeout, RequestTimeout: o.requestTimeout,
	}
	switch r := o.arrivals; {
	case r.from != r.to:
		return l, usagef("--arrivals %v: want one rate", &r)
	case given("in-flight-exchange") && l.InFlightExchange.Kind == exchange.None:
		return l, usagef("--in-flight-exchange none: without requests none can be lost: want the same kind as --exchange %v", l.Exchange)
	case given("in-flight-exchange") && l.InFlight == 0:
		return l, usagef("--in-flight-exchange %v: needs --in-flight above 0", l.InFlightExchange)
	case given("think") && l.InFlight == 0:
		return l, usagef("--think %v: needs --in-flight above 0", o.think)
	}
	return l, nil
}

// reconnectFlag is --reconnect: a duration, or never.
type reconnectFlag struct{ d time.Duration }

// Set implements pflag.Value.
func (r *reconnectFlag) Set(s string) error {
	if s == "never" {
		r.d = 0
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 || d > loadgen.MaxTime {
		return fmt.Errorf("%q is not a waiting time: want a duration above 0 and up to %v, like 200ms, or never", s, loadgen.MaxTime)
	}
	r.d = d
	return nil
}

func (r *reconnectFlag) String() string {
	if r.d == 0 {
		return "never"
	}
	return r.d.String()
}

// Type implements pflag.Value.
func (r *reconnectFlag) Type() string { return "D|never" }
