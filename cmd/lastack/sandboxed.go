package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"lastack/bench/host"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/bench/sandbox"
)

// measurement is what a command does where it belongs: inside sb, or in the host's namespace if that is
// nil. The status is what the record says of it.
type measurement func(cmd *cobra.Command, sb *sandbox.Sandbox, status record.Sandbox) error

// inSandbox carries out measure in a new sandbox, through a child of this process, which comes by here too. needs
// is the flag that insists on the sandbox; without one the host's namespace does where there can be none.
func inSandbox(cmd *cobra.Command, spec sandbox.Spec, needs string, measure measurement) error {
	if sandbox.Inside() {
		sb, err := sandbox.Enter()
		if err != nil {
			return exitWith(exitError, nil) // the parent has it, and says it
		}
		err = measure(cmd, sb, sb.Status)
		early.begin(exitInterrupted, "") // all has been said
		cerr := sb.Close()
		if left, ok := errors.AsType[*sandbox.LeftError](cerr); ok {
			fmt.Fprintf(cmd.ErrOrStderr(), "lastack: %v\n", left)
			cerr = nil
		}
		return alsoFailed(err, cerr)
	}
	spec.Extra, spec.OnSignals = factsForInside(), early.end
	spec.OnInside = func() { host.KeepCapabilities() }
	code, status, err := sandbox.Run(cmd.Context(), spec)
	early.begin(exitInterrupted, "") // what there is to say, the child has said, or is said below
	sysctl, isSysctl := errors.AsType[*sandbox.SysctlError](err)
	lost, isLost := errors.AsType[*sandbox.LostError](err)
	switch {
	case err == nil && status.Reason == sandbox.Interrupted:
		return exitWith(exitInterrupted, errors.New(noResult))
	case err == nil:
		return ofChild(code)
	case isSysctl:
		return usagef("--%w", sysctl)
	case isLost:
		return lost
	}
	why := refusal(err)
	if needs != "" {
		return fmt.Errorf("%s needs a sandbox, and this host allows none: %s; lastack doctor knows the remedy, and without the flag the run needs no sandbox", needs, why)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "lastack: the run takes place in this host's network namespace, as it allows no sandbox: %s\n", quantity.Escape(why))
	status.Reason = why
	return measure(cmd, nil, status)
}

// refusal is err without the words that say that there is no sandbox.
func refusal(err error) string { return strings.TrimPrefix(err.Error(), "no sandbox: ") }

// ofChild turns the code that the sandbox's process ended with into the program's own: a signal
// may have ended it before it was ready for one, or without anybody's asking.
func ofChild(code int) error {
	switch sig := syscall.Signal(code - 128); {
	case code <= 128, code == exitInterrupted:
		return exitWith(code, nil)
	case slices.Contains(endings(), os.Signal(sig)):
		return exitWith(exitInterrupted, errors.New(noResult))
	case sig == syscall.SIGKILL:
		return errors.New("the run was killed before its end: if nobody did so, the kernel was out of memory (dmesg tells), so ask for fewer connections")
	default:
		return fmt.Errorf("the run was ended by signal %d (%v)", int(sig), sig)
	}
}

// parseSysctls reads --sysctl.
func parseSysctls(texts []string) ([]sandbox.Sysctl, error) {
	var list []sandbox.Sysctl
	for _, s := range texts {
		c, err := sandbox.ParseSysctl(s)
		if err != nil {
			return nil, usagef("%w", err)
		}
		list = append(list, c)
	}
	return list, nil
}

// wantedSandbox is what the record says of a sandbox that is not there yet.
func wantedSandbox(spec sandbox.Spec) record.Sandbox {
	s := record.Sandbox{Topology: string(spec.Topology), Sysctls: make(map[string]string)}
	for _, c := range spec.Sysctls {
		s.Sysctls[c.Key] = c.Value
	}
	return s
}
