package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagGroup is a heading in a command's help, and the flags below it in this order.
type flagGroup struct {
	title string
	flags []string
}

// loadGroups are those of the commands with a load. A command shows what it has of them.
var loadGroups = []flagGroup{
	{"Load", []string{"connections", "rate", "poisson", "duration", "count", "warmup", "ramp", "plateau", "close-rate", "workers", "engine"}},
	{"Connection", []string{
		"close", "on-eof", "exchange", "requests", "think", "hold", "header", "connect-timeout", "request-timeout", "close-timeout",
	}},
	{"Target", []string{"server-pid", "allow-public"}},
	{"Sources", []string{"source", "source-ports"}},
	{"Embedded server", []string{"backlog", "listeners", "delay", "ipv6"}},
	{"Sandbox", []string{"sandbox", "topology", "nat-addresses", "nat-ports", "sysctl", "loss"}},
	{"Observing", []string{"census", "trace", "interval", "settle", "flush"}},
}

// resultGroup is that of the flags that say how a result is saved and shown, and more of its command.
func resultGroup(more ...string) []flagGroup {
	return []flagGroup{{"Result", append([]string{"output", "format", "verbose", "quiet"}, more...)}}
}

// metricsGroup is that of the commands which Prometheus can scrape.
var metricsGroup = []flagGroup{{"Prometheus", []string{"metrics", "metrics-public"}}}

// flagGroups holds the groups of the commands with many flags.
var flagGroups = map[string][]flagGroup{
	"run": slices.Concat(loadGroups, []flagGroup{
		{"Many processes", []string{"shard", "rendezvous", "rendezvous-timeout", "quorum", "start-at", "run-id"}},
	}, resultGroup("threshold"), metricsGroup),
	"sweep": slices.Concat([]flagGroup{
		{"Grid", []string{"vary", "preset", "base", "blocks", "seed", "parallel", "metric", "yes", "resume"}},
		{"Search", []string{"find", "scale", "allow", "threshold"}},
	}, loadGroups, resultGroup()),
	"tune": slices.Concat([]flagGroup{
		{"Search", []string{"base", "keep", "allow", "threshold", "yes"}},
	}, loadGroups, resultGroup()),
	"drain": slices.Concat([]flagGroup{
		{"Server", []string{"pid", "exec", "also", "contain", "ledger"}},
		{"Stop", []string{"after", "signal", "stop", "grace", "then", "restart", "handover", "watch", "repeat"}},
		{"Clients", []string{"idle", "in-flight", "partial", "queued", "arrivals", "reconnect", "workers", "engine"}},
		{"Requests", []string{"exchange", "in-flight-exchange", "think", "header", "connect-timeout", "request-timeout"}},
		{"Target and sandbox", []string{"allow-public", "sandbox", "sysctl"}},
	}, resultGroup("threshold"), metricsGroup),
	"handshake": append([]flagGroup{
		{"Connection", []string{"close", "on-eof", "exchange", "hold"}},
		{"Network and kernel", []string{"lose", "sysctl", "ipv6", "trace", "follow", "allow-public"}},
		{"Drills", []string{"drill"}},
	}, resultGroup()...),
	"plan": {
		{"Load", []string{"rate", "growth", "over", "poisson", "hold", "close", "on-eof", "exchange", "requests", "rtt", "service", "accept-pause"}},
		{"Addresses and the network", []string{"sources", "targets", "nat", "nat-addresses", "gateways", "topology", "lb", "lb-addresses", "conntrack-max"}},
		{"Limits", []string{"host", "limits", "server-limits", "from", "headroom", "verify"}},
		{"Result", []string{"format", "verbose", "output", "table"}},
	},
	"fleet": {
		{"Fleet", []string{"number", "name", "collect", "port", "program", "threshold"}},
		{"mpi, ssh", []string{"hosts"}},
		{"kubernetes", []string{"image", "cpus", "memory", "sysctl"}},
	},
	"serve": append([]flagGroup{
		{"Server", []string{"listen", "backlog", "listeners", "reuse-port", "ipv6", "workers", "engine"}},
		{"Connection", []string{"close", "on-eof", "exchange", "requests", "hold", "delay", "slow"}},
		{"Shutdown", []string{"shutdown", "grace", "ledger"}},
	}, metricsGroup...),
}

// usageWidth is the width that help is wrapped to.
const usageWidth = 80

// writeUsage replaces cobra's template, to group the flags.
func writeUsage(cmd *cobra.Command) error {
	var b strings.Builder
	line := cmd.UseLine()
	if cmd.HasAvailableSubCommands() {
		line = cmd.CommandPath() + " COMMAND [flags]"
	}
	fmt.Fprintf(&b, "Usage:\n  %s\n", line)
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	writeCommands(&b, "Commands", cmd, (*cobra.Command).IsAvailableCommand)
	writeCommands(&b, "Topics (lastack help TOPIC)", cmd, (*cobra.Command).IsAdditionalHelpTopicCommand)
	writeFlags(&b, cmd, usageWidth)
	_, err := io.WriteString(cmd.OutOrStdout(), b.String())
	return err
}

// writeCommands lists the subcommands of one kind.
func writeCommands(w io.Writer, title string, cmd *cobra.Command, of func(*cobra.Command) bool) {
	for _, c := range cmd.Commands() {
		if !of(c) {
			continue
		}
		if title != "" {
			fmt.Fprintf(w, "\n%s:\n", title)
			title = ""
		}
		fmt.Fprintf(w, "  %-*s %s\n", cmd.NamePadding(), c.Name(), c.Short)
	}
}

// writeFlags writes a command's flags by group, and last those without a group.
func writeFlags(w io.Writer, cmd *cobra.Command, width int) {
	groups, flags := flagGroups[cmd.Name()], cmd.LocalFlags()
	write := func(title string, set *pflag.FlagSet) {
		if set.HasAvailableFlags() {
			fmt.Fprintf(w, "\n%s:\n%s", title, trimLines(set.FlagUsagesWrapped(width)))
		}
	}
	grouped := make(map[string]bool)
	for _, g := range groups {
		set := pflag.NewFlagSet(g.title, pflag.ContinueOnError)
		set.SortFlags = false
		for _, name := range g.flags {
			if f := flags.Lookup(name); f != nil {
				grouped[name] = true
				set.AddFlag(f)
			}
		}
		write(g.title, set)
	}
	rest := pflag.NewFlagSet("rest", pflag.ContinueOnError)
	rest.SortFlags = flags.SortFlags
	flags.VisitAll(func(f *pflag.Flag) {
		if !grouped[f.Name] {
			rest.AddFlag(f)
		}
	})
	title := "Flags"
	if len(groups) > 0 {
		title = "Other"
	}
	write(title, rest)
}

// trimLines takes the spaces off the lines' ends.
func trimLines(s string) string {
	var b strings.Builder
	for line := range strings.Lines(s) {
		b.WriteString(strings.TrimRight(line, " \n"))
		b.WriteByte('\n')
	}
	return b.String()
}
