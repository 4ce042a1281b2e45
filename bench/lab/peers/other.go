//go:build !linux

package main

import (
	"context"
	"time"

	"lastack/bench/sandbox"
	"lastack/sockstate"
)

// Testbed needs Linux.
type testbed struct {
	dir   string
	quiet time.Duration
}

// OpenTestbed needs Linux.
func openTestbed(*sandbox.Sandbox, string, time.Duration) (*testbed, error) {
	return nil, sockstate.ErrNeedsLinux
}

// Close does nothing.
func (t *testbed) Close() error { return nil }

// SerialFloor needs Linux.
func SerialFloor(floorConfig) (floorResult, error) { return floorResult{}, sockstate.ErrNeedsLinux }

// ReadFacts needs Linux.
func ReadFacts(context.Context, programs, load, int, string) (facts, error) {
	return facts{}, sockstate.ErrNeedsLinux
}

type child struct{}

func (p *child) wait() (ended, error) { return ended{}, sockstate.ErrNeedsLinux }
func (p *child) end() (ended, error)  { return ended{}, sockstate.ErrNeedsLinux }

func (t *testbed) run(context.Context, command) (ended, error) {
	return ended{}, sockstate.ErrNeedsLinux
}

func (t *testbed) start(context.Context, service) (*child, error) {
	return nil, sockstate.ErrNeedsLinux
}

func (t *testbed) serve(context.Context, service) (func() error, error) {
	return nil, sockstate.ErrNeedsLinux
}
func (t *testbed) serverCPU() (time.Duration, error)     { return 0, sockstate.ErrNeedsLinux }
func (t *testbed) prepare(context.Context) (bool, error) { return false, sockstate.ErrNeedsLinux }
func (t *testbed) remains() (leftovers, error)           { return leftovers{}, sockstate.ErrNeedsLinux }
