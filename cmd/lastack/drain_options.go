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

	// What complete makes of it.
	target target
	what   drain.Spec
	setup  drain.Setup
	place  place[drain.Setup]
	// addresses is the number of the target's, where the server that is to be started decides for one of them.
	addresses int
	// resolved says which address of a name is taken.
	resolved []string
}

// defaultThink keeps the clients in flight from taking all CPU where replies come at once.
const defaultThink = 10 * time.Millisecond

// defaultReconnect is how long a client waits that has lost its connection.
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
	f.Var(quantity.NewDecimal(&o.pid, 0), "pid", "the server: a process of this host that runs already")
	f.StringArrayVar(&o.exec, "exec", nil, "the server: a `COMMAND` to start, own and end, split into words as a shell would; a second one is --restart")
	f.StringArrayVar(&o.also, "also", nil, "a `COMMAND` that runs beside the server of --exec to the end, like a proxy in front of it or a backend behind it (repeatable)")
	f.StringVar(&o.stop, "stop", "", "what stops the server: a `COMMAND` for /bin/sh -c, like 'ssh web.example systemctl stop app'; with --exec it stops that server")
	f.Var(&o.signal, "signal", "what --pid or --exec is sent: a name or a number")
	f.DurationVar(&o.after, "after", o.after, "how long the load is held before the server is stopped")
	f.DurationVar(&o.grace, "grace", o.grace, "how long the server may take to end after that")
	f.Var(&o.then, "then", "what it is sent after the grace (KILL with --exec; none with --pid, and with --signal HUP or USR2)")
	f.DurationVar(&o.watch, "watch", o.watch, "how long clients are watched once the server is gone, or back")
	f.StringVar(&o.restart, "restart", "", "a `COMMAND` that brings the server back, started when the old one is gone; it ends with the run")
	f.BoolVar(&o.handover, "handover", false, "start the --restart before the signal, so that both share the port (SO_REUSEPORT)")
	f.Var(&o.repeat, "repeat", "stop it so many times, and show the spread")
	f.Var(o.contain, "contain", "what keeps the server's children from outliving the run: a PID namespace or a process group")
	f.StringVar(&o.ledger, "ledger", "", "`FILE` where the server writes its own counts at its end (lastack serve --ledger)")
	f.Var(&o.idle, "idle", "connections that are kept open, after a request on each")
	f.Var(&o.inFlight, "in-flight", "clients that ask one request after the other, --think apart")
	f.Var(&o.partial, "partial", "clients that have sent half a request")
	f.Var(&o.queued, "queued", "connections that stand in the accept queue at the signal (the server is stopped meanwhile, SIGSTOP)")
	f.VarP(&o.arrivals, "arrivals", "R", "new connections/s, with a request on each")
	f.Var(&o.exchange, "exchange", "what a request is: echo:REQ,RESP (bytes) or http:/path")
	f.Var(&o.inFlightExchange, "in-flight-exchange", "what the clients of --in-flight ask for instead, like a path that takes its time")
	f.Lookup("in-flight-exchange").DefValue = "" // not none: as --exchange
	f.DurationVar(&o.think, "think", o.think, "time between two requests of a client of --in-flight")
	f.StringArrayVarP(&o.headers, "header", "H", nil, "HTTP `HEADER`, 'Name: value' (repeatable); records keep only well-known values")
	f.Var(&o.reconnect, "reconnect", "how long a client that lost its connection waits before it connects again, doubled while refused; after a reply with Connection: close an in-flight one goes on by a new one, --think later")
	f.DurationVar(&o.connectTimeout, "connect-timeout", o.connectTimeout, "from connect() to established")
	f.DurationVar(&o.requestTimeout, "request-timeout", o.requestTimeout, "from a request to its whole reply")
	f.BoolVar(&o.sandbox, "sandbox", false, "in a network namespace of the drain's own: TARGET is a loopback address there, the server is --exec")
	f.StringArrayVar(&o.sysctls, "sysctl", nil, "in a sandbox: net.ipv4.`KEY=VALUE` (repeatable)")
	f.VarP(quantity.NewDecimal(&o.workers, 0), "workers", "w", "load worker threads (0 = automatic)")
	f.Var(o.engine, "engine", "how sockets are driven")
	o.resultFlags.register(f, "failed==0")
	f.BoolVar(&o.allowPublic, "allow-public", false, "allow a target outside private and loopback ranges")
}

// oneTarget wants the one argument of drain.
func oneTarget(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return usagef("drain takes one TARGET (HOST:PORT), but was given %d arguments", len(args))
	}
	return nil
}

// complete checks the whole command line, before a socket opens.
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
	if err := o.target.sayTo(&o.exchange.Spec, fixed); err != nil {
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

// resolve makes the experiment of what has been checked.
func (o *drainOptions) resolve(cmd *cobra.Command) (err error) {
	c := &o.what
	if len(o.exec) > 0 {
		c.Others = o.target.unprobed()
		o.addresses = 1 + len(c.Others)
	}
	c.Target, c.Repeat, c.Workers, c.Engine = o.target.addr, int(o.repeat), o.workers, o.engine.value
	c.AllowPublic = o.allowPublic
	c.Version, c.Command = versionString(), commandLine()
	c.Sandbox = o.place.box
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
		o.place.needs = "--sysctl"
	case o.sandbox:
		o.place.needs = "--sandbox"
	default:
		o.place.why = "not asked for"
		return nil
	}
	switch {
	case len(o.exec) == 0:
		return usagef("%s: a sandbox is a network namespace of its own, which only a server that lastack starts is in: want --exec", o.place.needs)
	case !o.target.addr.Addr().IsLoopback():
		return usagef("%s: a sandbox has loopback addresses only, and the target %q is none: want one like 127.0.0.1:8080", o.place.needs, o.target.name)
	}
	o.target.only(netip.Addr.IsLoopback)
	sysctls, err := parseSysctls(o.sysctls)
	o.place.box = &sandbox.Spec{Sysctls: sysctls}
	return err
}

// load is the clients; what is wrong with them by themselves, drain says.
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
		return l, usagef("--in-flight-exchange none: without a request none can be lost: want one of the kind of --exchange %v", l.Exchange)
	case given("in-flight-exchange") && l.InFlight == 0:
		return l, usagef("--in-flight-exchange %v: needs --in-flight above 0, whose it is", l.InFlightExchange)
	case given("think") && l.InFlight == 0:
		return l, usagef("--think %v: needs --in-flight above 0, between whose requests it is", o.think)
	}
	return l, nil
}

// reconnectFlag is --reconnect: a time, or never.
type reconnectFlag struct{ d time.Duration }

// Set implements pflag.Value.
func (r *reconnectFlag) Set(s string) error {
	if s == "never" {
		r.d = 0
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 || d > loadgen.MaxTime {
		return fmt.Errorf("%q is not a time to wait: want a duration above 0 and up to %v, like 200ms, or never", s, loadgen.MaxTime)
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
