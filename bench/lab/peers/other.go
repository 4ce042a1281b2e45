//go:build !linux

package peers

import (
	"context"
	"time"

	"lastack/bench/sandbox"
	"lastack/sockstate"
)

// Testbed needs Linux.
type Testbed struct {
	dir   string
	quiet time.Duration
}

// OpenTestbed needs Linux.
func OpenTestbed(*sandbox.Sandbox, string, time.Duration) (*Testbed, error) {
	return nil, sockstate.ErrNeedsLinux
}

// Close does nothing.
func (t *Testbed) Close() error { return nil }

// SerialFloor needs Linux.
func SerialFloor(FloorConfig) (FloorResult, error) { return FloorResult{}, sockstate.ErrNeedsLinux }

// ReadFacts needs Linux.
func ReadFacts(context.Context, Programs, Load, int, string) (Facts, error) {
	return Facts{}, sockstate.ErrNeedsLinux
}

type child struct{}

func (p *child) wait() (ended, error) { return ended{}, sockstate.ErrNeedsLinux }
func (p *child) end() (ended, error)  { return ended{}, sockstate.ErrNeedsLinux }

func (t *Testbed) run(context.Context, command) (ended, error) {
	return ended{}, sockstate.ErrNeedsLinux
}

func (t *Testbed) start(context.Context, service) (*child, error) {
	return nil, sockstate.ErrNeedsLinux
}

func (t *Testbed) serve(context.Context, service) (func() error, error) {
	return nil, sockstate.ErrNeedsLinux
}
func (t *Testbed) serverCPU() (time.Duration, error)     { return 0, sockstate.ErrNeedsLinux }
func (t *Testbed) prepare(context.Context) (bool, error) { return false, sockstate.ErrNeedsLinux }
func (t *Testbed) remains() (Remains, error)             { return Remains{}, sockstate.ErrNeedsLinux }
