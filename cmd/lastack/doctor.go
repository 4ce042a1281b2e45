package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"lastack/bench/host"
	"lastack/bench/quantity"
)

func newDoctor() *cobra.Command {
	var format string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what this host allows: limits, sysctls, kernel features",
		Long: `doctor checks which features of lastack work on this host. Each line is

  ok        nothing to do
  degraded  works, with limits or at a cost
  blocked   a feature of lastack does not work here

Every line that is not ok comes with a remedy. doctor tries each kernel feature
for real and changes nothing on the host. Findings are not errors: the exit code
is 0.

With --format json it writes what lastack plan --limits reads: the limits of a
host for a plan that is made elsewhere.`,
		Example: `  lastack doctor
  lastack doctor --format json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			facts, err := host.Read()
			if err != nil {
				return err
			}
			features, err := host.Probe(cmd.Context(), "/proc/self/exe")
			if err != nil {
				return err
			}
			r := &host.Report{
				Schema: host.ReportSchema, Version: versionString(),
				Host: facts, Features: features, Lines: host.Judge(facts, features),
			}
			if format == "json" {
				return r.Write(cmd.OutOrStdout())
			}
			return writeDoctor(cmd.OutOrStdout(), r)
		},
	}
	cmd.Flags().Var(newChoice(&format, "text", "json"), "format", "how to print")
	return cmd
}

const textWidth = 100

func writeDoctor(w io.Writer, r *host.Report) error {
	var b strings.Builder
	ns := r.Host.NetNS
	if !strings.HasPrefix(ns, "net:") {
		ns = "network namespace " + ns
	}
	fmt.Fprintf(&b, "lastack %s on Linux %s %s, %s\n", r.Version, r.Host.Kernel, r.Host.Arch, ns)

	subject := 0
	for _, l := range r.Lines {
		subject = max(subject, len(l.Subject))
	}
	group, count := "", map[host.Status]int{}
	for _, l := range r.Lines {
		if l.Group != group {
			group = l.Group
			fmt.Fprintf(&b, "\n%s\n", group)
		}
		count[l.Status]++
		head := fmt.Sprintf("  %-8s  %-*s  ", l.Status, subject, l.Subject)
		writeWrapped(&b, head, l.Detail)
		if l.Remedy != "" {
			writeWrapped(&b, strings.Repeat(" ", len(head))+"-> ", l.Remedy)
		}
	}
	fmt.Fprintf(&b, "\n%d ok, %d degraded, %d blocked\n", count[host.OK], count[host.Degraded], count[host.Blocked])
	_, err := io.WriteString(w, b.String())
	return err
}

// writeWrapped writes head and text, wrapped at textWidth and indented below the start of text.
func writeWrapped(b *strings.Builder, head, text string) {
	for _, line := range wrapped(quantity.Escape(text), textWidth-len(head)) {
		b.WriteString(head + line + "\n")
		head = strings.Repeat(" ", len(head))
	}
}
