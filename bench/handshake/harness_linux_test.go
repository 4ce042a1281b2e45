package handshake

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/sockstate/socktest"
)

func TestMain(m *testing.M) {
	sandbox.Main(map[string]sandbox.Func{Job.Name: Job.Func})
	socktest.Parallel(6) // connections wait for timers most of their time
	os.Exit(m.Run())
}

// mustWatch skips the test where this host allows no sandbox, and fails it for any other error.
func mustWatch(t *testing.T, err error) {
	t.Helper()
	if e, ok := errors.AsType[*sandbox.Error](err); ok && e.Cause != "" && (errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.ENOSPC)) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// watched runs a connection and returns its ladder. It skips the test where this host allows no sandbox.
func watched(t *testing.T, s Spec) *record.Ladder {
	t.Helper()
	setup, err := Resolve(s)
	if err != nil {
		t.Fatal(err)
	}
	run, err := Watch(t.Context(), []Setup{setup}, 1, func(record.Event) {})
	mustWatch(t, err)
	if len(run.Warnings) == 1 && strings.Contains(run.Warnings[0], "got no CPU") {
		t.Skip(run.Warnings[0])
	}
	if len(run.Warnings) > 0 {
		t.Errorf("warnings: %q", run.Warnings)
	}
	if err := run.Validate(); err != nil {
		t.Error(err)
	}
	return &run.Handshake.Ladders[0]
}
