//go:build !linux

package observe

import (
	"lastack/sockstate"
)

// Observer needs Linux.
type Observer struct{}

// New needs Linux.
func New(Config) (*Observer, error) { return nil, sockstate.ErrNeedsLinux }

// Source is off.
func (*Observer) Source() (name, reason string) { return Off, sockstate.ErrNeedsLinux.Error() }

// Trace is off.
func (*Observer) Trace() (name, reason string) { return Off, sockstate.ErrNeedsLinux.Error() }

// Sample needs Linux.
func (*Observer) Sample(*Sample) error { return sockstate.ErrNeedsLinux }

// Counters is nil.
func (*Observer) Counters() []sockstate.Counters { return nil }

// Unread is empty.
func (*Observer) Unread() []string { return nil }

// CPU needs Linux.
func (*Observer) CPU(Threads) (CPU, error) { return CPU{}, sockstate.ErrNeedsLinux }

// PSI is nil.
func (*Observer) PSI() *PSI { return nil }

// Slabs is Unknown.
func (*Observer) Slabs() int64 { return Unknown }

// Close does nothing.
func (*Observer) Close() error { return nil }
