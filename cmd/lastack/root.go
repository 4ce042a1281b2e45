package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// version is set when linking (-X main.version=v1.2.3).
var version string

// versionString is the version as linked, or what the Go tool noted down.
func versionString() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	revision, modified := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value[:min(12, len(s.Value))]
		case s.Key == "vcs.modified" && s.Value == "true":
			modified = "-dirty"
		}
	}
	if revision == "" {
		return "devel"
	}
	return revision + modified
}

// newRoot builds the whole command tree. running is set once a command's own code
// starts, that is when the command line has been accepted.
func newRoot() (root *cobra.Command, running *bool) {
	running = new(bool)
	root = &cobra.Command{
		Use:   "lastack",
		Short: "Load-test the life of TCP connections",
		Long: `lastack opens and closes TCP connections in great numbers, real ones of this
kernel, chooses who closes first and how, watches every state of the teardown on
both ends, and says what the host could bear and why.

Durations are Go's (500ms, 10s, 1m30s); counts and rates take k, M and G (5k, 1.5M).
Results go to stdout, progress and errors to stderr.

Exit codes: 0 done, 1 error, 2 wrong usage, 3 the result is not valid as a
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
	root.SetUsageTemplate(usageTemplate)
	root.SetHelpCommand(newHelp())
	root.SetVersionTemplate("lastack {{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(flagError)
	for _, c := range commands() {
		completeFlags(c)
		root.AddCommand(c)
	}
	return root, running
}

// usageTemplate is cobra's, less what lastack has not.
const usageTemplate = `Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND [flags]{{else}}{{.UseLine}}{{end}}
{{- if .HasExample}}

Examples:
{{.Example}}{{end}}
{{- if .HasAvailableSubCommands}}

Commands:
{{- range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}} {{.Short}}{{end}}{{end}}{{end}}
{{- if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsagesWrapped 100 | trimTrailingWhitespaces}}{{end}}
`

// newHelp takes the place of cobra's help command, which greets an unknown command
// with a page and exit code 0.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Explain a command",
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			about, rest, err := root.Find(args)
			if err != nil {
				return usagef("%w", err)
			}
			if len(rest) > 0 {
				return knownCommand(root, rest)
			}
			about.InitDefaultHelpFlag()
			about.InitDefaultVersionFlag()
			return about.Help()
		},
	}
}

// commands lists the subcommands.
func commands() []*cobra.Command {
	return []*cobra.Command{
		newRun(),
		newDrain(),
		newServe(),
		newReport(),
		newDoctor(),
	}
}

// knownCommand takes the place of cobra's check, whose answer is a page.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return usagef("unknown command %q: did you mean %s?", args[0], strings.Join(near, " or "))
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return usagef("unknown command %q: want %s", args[0], strings.Join(names, ", "))
}
