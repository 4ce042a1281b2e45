package main

import (
	"net/netip"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lastack/bench/drain"
	"lastack/bench/process"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/sockstate/exchange"
	"lastack/sockstate/sockio"
)

// drainOptions is drain's command line.
type drainOptions struct {
	// what has a flag's value where it needs no more than that.
	what drain.Spec
	// Commands as typed.
	exec, also []string
	restart    string

	sandbox bool
	sysctls []string
	resultFlags
	metrics metricsFlags

	// complete sets the rest.
	target    target
	setup     drain.Setup
	isolation isolation[drain.Setup]
	// addresses counts the target's addresses if the server, once started, decides which one is used.
	addresses int
	// resolved says which of a name's addresses is used.
	resolved []string
}

// defaultThink keeps the clients in flight from using all CPU when replies are immediate.
const defaultThink = 10 * time.Millisecond

func newDrainOptions() *drainOptions {
	return &drainOptions{what: drain.Spec{
		Repeat: 1,
		Stop:   drain.Stop{Signal: syscall.SIGTERM},
		Load: drain.Load{
			Idle: 100, InFlight: 20, Arrivals: 200, Reconnect: 200 * time.Millisecond,
			Exchange: exchange.Spec{Kind: exchange.HTTP, Path: "/"},
		},
	}}
}

func (o *drainOptions) register(f *pflag.FlagSet) {
	c, l, s := &o.what, &o.what.Load, &o.what.Stop
	f.SortFlags = false
	f.Var(decimal(&s.PID), "pid", "the server: a process that already runs on this host")
	f.StringArrayVar(&o.exec, "exec", nil, "the server: a `COMMAND` that lastack starts and ends, split into words as a shell would; a second one is --restart")
	f.StringArrayVar(&o.also, "also", nil, "a `COMMAND` to run beside the server of --exec, like a proxy in front of it or a backend behind it (repeatable)")
	f.StringVar(&s.Hook, "stop", "", "stop the server by a `COMMAND` for /bin/sh -c, like 'ssh web.example systemctl stop app'; with --exec it stops that server")
	f.Var(signalFlag{&s.Signal}, "signal", "signal to send to --pid or --exec: a name or a number")
	f.DurationVar(&s.After, "after", 5*time.Second, "how long the load runs before the server is stopped")
	f.DurationVar(&s.Grace, "grace", 30*time.Second, "how long the server may then take to end")
	f.Var(thenFlag{signalFlag{&s.Then}}, "then", "signal to send after the grace (KILL with --exec; none with --pid, and with --signal HUP or USR2)")
	f.DurationVar(&s.Watch, "watch", 2*time.Second, "how long to watch the clients after the server has ended, or is back")
	f.StringVar(&o.restart, "restart", "", "a `COMMAND` that starts the server again when the old one has ended; it ends with the run")
	f.BoolVar(&s.Handover, "handover", false, "run --restart before the signal, so that both servers share the port (SO_REUSEPORT)")
	f.Var(count(&c.Repeat), "repeat", "stop the server N times, and show the spread")
	f.Var(newChoice(&s.Contain, string(process.Auto), string(process.PIDNamespace), string(process.Group)), "contain", "how to end the server's children with the run: a PID namespace or a process group")
	f.StringVar(&s.Ledger, "ledger", "", "`FILE` to which the server writes its counts when it ends (lastack serve --ledger)")
	f.Var(count(&l.Idle), "idle", "connections to keep open, after one request on each")
	f.Var(count(&l.InFlight), "in-flight", "clients that send one request after the other, --think apart")
	f.Var(count(&l.Partial), "partial", "clients that have sent half a request")
	f.Var(count(&l.Queued), "queued", "connections in the accept queue at the signal (SIGSTOP holds the server while they connect)")
	f.VarP(rateFlag{from: &l.Arrivals}, "arrivals", "R", "new connections/s, with one request on each")
	f.Var(textFlag{&l.Exchange, "KIND"}, "exchange", "the request: echo:REQ,RESP (bytes) or http:/path")
	f.Var(textFlag{&l.InFlightExchange, "KIND"}, "in-flight-exchange", "the request of --in-flight clients, if it differs, like a slow path")
	f.Lookup("in-flight-exchange").DefValue = "" // the zero value means --exchange, not none
	f.DurationVar(&l.Think, "think", defaultThink, "time between two requests of a client of --in-flight")
	f.Var(waitFlag{d: &l.Reconnect, word: "never", least: 1, what: "waiting time", like: "200ms"}, "reconnect", "how long a client that lost its connection waits before it connects again, doubled while refused; after a reply with Connection: close, an in-flight client reconnects after --think")
	registerClient(f, &l.Headers, &l.ConnectTimeout, &l.RequestTimeout)
	f.BoolVar(&o.sandbox, "sandbox", false, "use a private network namespace; TARGET must be a loopback address, and the server --exec")
	f.StringArrayVar(&o.sysctls, "sysctl", nil, "`NAME=VALUE` of a sysctl to set in a sandbox, like net.ipv4.tcp_migrate_req=1 (repeatable)")
	f.VarP(decimal(&c.Workers), "workers", "w", "load worker threads (0 = automatic)")
	f.Var(newChoice(&c.Engine, sockio.BackendNames()...), "engine", "how to drive sockets")
	o.resultFlags.register(f, "failed==0")
	o.metrics.register(f)
	f.BoolVar(&c.AllowPublic, "allow-public", false, "allow a target outside private and loopback ranges")
}

// complete checks the whole command line before a socket opens.
func (o *drainOptions) complete(cmd *cobra.Command, args []string) error {
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	var err error
	if o.target, err = parseTarget(cmd.Context(), args[0]); err != nil {
		return err
	}
	if err := o.target.checkPublic(o.what.AllowPublic); err != nil {
		return err
	}
	if err := o.completeStop(given); err != nil {
		return err
	}
	fixed := ""
	if given("exchange") {
		fixed = "--exchange"
	}
	if err := o.target.mergeExchange(&o.what.Load.Exchange, fixed); err != nil {
		return err
	}
	if err := o.completeLoad(given); err != nil {
		return err
	}
	if err := o.completeSandbox(); err != nil {
		return err
	}
	if err := o.parseThresholds(record.KindDrain); err != nil {
		return err
	}
	if err := checkOutputs(o.outputs, o.formats); err != nil {
		return err
	}
	if err := o.metrics.complete(given); err != nil {
		return err
	}
	o.what.Live = o.metrics.addr != ""
	return o.resolve(cmd)
}

// resolve makes the setup from the checked flags.
func (o *drainOptions) resolve(cmd *cobra.Command) (err error) {
	c := &o.what
	if len(o.exec) > 0 {
		c.Others = o.target.unprobed()
		o.addresses = 1 + len(c.Others)
	}
	c.Target, c.Sandbox = o.target.addr, o.isolation.box
	c.Version, c.Command = versionString(), commandLine()
	facts, err := drain.Read(*c)
	if err != nil {
		return asUsage(cmd, err)
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
	if err != nil {
		return usagef("%w", err)
	}
	o.isolation.box = &sandbox.Spec{Sysctls: sysctls}
	return nil
}

// completeLoad completes the clients. drain.Resolve checks their values; this checks only what depends on which flags were given.
func (o *drainOptions) completeLoad(given func(string) bool) error {
	l := &o.what.Load
	l.Host = o.target.name
	for _, flag := range []string{"idle", "in-flight", "partial", "queued", "arrivals"} {
		if !given(flag) {
			l.Defaults = append(l.Defaults, flag)
		}
	}
	switch {
	case given("in-flight-exchange") && l.InFlightExchange.Kind == exchange.None:
		return usagef("--in-flight-exchange none: without requests none can be lost: want the same kind as --exchange %v", l.Exchange)
	case given("in-flight-exchange") && l.InFlight == 0:
		return usagef("--in-flight-exchange %v: needs --in-flight above 0", l.InFlightExchange)
	case given("think") && l.InFlight == 0:
		return usagef("--think %v: needs --in-flight above 0", l.Think)
	}
	return nil
}
