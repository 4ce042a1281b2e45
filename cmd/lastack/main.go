// Command lastack load-tests the life of TCP connections: it opens and closes them
// in great numbers, chooses who closes first and how, and reports every state of
// the teardown on both ends. See lastack help.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"lastack/bench/host"
	"lastack/bench/process"
	"lastack/bench/quantity"
	"lastack/bench/record"
)

func main() {
	if process.IsInit() {
		os.Exit(process.RunInit())
	}
	if os.Args[0] == host.ProofArg {
		os.Exit(host.Proof(os.Stdout))
	}
	os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// Main runs the command line args, the program's name not included, and returns
// the exit code. A failure is one sentence on stderr.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root, running := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(context.Background())
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
