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
	return nil, &Error{step: stepNamespaces, Err: sockstate.ErrNeedsLinux}
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

// Blackhole needs Linux.
func (s *Sandbox) Blackhole(_ ...sockstate.Side) (lift func() error, err error) {
	return nil, &Error{step: stepLoss, Err: sockstate.ErrNeedsLinux}
}

type orphanCleaner struct{}
