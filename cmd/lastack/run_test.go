package main

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"lastack/bench/record"
	"lastack/bench/sandbox"
)

func TestCodeOfRun(t *testing.T) {
	met, missed := record.ThresholdResult{OK: true}, record.ThresholdResult{}
	for _, tt := range []struct {
		name        string
		valid       bool
		interrupted bool
		thresholds  []record.ThresholdResult
		want        int
	}{
		{"valid", true, false, nil, exitOK},
		{"met", true, false, []record.ThresholdResult{met, met}, exitOK},
		{"missed", true, false, []record.ThresholdResult{met, missed, met}, exitThreshold},
		{"invalid", false, false, nil, exitInvalid},
		{"invalid and missed", false, false, []record.ThresholdResult{missed}, exitInvalid},
		{"interrupted", true, true, nil, exitInterrupted},
		{"all", false, true, []record.ThresholdResult{missed}, exitInterrupted},
	} {
		r := &record.Run{Interrupted: tt.interrupted, Thresholds: tt.thresholds}
		r.Verdict.Valid = tt.valid
		if got := codeOfRun(r); got != tt.want {
			t.Errorf("%s: exit code %d, want %d", tt.name, got, tt.want)
		}
	}
}

// The end of a cell that is not its job's.
func TestLost(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
		text string
	}{
		{&sandbox.DiedError{Signal: syscall.SIGTERM}, exitInterrupted, noResult},
		{&sandbox.DiedError{Signal: syscall.SIGHUP}, exitInterrupted, noResult},
		{&sandbox.DiedError{Signal: syscall.SIGQUIT}, exitInterrupted, noResult},
		{&sandbox.DiedError{Signal: syscall.SIGABRT}, exitInterrupted, noResult},
		{&sandbox.DiedError{Signal: syscall.SIGKILL}, exitError, "the run was killed (SIGKILL): if nobody did that, memory ran out"},
		{&sandbox.DiedError{Signal: syscall.SIGKILL, OutOfMemory: true}, exitError, "the kernel killed the run, because memory ran out"},
		{&sandbox.DiedError{Signal: syscall.SIGSEGV}, exitError, "the run was ended by signal 11"},
		{&sandbox.DiedError{Code: 2, Stderr: "panic: x\n\ny\n"}, exitError, "the sandbox's process crashed (exit status 2)"},
		{errors.New("something else"), exitError, "something else"},
	} {
		var stderr strings.Builder
		err := lost(&stderr, tt.err)
		if code := codeOf(err, true); code != tt.code || !strings.HasPrefix(err.Error(), tt.text) {
			t.Errorf("%v: exit code %d, %v; want %d, %s", tt.err, code, err, tt.code, tt.text)
		}
		// Each line says whose it is, in the log of an engine too.
		died, _ := errors.AsType[*sandbox.DiedError](tt.err)
		if said := strings.ReplaceAll(stderr.String(), "lastack: ", ""); died != nil && said != died.Stderr || strings.Count(stderr.String(), "lastack: ") != strings.Count(said, "\n") {
			t.Errorf("%v: %q on stderr", tt.err, stderr.String())
		}
	}
}
