//go:build !linux

package sandbox

import (
	"context"
	"encoding/json"

	"lastack/bench/record"
	"lastack/sockstate"
)

// Run needs Linux.
func Run(_ context.Context, _ Spec) (exit int, status record.Sandbox, err error) {
	err = &Error{Step: StepNamespaces, Err: sockstate.ErrNeedsLinux}
	return 1, record.Sandbox{Mode: string(Off), Reason: err.Error()}, err
}

// HideDescriptors does nothing.
func HideDescriptors() {}

// Inside is false.
func Inside() bool { return false }

// CheckHandoff finds nothing.
func CheckHandoff() error { return nil }

// Extra is nothing.
func Extra() json.RawMessage { return nil }

// Enter needs Linux.
func Enter() (*Sandbox, error) {
	return nil, &Error{Step: StepNamespaces, Err: sockstate.ErrNeedsLinux}
}

// Close does nothing.
func (s *Sandbox) Close() error { return nil }

// Blackhole needs Linux.
func (s *Sandbox) Blackhole(_ ...sockstate.Side) (lift func() error, err error) {
	return nil, &Error{Step: StepLoss, Err: sockstate.ErrNeedsLinux}
}

type orphanage struct{}
