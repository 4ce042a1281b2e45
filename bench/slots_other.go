//go:build !linux

package bench

import "lastack/sockstate/sockio"

// lockable needs Linux.
func lockable() (bytes int64, bound bool, err error) { return 0, false, sockio.ErrNeedsLinux }
