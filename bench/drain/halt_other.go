//go:build !linux

package drain

import "lastack/sockstate"

// halt needs Linux.
func (*server) halt() error { return sockstate.ErrNeedsLinux }

// goOn needs Linux.
func (*server) goOn() error { return sockstate.ErrNeedsLinux }
