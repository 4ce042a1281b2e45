package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lastack/bench"
	"lastack/bench/handshake"
	"lastack/bench/host"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/report"
	"lastack/sockstate"
	"lastack/sockstate/exchange"
)

// handshakeOptions is handshake's command line.
type handshakeOptions struct {
	spec    handshake.Spec
	sysctls []string
	drill   string
	public  bool
	resultFlags

	// setups are of the connections to watch.
	setups []handshake.Setup
}

func newHandshake() *cobra.Command {
	o := &handshakeOptions{spec: handshake.Spec{Exchange: exchange.Spec{Kind: exchange.Echo, Request: 1, Response: 1}}}
	cmd := &cobra.Command{
		Use:   "handshake [TARGET]",
		Short: "Draw one connection, packet by packet and state by state",
		Long: `handshake opens and closes one connection and draws it as a ladder between both
ends: each packet, each state of each end with the time spent in it, and for
each step a sentence that says what happened and why, with the kernel's function
and the section of RFC 9293.

Both ends are in namespaces of a sandbox, which needs no privilege. Between them
is a relay that forwards each packet and looks up both ends' states before and
after it, so that the states are the kernel's own and exact. Where eBPF is
allowed (see --trace) the times at which they change are the kernel's, too.
--lose has the relay drop one packet, or several in a row; what TCP does about
it is drawn.
--on-eof delay=100ms gives the passive side its moment in CLOSE_WAIT. --follow
waits for the end of TIME_WAIT, which takes a minute.

--drill shows a connection from which something is to be learnt, with two
sentences on what. It is one of:

` + drillList() + `
or all, which as html is a page that teaches the close of TCP from real packets.

--format svg, or -o FILE.svg, is the drawing for a talk; mermaid is for
Markdown; pcapng opens in Wireshark, with the states as packet comments.

Against a TARGET (HOST:PORT, or http://HOST:PORT/path) the client's end is
watched, and the server's states are inferred from the packets. To see packets
takes CAP_NET_RAW; without it the client's states are all that is drawn. If no
connection can be opened the exit code is 3.

The time beside a packet is when it was sent; a state of its receiver begins
when it arrives. Sequence and acknowledgement numbers count from each side's
SYN. A window is as in the header; wscale, an option of the SYN, scales it.`,
		Example: `  lastack handshake
  lastack handshake --on-eof delay=100ms
  lastack handshake --lose last-ack
  lastack handshake --lose fin:2 --close client:half
  lastack handshake --close both:fin --exchange none --ipv6
  lastack handshake --sysctl net.ipv4.tcp_fin_timeout=1 --on-eof never --follow
  lastack handshake --lose last-ack -o last-ack.svg -o last-ack.pcapng
  lastack handshake web.example:80 --close client:half
  lastack handshake --drill time-wait-assassination
  lastack handshake --drill all -o drills.html`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.complete(cmd, args); err != nil {
				return asUsage(cmd, err)
			}
			return o.carryOut(cmd, cleanupLimit, o.watch)
		},
	}
	o.registerAll(cmd.Flags())
	return cmd
}

// drillList names the drills, in lines of the help, and the timeout that one waits for.
func drillList() string {
	var b strings.Builder
	for _, d := range handshake.Drills() {
		line := "  " + d.Name
		if d.Waits != (handshake.Timeout{}) {
			line = fmt.Sprintf("  %-25s waits for %s", d.Name, d.Waits)
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

func (o *handshakeOptions) registerAll(f *pflag.FlagSet) {
	s := &o.spec
	f.SortFlags = false
	f.Var(textFlag{&s.Close, "WHO:HOW"}, "close", "which side closes first, and how")
	f.Var(textFlag{&s.OnEOF, "REACTION"}, "on-eof", "what the other side does when it reads EOF: close, delay=D, never or rst")
	f.Var(textFlag{&s.Exchange, "KIND"}, "exchange", "before the close: none, echo:REQ,RESP (bytes) or http:/path")
	f.Lookup("exchange").DefValue += "; none with a TARGET"
	f.DurationVar(&s.Hold, "hold", 0, "how long the side that closes first waits before it closes")
	f.Var(textFlag{&s.Lose, "WHAT[:N]"}, "lose", "the packet that the network loses: "+handshake.LoseHelp)
	f.StringArrayVar(&o.sysctls, "sysctl", nil, "`NAME=VALUE` of a sysctl to set at both ends, like net.ipv4.tcp_fin_timeout=1 (repeatable)")
	f.BoolVarP(&s.V6, "ipv6", "6", false, "both ends use IPv6")
	f.Var(newChoice(&s.Trace, setup.TraceAuto, setup.TraceOn, setup.TraceOff), "trace", "have the kernel tell when states change, by eBPF (auto: with root's privileges; on: or fail)")
	f.BoolVar(&s.Follow, "follow", false, "wait for the end of TIME_WAIT, and of a FIN_WAIT_2 without a process")
	f.BoolVar(&o.public, "allow-public", false, "allow a target outside private and loopback ranges")
	f.Var(optionalChoice(&o.drill, handshake.DrillNames()), "drill", "show what this drill teaches")
	o.registerOutput(f, report.HandshakeFormats())
}

// complete checks the command line before a socket opens.
func (o *handshakeOptions) complete(cmd *cobra.Command, args []string) error {
	s := &o.spec
	if err := o.aim(cmd, args); err != nil {
		return err
	}
	if s.Close.NeedsExchange() && s.Exchange.Kind == exchange.None && !cmd.Flags().Changed("exchange") {
		s.Exchange = exchange.Spec{Kind: exchange.Echo, Request: 1, Response: 1}
	}
	var err error
	if s.Sysctls, err = parseSysctls(o.sysctls); err != nil {
		return usagef("%w", err)
	}
	if err := checkOutputs(o.outputs, o.formats); err != nil {
		return err
	}
	s.Version, s.Command = versionString(), commandLine()
	specs := []handshake.Spec{*s}
	if o.drill != "" {
		for _, flag := range []string{"close", "on-eof", "exchange", "hold", "lose", "sysctl"} {
			if cmd.Flags().Changed(flag) {
				return usagef("--drill %s: a drill has its own --%s: leave one of them out", o.drill, flag)
			}
		}
		specs = handshake.Drilled(o.drill)
	}
	for _, spec := range specs {
		spec.Version, spec.Command, spec.V6, spec.Trace, spec.Follow = s.Version, s.Command, s.V6, s.Trace, s.Follow || spec.Follow
		setup, err := handshake.Resolve(spec)
		if err != nil {
			return err
		}
		o.setups = append(o.setups, setup)
	}
	return nil
}

// aim takes the TARGET, if there is one.
func (o *handshakeOptions) aim(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case len(args) > 1:
		return usagef("handshake takes one TARGET, but was given %d", len(args))
	case o.drill != "":
		return usagef("--drill %s: a drill is in a sandbox: leave out the TARGET %q", o.drill, args[0])
	}
	t, err := parseTarget(cmd.Context(), args[0])
	if err != nil {
		return err
	}
	if err := t.checkPublic(o.public); err != nil {
		return err
	}
	fixed := ""
	if cmd.Flags().Changed("exchange") {
		fixed = "--exchange"
	} else {
		o.spec.Exchange = exchange.Spec{}
	}
	o.spec.Target = t.addr
	return t.mergeExchange(&o.spec.Exchange, fixed)
}

// watch watches the connections, each in a sandbox of its own.
func (o *handshakeOptions) watch(ctx context.Context, shown *display, _ *outputFiles) (*record.Run, error) {
	see, seen := func(record.Event) {}, func() {}
	facts, factsErr := host.Read()
	if factsErr != nil {
		facts = &host.Facts{}
	} else if facts.NoFileSoft < leastDescriptors {
		return nil, fmt.Errorf("handshake needs %d descriptors, and RLIMIT_NOFILE is %d: raise it (ulimit -n)", leastDescriptors, facts.NoFileSoft)
	}
	switch width, awaited := terminalWidth(shown.stderr), awaitedBy(o.setups, facts.HZ); {
	case awaited == "" || !o.spec.Follow || o.quiet:
	case width > 0 && len(o.setups) == 1:
		see, seen = countdownOn(shown, width)
	default:
		fmt.Fprintf(shown, "lastack: waiting for the end of %s\n", awaited)
	}
	run, err := handshake.Watch(ctx, o.setups, parallelHandshakes, see)
	seen()
	if sysctl, ok := errors.AsType[*sandbox.SysctlError](err); ok {
		err = usagef("--%w", sysctl)
	} else {
		err = lost(shown, noSandbox("handshake needs a sandbox", err))
	}
	if run != nil {
		if factsErr == nil {
			run.Hosts = []record.Host{bench.RecordHost(facts)}
		}
		for _, reason := range run.Verdict.Reasons {
			fmt.Fprintf(shown, "lastack: %s\n", quantity.Escape(reason))
		}
		for _, w := range run.Warnings {
			_, text := record.SplitWarning(w)
			fmt.Fprintf(shown, "lastack: %s\n", quantity.Escape(text))
		}
	}
	return run, err
}

// awaitedBy says for which states' end --follow waits, and how long they last; empty if for none.
func awaitedBy(setups []handshake.Setup, hz int) string {
	var words []string
	for _, s := range [...]sockstate.State{sockstate.TimeWait, sockstate.FinWait2} {
		if !slices.ContainsFunc(setups, func(setup handshake.Setup) bool { return slices.Contains(setup.Awaits(), s) }) {
			continue
		}
		lasts := "tcp_fin_timeout"
		if s == sockstate.TimeWait {
			lasts = sockstate.TimeWaitLasts(hz).String()
		}
		words = append(words, s.String()+" ("+lasts+")")
	}
	return strings.Join(words, " and of ")
}

// countdownOn shows what is waited for in one line of a terminal, until the second function is called.
func countdownOn(w io.Writer, width int) (see func(record.Event), done func()) {
	const clear = "\r\x1b[K"
	begun := false
	see = func(e record.Event) {
		if e.Phase == nil {
			return
		}
		begun = true
		row := []rune("lastack: " + quantity.Escape(e.Phase.Text))
		fmt.Fprint(w, clear+string(row[:min(len(row), max(width-1, 0))]))
	}
	return see, func() {
		if begun {
			fmt.Fprint(w, clear)
		}
	}
}

const (
	// parallelHandshakes is how many connections are watched at once. Those of the drills mostly wait for a timer.
	parallelHandshakes = 4
	// leastDescriptors is enough for all of them: 40 were measured.
	leastDescriptors = 64
)
