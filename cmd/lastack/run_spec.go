package main

import (
	"context"
	"math/rand/v2"
	"net/netip"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/sockstate/exchange"
)

// complete checks the whole command line before a socket opens.
func (o *runOptions) complete(cmd *cobra.Command, args []string) error {
	for _, a := range args {
		t, err := parseTarget(cmd.Context(), a)
		if err != nil {
			return err
		}
		if err := t.checkPublic(o.spec.AllowPublic); err != nil {
			return err
		}
		o.targets = append(o.targets, t)
	}
	if err := o.parseThresholds(record.KindRun); err != nil {
		return err
	}
	if err := o.completeSpec(cmd); err != nil {
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

// completeSpec checks the flags each by itself, and makes the spec of them.
func (o *runOptions) completeSpec(cmd *cobra.Command) error {
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	if err := o.sourceFamily(); err != nil {
		return err
	}
	if err := o.checkFlags(given); err != nil {
		return err
	}
	if err := o.completeExchange(given("exchange")); err != nil {
		return err
	}
	if err := checkOutputs(o.outputs, o.formats); err != nil {
		return err
	}
	if err := o.metrics.complete(given); err != nil {
		return err
	}
	if g := &o.spec.Plan.Groups[0]; g.Poisson {
		g.Seed = rand.Uint64() >> 11 // what a JSON number can hold
	}
	if err := o.join(cmd.Flags()); err != nil {
		return err
	}
	return o.shardFlags.complete(&o.spec, given)
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
	if len(o.sources.Addrs) == 0 {
		return nil
	}
	v4 := o.sources.Addrs[0].Is4()
	for i := range o.targets {
		if !o.targets[i].only(func(a netip.Addr) bool { return a.Is4() == v4 }) {
			return usagef("--source %s: want addresses of the target's address family (%v)", o.sources.Text, o.targets[i].addr)
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
	p, g := &o.spec.Plan, &o.spec.Plan.Groups[0]
	for _, f := range []struct {
		name string
		bad  bool
		v    any
		want string
	}{
		{"connections", g.Connections == 0, 0, "want at least 1"},
		{"count", p.Count == 0, 0, "want at least 1"},
		{"requests", g.Requests == 0, 0, "want at least 1"},
		{"backlog", o.server.Backlog == 0, 0, "want at least 1"},
		{"duration", p.Duration <= 0, p.Duration, aboveZero},
		{"plateau", g.Plateau <= 0, g.Plateau, aboveZero},
		{"interval", o.spec.Interval <= 0, o.spec.Interval, "want 10ms to 1h"},
	} {
		if given(f.name) && f.bad {
			return usagef("--%s %v: %s", f.name, f.v, f.want)
		}
	}
	switch {
	case given("sandbox") && !o.sandbox:
		return usagef("--sandbox=false: leave the flag out; without a TARGET, the run uses the host's namespace only if the host allows no sandbox")
	case given("server-pid"):
		if err := checkPID("server-pid", o.spec.ServerPID); err != nil {
			return err
		}
	}
	return nil
}

// completeExchange takes the exchange from --exchange or from a target's URL. With a TARGET and neither, there is none.
func (o *runOptions) completeExchange(given bool) error {
	fixed, e := "", &o.spec.Plan.Groups[0].Exchange
	switch {
	case given:
		fixed = "--exchange"
	case len(o.targets) > 0:
		*e = exchange.Spec{}
	}
	for i := range o.targets {
		t := &o.targets[i]
		if err := t.mergeExchange(e, fixed); err != nil {
			return err
		}
		if fixed == "" && t.exchange.Kind != exchange.None {
			fixed = "target " + t.name
		}
	}
	return nil
}

// join adds to the spec what takes more than one flag.
func (o *runOptions) join(flags *pflag.FlagSet) (err error) {
	s, g := &o.spec, &o.spec.Plan.Groups[0]
	s.Version, s.Command = versionString(), commandLine()
	s.Sources, g.Sources = o.sources.Text, o.sources.Addrs
	flags.Visit(func(f *pflag.Flag) { s.Given = append(s.Given, f.Name) })
	for _, t := range o.targets {
		g.Targets = append(g.Targets, t.addr)
		s.Names = append(s.Names, t.name)
	}
	if len(o.targets) > 0 {
		g.Host = o.targets[0].name
		return nil
	}
	s.Server, s.Sandbox = &o.server, &o.box
	if o.box.Sysctls, err = parseSysctls(o.sysctls); err == nil && flags.Changed("loss") {
		o.box.Loss, err = sandbox.ParseLoss(o.loss)
	}
	if err != nil {
		return usagef("%w", err)
	}
	return nil
}
