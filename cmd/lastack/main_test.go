package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"
)

// commandsOf lists every command of the tree.
func commandsOf(c *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		all = append(all, commandsOf(sub)...)
	}
	return all
}

// TestHelpExamples reads every example of every help text as a command line that
// must be accepted. The scripts run those that do not take long.
func TestHelpExamples(t *testing.T) {
	tree, _ := newRoot()
	for _, c := range commandsOf(tree) {
		for line := range strings.Lines(strings.ReplaceAll(c.Example, "\\\n", "")) {
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			t.Run(line, func(t *testing.T) {
				words, err := splitShell(line)
				if err != nil {
					t.Fatal(err)
				}
				if words[0] != "lastack" {
					t.Fatalf("starts with %q, want lastack", words[0])
				}
				root, _ := newRoot()
				cmd, args, err := root.Find(words[1:])
				if err != nil {
					t.Fatal(err)
				}
				if cmd.CommandPath() != c.CommandPath() {
					t.Errorf("an example of %s among those of %s", cmd.CommandPath(), c.CommandPath())
				}
				if err := cmd.ParseFlags(args); err != nil {
					t.Fatal(err)
				}
				if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// programs puts programs of the given names into PATH, and nothing else.
func programs(t *testing.T, names ...string) {
	t.Helper()
	dir := t.TempDir()
	for _, n := range names {
		if err := os.WriteFile(filepath.Join(dir, n), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

// splitShell splits a line into words as a shell does, up to a pipe or redirection. What $(...) would print is
// the id of a process.
func splitShell(line string) ([]string, error) {
	file, err := syntax.NewParser().Parse(strings.NewReader(line), "")
	if err != nil {
		return nil, err
	}
	var first *syntax.CallExpr
	syntax.Walk(file, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok && first == nil {
			first = call
		}
		return first == nil
	})
	if first == nil {
		return nil, fmt.Errorf("there is no command in %s", line)
	}
	pid := func(w io.Writer, _ *syntax.CmdSubst) error {
		_, err := fmt.Fprint(w, os.Getpid())
		return err
	}
	return expand.Fields(&expand.Config{Env: expand.ListEnviron(os.Environ()...), CmdSubst: pid}, first.Args...)
}

// TestHelp holds every command to what a help text owes its reader.
func TestHelp(t *testing.T) {
	root, _ := newRoot()
	for _, c := range commandsOf(root) {
		if c == root || c.Name() == "help" || c.IsAdditionalHelpTopicCommand() {
			continue
		}
		if c.Long == "" || c.Example == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s wants a long text, an example, and a short one without full stop", c.CommandPath())
		}
		for line := range strings.Lines(c.Long) {
			if len(strings.TrimSuffix(line, "\n")) > textWidth {
				t.Errorf("%s: a line of its help is longer than %d: %s", c.CommandPath(), textWidth, line)
			}
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: --%s is not explained", c.CommandPath(), f.Name)
			}
		})
	}
}

func TestExitCodes(t *testing.T) {
	plain := errors.New("plain")
	for _, tt := range []struct {
		err     error
		running bool
		want    int
	}{
		{plain, true, exitError},
		{plain, false, exitUsage},
		{usagef("bad %q", "x"), true, exitUsage},
		{fmt.Errorf("more: %w", usagef("bad")), true, exitUsage},
		{exitWith(exitThreshold, nil), true, exitThreshold},
		{exitWith(exitInvalid, plain), true, exitInvalid},
	} {
		if got := codeOf(tt.err, tt.running); got != tt.want {
			t.Errorf("codeOf(%v, %t) = %d, want %d", tt.err, tt.running, got, tt.want)
		}
	}
	if err := exitWith(exitOK, nil); err != nil {
		t.Errorf("exitWith(0, nil) = %v", err)
	}
	if !errors.Is(exitWith(exitInvalid, plain), plain) {
		t.Error("exitWith hides its error")
	}
}

func TestWorst(t *testing.T) {
	for _, tt := range []struct {
		codes []int
		want  int
	}{
		{nil, exitOK},
		{[]int{exitOK, exitThreshold}, exitThreshold},
		{[]int{exitThreshold, exitInvalid}, exitInvalid},
		{[]int{exitInvalid, exitError, exitThreshold}, exitError},
		{[]int{exitError, exitInterrupted, exitInvalid}, exitInterrupted},
	} {
		if got := worst(tt.codes...); got != tt.want {
			t.Errorf("worst(%v) = %d, want %d", tt.codes, got, tt.want)
		}
	}
}
