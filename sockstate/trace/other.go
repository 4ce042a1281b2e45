//go:build !linux

package trace

import "lastack/sockstate"

// Trace needs Linux.
type Trace struct{}

// Start needs Linux.
func Start(Config) (*Trace, error) { return nil, sockstate.ErrNeedsLinux }

// Stop needs Linux.
func (*Trace) Stop() (*Result, error) { return nil, sockstate.ErrNeedsLinux }

// Close does nothing.
func (*Trace) Close() error { return nil }
