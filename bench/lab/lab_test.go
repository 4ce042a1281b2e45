package lab

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lastack/sockstate/socktest"
)

// program is one whose measuring is f.
func program(f func(ctx context.Context, r *Run) error) *Program {
	return &Program{
		Name: "weigh",
		Parts: map[string]func([]string, io.Writer) error{"-part": func(args []string, stdout io.Writer) error {
			if len(args) == 0 {
				return errors.New("want an argument")
			}
			_, err := fmt.Fprintln(stdout, args)
			return err
		}},
		Flags: func(f *flag.FlagSet) func() error {
			n := f.Int("n", 1, "N")
			return func() error {
				if *n < 1 {
					return fmt.Errorf("-n: want 1 or more, got %d", *n)
				}
				return nil
			}
		},
		Measure: f,
	}
}

func TestProgram(t *testing.T) {
	table := func(w io.Writer) error {
		_, err := io.WriteString(w, "| 1 |\n")
		return err
	}
	file := filepath.Join(t.TempDir(), "table.md")
	measure := func(_ context.Context, r *Run) error { return r.Write(table) }
	interrupt := func(ctx context.Context, r *Run) error {
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Signal(os.Interrupt)
		}
		if err != nil {
			return err
		}
		<-ctx.Done()
		return errors.Join(ctx.Err(), r.Write(table))
	}
	for _, tt := range []struct {
		args           []string
		measure        func(context.Context, *Run) error
		code           int
		stdout, stderr string
	}{
		{nil, measure, ExitOK, "| 1 |\n", ""},
		{[]string{"-o", file}, measure, ExitOK, "| 1 |\n", ""},
		{[]string{"-o", "/nonexistent/table.md"}, measure, ExitError, "| 1 |\n", "weigh: open /nonexistent/table.md: "},
		{[]string{"-n", "0"}, measure, ExitUsage, "", "weigh: -n: want 1 or more, got 0\n"},
		{[]string{"10.0.0.1:80"}, measure, ExitUsage, "", "weigh: unexpected argument \"10.0.0.1:80\"\n"},
		{[]string{"-h"}, measure, ExitOK, "", "path of lastack"},
		{[]string{"-part", "a"}, measure, ExitOK, "[a]\n", ""},
		{[]string{"-part"}, measure, ExitError, "", "weigh: want an argument\n"},
		{nil, interrupt, ExitInterrupted, "| 1 |\n", "weigh: interrupted; the table holds what was measured until then\n"},
	} {
		var stdout, stderr bytes.Buffer
		code := program(tt.measure).Main(tt.args, &stdout, &stderr)
		if code != tt.code || stdout.String() != tt.stdout || !strings.Contains(stderr.String(), tt.stderr) || tt.stderr == "" && stderr.Len() > 0 {
			t.Errorf("%q: exit %d, stdout %q, stderr %q, want %d, %q, %q", tt.args, code, stdout.String(), stderr.String(), tt.code, tt.stdout, tt.stderr)
		}
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "| 1 |\n" {
		t.Errorf("-o wrote %q, %v", b, err)
	}
}

func TestFind(t *testing.T) {
	if _, err := Find("nothing-utils", "no-such-program"); err == nil || err.Error() != "no-such-program is not installed (Debian: apt-get install nothing-utils)" {
		t.Errorf("%v", err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "weigh-tool")
	if err := socktest.WriteProgram(path, strings.NewReader("#!/bin/sh\necho 1.2 >&2\nexit 1\n")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	for _, names := range [][]string{{"weigh-tool"}, {path}, {"no-such-program", "weigh-tool"}} {
		if got, err := Find("", names...); got != path || err != nil {
			t.Errorf("%q: %q, %v", names, got, err)
		}
	}
	if got := Ask(t.Context(), path); got != "1.2\n" {
		t.Errorf("asked, it says %q", got)
	}
}

func TestLastLine(t *testing.T) {
	for in, want := range map[string]string{"": "", "a\nb \n\n": "b", strings.Repeat("ä", 150): strings.Repeat("ä", 100)} {
		if got := LastLine(in); got != want {
			t.Errorf("of %q: %q, want %q", in, got, want)
		}
	}
}
