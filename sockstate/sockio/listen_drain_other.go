//go:build !linux

package sockio

import "lastack/sockstate"

// RefuseSYNs needs Linux.
func (l *Listener) RefuseSYNs() error { return sockstate.ErrNeedsLinux }

// DropSYNs needs Linux.
func (l *Listener) DropSYNs() error { return sockstate.ErrNeedsLinux }

// QueueLength needs Linux.
func (l *Listener) QueueLength() (int, error) { return 0, sockstate.ErrNeedsLinux }

// AwaitDelivery needs Linux.
func AwaitDelivery() error { return sockstate.ErrNeedsLinux }

// Freezer is a Loop that can stop a socket from receiving.
type Freezer interface {
	Freeze(s Sock, filter bool) error
}
