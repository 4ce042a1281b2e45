package main

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"testing"
	"time"
)

// atMost bounds a run of the program in a test, on a machine that is busy with others.
const atMost = 2 * time.Minute

// ended is what a run of the program left.
type ended struct {
	code           int
	stdout, stderr string
}

// lastack runs the program as a process of its own: a test binary under that name, which
// TestMain has put into PATH.
func lastack(t *testing.T, args ...string) ended {
	t.Helper()
	return runIn(t, "", "lastack", args...)
}

// runIn runs a command in dir and returns what it left, whatever its exit code.
func runIn(t *testing.T, dir, name string, args ...string) ended {
	t.Helper()
	return runFor(t, atMost, dir, name, args...)
}

// runFor is runIn for what takes longer.
func runFor(t *testing.T, atMost time.Duration, dir, name string, args ...string) ended {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), atMost)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &stdout, &stderr
	err := cmd.Run()
	if _, isExit := errors.AsType[*exec.ExitError](err); err != nil && !isExit {
		t.Fatalf("%v: %v", cmd, err)
	}
	if ctx.Err() != nil {
		t.Fatalf("%v did not end in %v: %s", cmd, atMost, stderr.String())
	}
	return ended{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}
