package main

import (
	"context"
	"net/netip"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/loadgen"
	"lastack/sockstate/exchange"
)

// complete checks the whole command line before a socket opens.
func (o *runOptions) complete(cmd *cobra.Command, args []string) error {
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	for _, a := range args {
		t, err := parseTarget(cmd.Context(), a)
		if err != nil {
			return err
		}
		if err := t.checkPublic(o.allowPublic); err != nil {
			return err
		}
		o.targets = append(o.targets, t)
	}
	if err := o.sourceFamily(); err != nil {
		return err
	}
	if err := o.checkFlags(given); err != nil {
		return err
	}
	if err := o.completeExchange(given("exchange")); err != nil {
		return err
	}
	if err := o.parseThresholds(record.KindRun); err != nil {
		return err
	}
	if err := o.checkOutput(given); err != nil {
		return err
	}
	if err := o.makeSpec(cmd.Flags()); err != nil {
		return err
	}
	if err := o.resolve(); err != nil {
		return asUsage(cmd, err)
	}
	if !o.probe(cmd.Context()) {
		return nil
	}
	return asUsage(cmd, o.resolve())
}

// resolve makes the setup from the spec.
func (o *runOptions) resolve() (err error) {
	if o.facts, err = setup.Read(&o.spec); err != nil {
		return err
	}
	o.setup, err = setup.Resolve(o.spec, o.facts)
	return err
}

// sourceFamily drops the addresses of a name that are not of the sources' family.
func (o *runOptions) sourceFamily() error {
	if len(o.sources.addrs) == 0 {
		return nil
	}
	v4 := o.sources.addrs[0].Is4()
	for i := range o.targets {
		if !o.targets[i].only(func(a netip.Addr) bool { return a.Is4() == v4 }) {
			return usagef("--source %s: want addresses of the target's address family (%v)", o.sources.text, o.targets[i].addr)
		}
	}
	return nil
}

// probe finds out which of a name's addresses answers. It reports whether any name had several.
func (o *runOptions) probe(ctx context.Context) (probed bool) {
	for i := range o.targets {
		if said := o.targets[i].probe(ctx); said != "" {
			o.spec.Resolved = append(o.spec.Resolved, said)
			o.spec.Plan.Groups[0].Targets[i] = o.targets[i].addr
			probed = true
		}
	}
	return probed
}

// checkFlags refuses zero values of flags that were given: in a Spec they would mean "not given".
func (o *runOptions) checkFlags(given func(string) bool) error {
	const aboveZero = "want a duration above 0"
	for _, f := range []struct {
		name string
		bad  bool
		v    any
		want string
	}{
		{"connections", o.connections == 0, 0, "want at least 1"},
		{"count", o.count == 0, 0, "want at least 1"},
		{"requests", o.requests == 0, 0, "want at least 1"},
		{"backlog", o.backlog == 0, 0, "want at least 1"},
		{"duration", o.duration <= 0, o.duration, aboveZero},
		{"plateau", o.plateau <= 0, o.plateau, aboveZero},
		{"interval", o.interval <= 0, o.interval, "want 10ms to 1h"},
	} {
		if given(f.name) && f.bad {
			return usagef("--%s %v: %s", f.name, f.v, f.want)
		}
	}
	switch {
	case given("sandbox") && !o.sandbox:
		return usagef("--sandbox=false: leave the flag out; without a TARGET, the run uses the host's namespace only if the host allows no sandbox")
	case o.closeRate.from != o.closeRate.to:
		return usagef("--close-rate %v: want one rate", &o.closeRate)
	case given("server-pid"):
		if err := checkPID("server-pid", o.serverPID); err != nil {
			return err
		}
	}
	return o.checkReaction(given("on-eof"))
}

// completeExchange takes the exchange from --exchange or from a target's URL. With a TARGET and neither, there is none.
func (o *runOptions) completeExchange(given bool) error {
	fixed := ""
	switch {
	case given:
		fixed = "--exchange"
	case len(o.targets) > 0:
		o.exchange.Spec = exchange.Spec{}
	}
	for i := range o.targets {
		t := &o.targets[i]
		if err := t.mergeExchange(&o.exchange.Spec, fixed); err != nil {
			return err
		}
		if fixed == "" && t.exchange.Kind != exchange.None {
			fixed = "target " + t.name
		}
	}
	return nil
}

// makeSpec makes the spec. Where Resolve chooses a default, a flag that was not given stays zero.
func (o *runOptions) makeSpec(flags *pflag.FlagSet) error {
	g := loadgen.Group{
		Name:     "run",
		RateFrom: o.rate.from, RateTo: o.rate.to,
		Hold: o.hold, Plateau: o.plateau, CloseRate: o.closeRate.from,
		Close: o.close.Policy, OnEOF: o.onEOF.Reaction, Exchange: o.exchange.Spec,
		Requests: int(o.requests), Think: o.think, Headers: o.headers,
		ConnectTimeout: o.connectTimeout, RequestTimeout: o.requestTimeout, CloseTimeout: o.closeTimeout,
		Sources: o.sources.addrs, SourcePorts: o.sourcePorts.PortRange,
	}
	if flags.Changed("connections") {
		g.Connections = int(o.connections)
	}
	duration := time.Duration(0)
	if flags.Changed("duration") {
		duration = o.duration
	}
	s := setup.Spec{
		Sources: o.sources.text, AllowPublic: o.allowPublic,
		Engine: o.engine.value, Census: o.census.value, Interval: o.interval, Settle: o.settle.d, ServerPID: o.serverPID,
		Version: versionString(), Command: commandLine(),
	}
	flags.Visit(func(f *pflag.Flag) { s.Given = append(s.Given, f.Name) })
	for _, t := range o.targets {
		g.Targets = append(g.Targets, t.addr)
		s.Names = append(s.Names, t.name)
	}
	if len(o.targets) > 0 {
		g.Host, s.NoSandbox = o.targets[0].name, "the target is outside"
	} else {
		s.Server = &setup.Server{Listeners: o.listeners, Backlog: int(o.backlog), Delay: o.delay, V6: o.v6}
		var err error
		if s.Sandbox, err = o.sandboxSpec(flags.Changed("loss")); err != nil {
			return err
		}
	}
	s.Plan = loadgen.Plan{
		Groups: []loadgen.Group{g}, Duration: duration, Count: int64(o.count),
		Warmup: o.warmup, Ramp: o.ramp, Workers: o.workers,
	}
	o.spec = s
	return nil
}

func (o *runOptions) sandboxSpec(lossy bool) (*sandbox.Spec, error) {
	s := sandbox.Spec{Topology: sandbox.Topology(o.topology.value)}
	var err error
	if s.Sysctls, err = parseSysctls(o.sysctls); err != nil {
		return nil, err
	}
	if lossy {
		if s.Loss, err = sandbox.ParseLoss(o.loss); err != nil {
			return nil, usagef("%w", err)
		}
	}
	return &s, nil
}
