//go:build !linux

package sandbox

import (
	"context"
	"encoding/json"
	"iter"

	"lastack/bench/record"
	"lastack/sockstate"
)

// Main returns.
func Main(_ map[string]Func) {}

// Cell needs Linux.
type Cell struct{}

// Start needs Linux.
func Start(_ context.Context, _ Spec, _ Job) (*Cell, error) {
	return nil, &Error{Step: StepNamespaces, Err: sockstate.ErrNeedsLinux}
}

// Status is nothing.
func (c *Cell) Status() record.Sandbox { return record.Sandbox{} }

// Events yields nothing.
func (c *Cell) Events() iter.Seq[json.RawMessage] { return func(func(json.RawMessage) bool) {} }

// Stop does nothing.
func (c *Cell) Stop() {}

// Kill does nothing.
func (c *Cell) Kill() {}

// Wait needs Linux.
func (c *Cell) Wait() (json.RawMessage, error) { return nil, sockstate.ErrNeedsLinux }

// Left is nothing.
func (c *Cell) Left() error { return nil }

// Dropped is 0.
func (c *Cell) Dropped() int64 { return 0 }

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
