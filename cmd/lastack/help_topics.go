package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// topic is a page of help that is about no command. Its text is made of the tables that the program itself works by.
type topic struct {
	name, short string
	write       func(w io.Writer)
	// item explains one name of the topic, and reports whether there is such a name; nil where the page says all.
	item func(w io.Writer, name string) bool
}

// topics lists them, as help does.
func topics() []topic {
	return []topic{
		{"metrics", "What a --threshold may bound", writeMetrics, writeMetric},
		{"outcomes", "How a connection can end, and how that is counted", writeOutcomes, nil},
		{"states", "The TCP states, and the life of a connection", writeStates, nil},
		{"policies", "Who closes first and how (--close), and what follows", writePolicies, nil},
		{"verdicts", "What bounds a run, and what its findings mean", writeVerdicts, writeFinding},
	}
}

// topicCommands are commands that cannot run: cobra takes those for topics.
func topicCommands() []*cobra.Command {
	var all []*cobra.Command
	for _, t := range topics() {
		c := &cobra.Command{Use: t.name, Short: t.short}
		c.SetHelpFunc(func(c *cobra.Command, _ []string) { toStdout(c, t.write) })
		all = append(all, c)
	}
	return all
}

// explain is help for a name within a topic, like that of a finding.
func explain(cmd *cobra.Command, about string, names []string) error {
	for _, t := range topics() {
		if t.name != about || t.item == nil || len(names) != 1 {
			continue
		}
		known := false
		toStdout(cmd, func(w io.Writer) { known = t.item(w, names[0]) })
		if known {
			return nil
		}
		return usagef("help %s has no %q: see lastack help %s", about, names[0], about)
	}
	return usagef("help explains one command or topic: see lastack help")
}

func toStdout(cmd *cobra.Command, write func(io.Writer)) {
	b := bufio.NewWriter(cmd.OutOrStdout())
	write(b)
	_ = b.Flush() // Main's stdout keeps the error
}

// definition is a name and what it means.
type definition struct{ name, means string }

// writeDefinitions writes a heading and terms below it, wrapped; without a heading, the terms only.
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

// wrapped breaks text at spaces into lines of at most width characters, at least one.
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
