package main

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"lastack/bench/metric"
	"lastack/bench/preset"
	"lastack/bench/record"
)

// topic is a help page that is not about a command. It is generated from the tables that the program itself uses.
type topic struct {
	name, short string
	write       func(w io.Writer)
	// item explains one name of the topic, all for all of them, and reports whether the topic has that name.
	item func(w io.Writer, name string) bool
	// names lists what a shell offers for item.
	names func() []string
}

func topics() []topic {
	return []topic{
		{"metrics", "What a --threshold can test", writeMetrics, writeMetric, func() []string { return metric.Names(record.KindRun) }},
		{"outcomes", "How connections and a drain's requests end, and what counts", writeOutcomes, oneOf(outcomeTerms), namesOfTerms(outcomeTerms)},
		{"states", "The TCP states, and the life of a connection", writeStates, oneOf(stateTerms), namesOfTerms(stateTerms)},
		{"policies", "Who closes first and how (--close), and the states that follow", writePolicies, writePolicy, closePolicies},
		{"ports", "The budget of local ports: who has them, and until when they last", writePorts, oneOf(portTerms), namesOfTerms(portTerms)},
		{"presets", "Questions that lastack sweep --preset answers", writePresets, writePreset, preset.Names},
		{"verdicts", "What limits a run, and what its findings mean", writeVerdicts, writeFinding, findingNames},
	}
}

// topicCommands returns commands without a Run function, which cobra lists as help topics.
func topicCommands() []*cobra.Command {
	var all []*cobra.Command
	for _, t := range topics() {
		c := &cobra.Command{Use: t.name, Short: t.short}
		c.SetHelpFunc(func(c *cobra.Command, _ []string) { toStdout(c, t.write) })
		all = append(all, c)
	}
	return all
}

// topicArgs makes a topic with a name, which is no command, one of help: verdicts cpu.
func topicArgs(args []string) []string {
	if len(args) > 1 && !strings.HasPrefix(args[1], "-") && slices.ContainsFunc(topics(), func(t topic) bool { return t.name == args[0] }) {
		return append([]string{"help"}, args...)
	}
	return args
}

// explain prints help about a name within a topic, like a finding.
func explain(cmd *cobra.Command, about string, names []string) error {
	for _, t := range topics() {
		if t.name != about {
			continue
		}
		known, name := false, strings.Join(names, " ")
		toStdout(cmd, func(w io.Writer) { known = t.item(w, name) })
		if known {
			return nil
		}
		return usagef("help %s has no %q: see lastack help %s", about, name, about)
	}
	return usagef("help explains one command or topic: see lastack help")
}

func toStdout(cmd *cobra.Command, write func(io.Writer)) {
	b := bufio.NewWriter(cmd.OutOrStdout())
	write(b)
	_ = b.Flush() // the checked writer keeps the error
}

type definition struct{ name, means string }

// oneOf explains one of these terms, or all, however it is spelt: time_wait, LEFT BEHIND.
func oneOf(terms func() []definition) func(w io.Writer, name string) bool {
	return func(w io.Writer, name string) bool {
		name = strings.ReplaceAll(name, "_", " ")
		found := slices.DeleteFunc(terms(), func(t definition) bool {
			return name != "all" && !strings.EqualFold(name, strings.ReplaceAll(t.name, "_", " "))
		})
		writeDefinitions(w, "", found)
		return len(found) > 0
	}
}

// namesOfTerms lists the names of terms as one word each.
func namesOfTerms(terms func() []definition) func() []string {
	return func() (list []string) {
		for _, t := range terms() {
			list = append(list, strings.ReplaceAll(t.name, " ", "_"))
		}
		return list
	}
}

// writeDefinitions writes a heading, if there is one, and below it the terms, wrapped.
func writeDefinitions(w io.Writer, heading string, terms []definition) {
	if heading != "" {
		fmt.Fprintf(w, "\n%s\n", heading)
	}
	width := 0
	for _, t := range terms {
		width = max(width, utf8.RuneCountInString(t.name))
	}
	for _, t := range terms {
		name := t.name
		for _, line := range wrapped(t.means, usageWidth-width-4) {
			fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %-*s  %s", width, name, line), " "))
			name = ""
		}
	}
}

// wrapped breaks text at spaces into lines of at most width characters. It returns at least one line.
func wrapped(text string, width int) []string {
	lines := []string{""}
	for _, word := range strings.Fields(text) {
		last := &lines[len(lines)-1]
		switch n := utf8.RuneCountInString(*last); {
		case n == 0:
			*last = word
		case n+1+utf8.RuneCountInString(word) <= width:
			*last += " " + word
		default:
			lines = append(lines, word)
		}
	}
	return lines
}
