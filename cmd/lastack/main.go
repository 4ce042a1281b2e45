// Command lastack load-tests the life of TCP connections: it opens and closes them
// in great numbers, chooses who closes first and how, and reports every state of
// the teardown on both ends. See lastack help.
//
// A subcommand is a file of its name, and a line in root.go. A flag of run is a field of runOptions (run_options.go) that becomes one of
// setup.Spec (run_spec.go); flags that run and drain share are in traffic.go and result.go. What a subcommand does in a sandbox is a job:
// cell.go starts it, main lists all jobs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"lastack/bench/host"
	"lastack/bench/process"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/bench/sandbox"
)

func main() {
	if process.IsInit() {
		os.Exit(process.RunInit())
	}
	if os.Args[0] == host.ProofArg {
		os.Exit(host.Proof(os.Stdout))
	}
	if err := host.CheckPrivileges(); err != nil {
		fmt.Fprintf(os.Stderr, "lastack: %v\n", err)
		os.Exit(exitError)
	}
	sandbox.Main(cellJobs)
	command := ""
	if len(os.Args) > 1 {
		command = os.Args[1]
	}
	// Before the runtime needs them: it would end the program with a trace.
	need := int64(host.RuntimeThreads)
	if loads(command) {
		need = host.LoadThreads
	}
	if err := host.CheckThreads(need); err != nil {
		fmt.Fprintf(os.Stderr, "lastack: %v\n", err)
		os.Exit(exitError)
	}
	endBySignal(earlyWords(command))
	outliveWriting()
	os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// loads reports whether a command has workers, and most often a sandbox.
func loads(command string) bool { return command == "run" || command == "drain" || command == "serve" }

// Main runs the command line args, the program's name not included, and returns
// the exit code. A failure is one sentence on stderr.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root, running := newRoot()
	out := &checked{Writer: stdout}
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(out)
	root.SetErr(stderr)
	err := out.of(root.ExecuteContext(context.Background()))
	if err == nil {
		return exitOK
	}
	code := codeOf(err, *running)
	if text := err.Error(); text != "" {
		// Errors that were joined stand on a line each. Names, and what others wrote, may be in them.
		fmt.Fprintf(stderr, "lastack: %s\n", strings.ReplaceAll(quantity.Escape(record.RedactText(text)), "\n", "; "))
	}
	return code
}

// checked is stdout. It keeps the first error of writing: not all who print tell (cobra's help does not).
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

// of is the error that a command ended with, once stdout is looked at too. Whoever has stopped reading (EPIPE) has read enough:
// that is no failure.
func (c *checked) of(err error) error {
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
