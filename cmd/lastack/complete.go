package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"lastack/bench/grid"
	"lastack/bench/host"
	"lastack/bench/metric"
	"lastack/bench/preset"
	"lastack/bench/process"
	"lastack/bench/record"
	"lastack/server"
	"lastack/sockstate/teardown"
)

// completeFlags registers completion of the values of flags.
func completeFlags(cmd *cobra.Command) {
	kind := record.KindRun
	if cmd.Name() == "drain" {
		kind = record.KindDrain
	}
	values := map[string]func() []string{
		"close":              closePolicies,
		"on-eof":             words(teardown.ReactionHelp),
		"exchange":           func() []string { return []string{"none", "echo:", "http:/"} },
		"in-flight-exchange": func() []string { return []string{"echo:", "http:/"} },
		"threshold":          func() []string { return metric.Names(kind) },
		"sysctl":             sysctlKeys,
		"vary":               varyKeys,
		"metric":             func() []string { return metric.Names(kind) },
		"preset":             preset.Names,
		"keep":               shortKeys,
		"scale":              func() []string { return []string{"auto", "1", "1/"} },
		"parallel":           func() []string { return []string{"auto"} },
		"signal":             process.SignalNames,
		"then":               func() []string { return append(process.SignalNames(), "none") },
		"base":               func() []string { return []string{grid.FromHost, grid.FromDefault} },
		"settle":             func() []string { return []string{"auto"} },
		"reconnect":          func() []string { return []string{"never"} },
		"shutdown":           words(server.ShutdownHelp),
	}
	// Values that are files or commands are left to the shell.
	ofShell := map[string]bool{"output": true, "ledger": true, "exec": true, "restart": true, "stop": true, "also": true, "resume": true, "limits": true, "server-limits": true, "from": true, "help": true}
	of := func(f *pflag.Flag) func() []string {
		if c, ok := f.Value.(*choice); ok {
			return func() []string { return c.of }
		}
		return values[f.Name]
	}
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		list := of(f)
		if list == nil && ofShell[f.Name] {
			return
		}
		complete := func(_ *cobra.Command, _ []string, begin string) ([]string, cobra.ShellCompDirective) {
			if list == nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var found []string
			directive := cobra.ShellCompDirectiveNoFileComp
			if f.Name == "base" {
				directive = cobra.ShellCompDirectiveDefault // or a file
			}
			offered := list()
			if key, _, ok := strings.Cut(begin, "="); ok && f.Name == "vary" {
				offered = nil // but for a setting that is a flag
				if varied := cmd.Flags().Lookup(key); varied != nil && of(varied) != nil {
					offered = levels(begin, of(varied)())
				}
			}
			for _, v := range offered {
				if strings.HasPrefix(v, begin) {
					found = append(found, v)
				}
				// No space after a value that goes on.
				if f.Name == "threshold" || f.Name == "sysctl" || f.Name == "vary" || strings.HasSuffix(v, ":") || strings.HasSuffix(v, "=") || strings.HasSuffix(v, "/") {
					directive |= cobra.ShellCompDirectiveNoSpace
				}
			}
			return found, directive
		}
		if err := cmd.RegisterFlagCompletionFunc(f.Name, complete); err != nil {
			panic(err) // cannot happen: the flag exists, and is registered once
		}
	})
}

// levels are the values of --vary KEY=LEVEL,LEVEL that go on with one of the levels, and not with one that is there already.
func levels(begin string, list []string) (values []string) {
	at := strings.LastIndexAny(begin, "=,") + 1
	_, given, _ := strings.Cut(begin[:at], "=")
	for _, v := range list {
		if !slices.Contains(strings.Split(given, ","), v) {
			values = append(values, begin[:at]+v)
		}
	}
	return values
}

// plainUsages takes the backquotes around what a flag takes out of the usages: help needs them, but completion shows a usage as it is.
func plainUsages(cmd *cobra.Command) {
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) { _, f.Usage = pflag.UnquoteUsage(f) })
	for _, c := range cmd.Commands() {
		plainUsages(c)
	}
}

// words lists the words of a help text like "close, delay=D, never or rst". A word that takes a value ends in "=".
func words(help string) func() []string {
	return func() []string {
		var list []string
		for _, w := range strings.Fields(strings.NewReplacer(",", " ", " or ", " ").Replace(help)) {
			list = append(list, strings.TrimSuffix(w, "D"))
		}
		return list
	}
}

func closePolicies() (list []string) {
	for _, p := range teardown.Policies() {
		name, _, value := strings.Cut(p.String(), "=")
		if value {
			name += "="
		}
		list = append(list, name)
	}
	return list
}

// sysctlKeys lists this kernel's writable keys of net.ipv4 and net.core, each followed by "=".
func sysctlKeys() []string {
	list := host.NetSysctls()
	for i := range list {
		list[i] += "="
	}
	return list
}

// varyKeys lists what a sweep can vary, each followed by "=". A sysctl has its short name.
func varyKeys() []string {
	list := append(grid.KeyNames(), host.NetSysctls()...)
	for i := range list {
		list[i] = grid.ShortKey(list[i]) + "="
	}
	return list
}
