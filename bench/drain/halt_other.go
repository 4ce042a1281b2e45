//go:build !linux

package drain

import "lastack/sockstate"

// halt needs Linux.
func (*target) halt() error { return sockstate.ErrNeedsLinux }

// goOn needs Linux.
func (*target) goOn() error { return sockstate.ErrNeedsLinux }
