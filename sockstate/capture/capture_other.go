//go:build !linux

package capture

import "lastack/sockstate"

// Capture needs Linux.
type Capture struct{}

// Open needs Linux.
func Open(Config) (*Capture, error) { return nil, sockstate.ErrNeedsLinux }

// Stop needs Linux.
func (*Capture) Stop() (*Trace, error) { return nil, sockstate.ErrNeedsLinux }
