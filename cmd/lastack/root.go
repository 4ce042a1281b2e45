package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// newRoot builds the command tree. running is set when a command's own code
// starts, that is, once the command line has been accepted.
func newRoot() (root *cobra.Command, running *bool) {
	running = new(bool)
	root = &cobra.Command{
		Use:   "lastack",
		Short: "Load-test the life of TCP connections",
		Long: `lastack opens and closes real TCP connections in great numbers. You choose who
closes first and how. lastack reports every state of the teardown at both ends,
how fast the host was, and what limited it.

Durations are written as in Go (500ms, 10s, 1m30s); counts and rates take k, M
and G (5k, 1.5M). Results go to stdout, progress and errors to stderr.

Exit codes: 0 success, 1 error, 2 wrong usage, 3 the result is not valid as a
statement about the target, 99 a threshold was missed, 130 interrupted.`,
		Version:       fmt.Sprintf("%s %s/%s %s", versionString(), runtime.GOOS, runtime.GOARCH, runtime.Version()),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRun: func(*cobra.Command, []string) {
			*running = true
		},
	}
	root.SetUsageFunc(writeUsage)
	root.SetHelpCommand(newHelp())
	root.SetVersionTemplate("lastack {{.Version}}\n")
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(flagError)
	for _, c := range commands() {
		completeFlags(c)
		root.AddCommand(c)
	}
	root.AddCommand(topicCommands()...)
	return root, running
}

// newHelp replaces cobra's help command, which answers an unknown command with a page and exit code 0.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND|TOPIC [NAME]]",
		Short: "Explain a command or a topic",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, begin string) (found []string, _ cobra.ShellCompDirective) {
			if len(args) > 0 {
				i := slices.IndexFunc(topics(), func(t topic) bool { return len(args) == 1 && t.name == args[0] })
				if i < 0 {
					return nil, cobra.ShellCompDirectiveNoFileComp
				}
				names := append(topics()[i].names(), "all")
				return slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, begin) }), cobra.ShellCompDirectiveNoFileComp
			}
			for _, c := range cmd.Root().Commands() {
				if explained(c) {
					found = append(found, c.Name()+"\t"+c.Short)
				}
			}
			return found, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			about, rest, err := root.Find(args)
			if err != nil {
				return usagef("%w", err)
			}
			switch {
			case about == root && len(rest) > 0:
				return unknownTopic(root, rest[0])
			case len(rest) > 0:
				return explain(cmd, about.Name(), rest)
			}
			about.InitDefaultHelpFlag()
			about.InitDefaultVersionFlag()
			return about.Help()
		},
	}
}

func unknownTopic(root *cobra.Command, name string) error {
	return usagef("unknown command or topic %q: want %s", name, namesOf(root, explained))
}

// explained reports whether help has a page about c.
func explained(c *cobra.Command) bool {
	return c.IsAvailableCommand() || c.IsAdditionalHelpTopicCommand()
}

func namesOf(root *cobra.Command, which func(*cobra.Command) bool) string {
	var names []string
	for _, c := range root.Commands() {
		if which(c) {
			names = append(names, c.Name())
		}
	}
	return strings.Join(names, ", ")
}

func commands() []*cobra.Command {
	all := []*cobra.Command{
		newRun(),
		newDrain(),
		newHandshake(),
		newSweep(),
		newTune(),
		newServe(),
		newReport(),
		newCompare(),
		newMerge(),
		newFleet(),
		newPlan(),
		newDoctor(),
		newCompletion(),
		newVersion(),
	}
	return append(all, packaging()...)
}

// knownCommand replaces cobra's check, which answers with a page.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef("unknown command %q: did you mean %s?", args[0], strings.Join(near, " or "))
	}
	return usagef("unknown command %q: want %s", args[0], namesOf(cmd, (*cobra.Command).IsAvailableCommand))
}
