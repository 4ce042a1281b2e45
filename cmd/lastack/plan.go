package main

import (
	"errors"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lastack/bench"
	"lastack/bench/host"
	"lastack/bench/model"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/report"
)

// planOptions are the flags of plan.
type planOptions struct {
	spec model.Spec
	// What is not given is nil in the spec.
	rtt, service model.Time
	pause        time.Duration

	host                 bool
	limits, serverLimits string
	from                 string
	topology             string
	verify               bool
	printFlags
}

func newPlan() *cobra.Command {
	o := &planOptions{spec: model.Spec{Load: model.Load{Requests: 1, Sources: 1, Targets: 1}, Headroom: 0.3}}
	cmd := &cobra.Command{
		Use:   "plan --rate LO..HI",
		Short: "Compute what a load needs, what runs out first, and what to change",
		Long: `plan computes how many ports, addresses, TIME_WAITs, descriptors, conntrack
entries, bytes of kernel memory and CPUs a load needs on both sides. It compares
them with what the client's host, the server's and the network between them
allow, and says what runs out first, at what rate, and what to change. It opens
no connection.

The limits are those of this host, or of the host whose lastack doctor --format
json is given as --limits. Each number has an interval, and what was assumed is
said. --growth adds rates as multiples of the highest; with --over the plan says
when a rate that rises evenly gets to a limit.

--verify measures how wrong that is. It runs the load in sandboxes of this host,
with few local ports so that they run out within minutes, takes what a lifecycle
costs here, and prints what was predicted of these runs beside what they
measured. It takes a minute or four, needs no privilege, and opens connections
inside of the sandboxes only.`,
		Example: `  lastack plan --rate 2k..20k --hold 800ms --nat aws --nat-addresses 4
  lastack plan --rate 2k..20k --over 90d --exchange echo:200,8k -o plan.html
  lastack plan --rate 500 --hold 1s..5s --poisson --sources 4 -v
  lastack plan --rate 5k --from run.json --growth 2x,5x,10x
  lastack plan --rate 1k --limits host.json --conntrack-max 262144
  lastack plan --rate 2k --hold 800ms --topology nat --nat-addresses 2 --verify`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return asUsage(cmd, o.plan(cmd)) },
	}
	o.registerAll(cmd.Flags())
	return cmd
}

func (o *planOptions) registerAll(f *pflag.FlagSet) {
	s, l := &o.spec, &o.spec.Load
	f.SortFlags = false
	f.VarP(rateFlag{&l.RateFrom, &l.RateTo}, "rate", "R", "new connections/s, or LO..HI, from today's to the one to plan for")
	f.Var(growthFlag{&l.Growth}, "growth", "further rates, as multiples of the highest: 2x,5x,10x")
	f.Var(longFlag{&l.Over}, "over", "time in which the rate rises from LO to HI, like 90d or 13w")
	f.BoolVar(&l.Poisson, "poisson", false, "arrivals come by chance, and are not paced")
	f.Var(textFlag{&l.Hold, "D|LO..HI|exp:D"}, "hold", "how long the side that closes first waits before it closes")
	closing{&l.Close, &l.OnEOF, &l.Exchange, &l.Requests}.register(f)
	f.Var(textFlag{&o.rtt, "D|LO..HI"}, "rtt", "a round trip between client and server (0s..2ms unless given)")
	f.Var(textFlag{&o.service, "D|LO..HI"}, "service", "the server's time for a reply")
	f.DurationVar(&o.pause, "accept-pause", 10*time.Millisecond, "the longest time in which the server accepts nothing")
	f.Var(count(&l.Sources), "sources", "source addresses of the client's host")
	f.Var(count(&l.Targets), "targets", "destinations, each an address and a port")
	f.Var(optionalChoice(&s.NAT, model.MiddleNames(model.NAT)), "nat", "the NAT between client and server")
	f.Var(count(&s.NATAddresses), "nat-addresses", "addresses of the NAT")
	f.Var(optionalChoice(&s.LB, model.MiddleNames(model.Balancer)), "lb", "the load balancer before the server, which has ports of its own")
	f.Var(count(&s.Gateways), "gateways", "gateways that have these addresses (as many as they take unless given)")
	f.Var(optionalChoice(&o.topology, []string{string(sandbox.Veth), string(sandbox.Routed)}), "topology", "what --verify builds: nat is --nat linux with the facts of this host")
	f.Var(count(&s.LBAddresses), "lb-addresses", "addresses of the load balancer (1 unless given)")
	f.Var(count(&s.ConntrackMax), "conntrack-max", "nf_conntrack_max of the NAT, or of a firewall between client and server")
	f.BoolVar(&o.host, "host", false, "take the limits of this host (the default)")
	f.StringVar(&o.limits, "limits", "", "take the client's limits from this `FILE`, which lastack doctor --format json wrote there")
	f.StringVar(&o.serverLimits, "server-limits", "", "take the server's limits from this `FILE` (as the client's unless given)")
	f.StringVar(&o.from, "from", "", "take the CPU time and the times of a lifecycle from this `RECORD` of a run")
	f.BoolVar(&o.verify, "verify", false, "run the load in sandboxes, and print predicted and measured side by side")
	f.Var((*shareFlag)(&s.Headroom), "headroom", "share of each limit that is to stay free")
	o.register(f, report.FormatNames())
	f.Lookup("rtt").DefValue, f.Lookup("service").DefValue = "", ""
}

// plan computes the plan and prints it.
func (o *planOptions) plan(cmd *cobra.Command) error {
	if err := o.complete(cmd); err != nil {
		return err
	}
	p, err := o.printer(cmd)
	if err != nil {
		return err
	}
	defer p.close()
	facts, err := o.facts(cmd.InOrStdin())
	if err != nil {
		return err
	}
	var server *model.Host
	if o.serverLimits != "" {
		f, err := readLimits(cmd.InOrStdin(), "server-limits", o.serverLimits)
		if err != nil {
			return err
		}
		limits := f.Limits()
		server = &limits
	}
	in, err := model.Resolve(o.spec, facts.Limits(), server)
	if err != nil {
		return err
	}
	var verified *record.CapacityVerified
	var failed error // of the experiments: the plan is printed all the same
	if o.verify {
		// What is wrong with the plan is said before anything runs.
		if _, err := model.Plan(in); err != nil {
			return err
		}
		if verified, failed = verifyPlan(cmd, &in); verified == nil {
			return failed
		}
	}
	run, err := bench.Plan(in, facts, verified, versionString(), commandLine())
	if err != nil {
		return err
	}
	run.Interrupted = failed != nil && codeOf(failed, true) == exitInterrupted
	run.Redact()
	if err := p.print(func(w io.Writer, v report.View) error { return report.Render(w, v, run) }); err != nil {
		return err
	}
	return failed
}

// complete checks what was given.
func (o *planOptions) complete(cmd *cobra.Command) error {
	given := cmd.Flags().Changed
	l := &o.spec.Load
	switch {
	case !given("rate"):
		return usagef("plan needs a --rate: the new connections/s to plan for, like 2k or 2k..20k")
	case given("host") && !o.host:
		return usagef("--host=false: leave the flag out, and say which host with --limits FILE")
	case o.host && given("limits"):
		return usagef("--host: --limits %s is another host: leave one of them out", o.limits)
	case given("limits") && o.limits == "":
		return usagef(`--limits "": want a file that lastack doctor --format json wrote`)
	case given("server-limits") && o.serverLimits == "":
		return usagef(`--server-limits "": want a file that lastack doctor --format json wrote`)
	case o.limits == "-" && (o.serverLimits == "-" || o.from == "-"), o.serverLimits == "-" && o.from == "-":
		return usagef("standard input (-) can be read once only")
	case given("nat-addresses") && o.spec.NATAddresses == 0, given("lb-addresses") && o.spec.LBAddresses == 0:
		return usagef("--nat-addresses and --lb-addresses: want at least 1")
	case given("gateways") && o.spec.Gateways == 0:
		return usagef("--gateways 0: want at least 1")
	case given("conntrack-max") && o.spec.ConntrackMax == 0:
		return usagef("--conntrack-max 0: want at least 1")
	case given("requests") && l.Requests == 0:
		return usagef("--requests 0: want at least 1")
	case given("accept-pause") && o.pause < 0:
		return usagef("--accept-pause %v: want a duration from 0s", o.pause)
	case given("over") && l.RateFrom == l.RateTo:
		return usagef("--over: the rate does not rise: want --rate LO..HI")
	}
	if err := o.between(); err != nil {
		return err
	}
	if given("on-eof") {
		if err := setup.CheckReaction(l.Close, l.OnEOF); err != nil {
			return err
		}
	}
	for name, of := range map[string]*model.Time{"rtt": &o.rtt, "service": &o.service} {
		if of.Exponential {
			return usagef("--%s %v: want a duration, or LO..HI for what is known of it", name, of)
		}
	}
	if given("rtt") {
		o.spec.RTT = &o.rtt
	}
	if given("service") {
		o.spec.Service = &o.service
	}
	o.spec.AcceptPause = &o.pause
	if given("from") {
		r, err := readRecord(cmd.InOrStdin(), o.from)
		if err != nil {
			return usagef("--from %w", err)
		}
		o.spec.From = r
	}
	return nil
}

// between takes what stands between both ends from the topology.
func (o *planOptions) between() error {
	switch s := &o.spec; {
	case o.topology == string(sandbox.Veth) && s.NAT != "":
		return usagef("--topology veth: it has no NAT: leave --nat %s out, or say --topology nat", s.NAT)
	case o.topology != string(sandbox.Routed):
	case s.NAT != "" && s.NAT != model.LinuxNAT:
		return usagef("--topology nat: its router runs Linux: leave --nat %s out", s.NAT)
	default:
		s.NAT, s.NATAddresses = model.LinuxNAT, max(s.NATAddresses, 1)
	}
	return nil
}

// facts are those of the client's host.
func (o *planOptions) facts(stdin io.Reader) (*host.Facts, error) {
	if o.limits != "" {
		return readLimits(stdin, "limits", o.limits)
	}
	f, err := host.Read()
	if err != nil {
		return nil, usagef("the limits of this host cannot be read (%w): take those of a Linux host with --limits FILE, which lastack doctor --format json writes there", err)
	}
	return f, nil
}

func readLimits(stdin io.Reader, flag, path string) (*host.Facts, error) {
	in := stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, usagef("--%s %s cannot be opened (%w): want a file that lastack doctor --format json wrote, or - for standard input", flag, path, errors.Unwrap(err))
		}
		defer f.Close()
		in = f
	}
	facts, err := host.ReadReport(in)
	if err != nil {
		return nil, usagef("--%s %s: %w", flag, strings.TrimSpace(path), err)
	}
	return facts, nil
}
