//go:build !linux

package wire

import "lastack/sockstate/sockio"

// Capture is the Linux version's.
type Capture struct{}

// Open needs Linux.
func Open(Config) (*Capture, error) { return nil, sockio.ErrNeedsLinux }

// Stop needs Linux.
func (*Capture) Stop() (*Trace, error) { return nil, sockio.ErrNeedsLinux }
