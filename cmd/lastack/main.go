// Command lastack is a load tester for the life of TCP connections: it opens and
// closes them in great numbers, chooses who closes first and how, and reports
// every state of the teardown at both ends. See lastack help.
//
// A subcommand is a file of its name and a line in root.go. A flag of run is a field of runOptions (run_options.go) that becomes a field of
// setup.Spec (run_spec.go). traffic.go and result.go hold flags that commands share. What a subcommand does in a sandbox is a job, which
// cell.go lists and starts.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"lastack/bench/host"
	"lastack/bench/process"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/bench/sandbox"
)

func main() {
	process.Main()
	host.Proof()
	if err := host.CheckPrivileges(); err != nil {
		fmt.Fprintf(os.Stderr, "lastack: %v\n", err)
		os.Exit(exitError)
	}
	sandbox.Main(cellJobs)
	command := ""
	if len(os.Args) > 1 {
		command = os.Args[1]
	}
	// The runtime would crash with a stack trace if it could not start a thread.
	need := int64(host.RuntimeThreads)
	if loads(command) {
		need = host.LoadThreads
	}
	if err := host.CheckThreads(need); err != nil {
		fmt.Fprintf(os.Stderr, "lastack: %v\n", err)
		os.Exit(exitError)
	}
	endBySignal(earlyMessage(command))
	surviveFailedWrites()
	os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// loads reports whether a command starts worker threads.
func loads(command string) bool {
	return command == "run" || command == "drain" || command == "serve" || command == "sweep" || command == "tune"
}

// Main runs the command line args, without the program's name, and returns the
// exit code. It prints a failure as one sentence on stderr.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root, running := newRoot()
	if len(args) > 0 && args[0] == cobra.ShellCompRequestCmd {
		plainUsages(root)
	}
	out := &checked{Writer: stdout}
	root.SetArgs(topicArgs(args))
	root.SetIn(stdin)
	root.SetOut(out)
	root.SetErr(stderr)
	err := out.merge(root.ExecuteContext(context.Background()))
	if err == nil {
		return exitOK
	}
	code := codeOf(err, *running)
	if text := err.Error(); text != "" {
		// errors.Join separates errors by newlines. The text may hold file names and other programs' output.
		fmt.Fprintf(stderr, "lastack: %s\n", strings.ReplaceAll(quantity.Escape(record.RedactText(text)), "\n", "; "))
	}
	return code
}

// checked is stdout. It keeps the first write error, since not every caller checks for one (cobra's help does not).
type checked struct {
	io.Writer
	err error
}

func (c *checked) Write(b []byte) (int, error) {
	n, err := c.Writer.Write(b)
	if c.err == nil {
		c.err = err
	}
	return n, err
}

// merge combines a command's error with a failed write to stdout. EPIPE is not a failure: the reader has seen enough.
func (c *checked) merge(err error) error {
	switch {
	case c.err == nil:
		return err
	case errors.Is(c.err, syscall.EPIPE):
		if _, more := errors.AsType[*codeError](err); !more && errors.Is(err, syscall.EPIPE) {
			return nil
		}
		return err
	case err == nil || err.Error() == c.err.Error():
		return exitWith(exitError, fmt.Errorf("the output could not be written: %w", c.err))
	}
	return err
}
