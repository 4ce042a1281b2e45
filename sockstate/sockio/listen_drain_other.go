//go:build !linux

package sockio

// RefuseSYNs needs Linux.
func (l *Listener) RefuseSYNs() error { return ErrNeedsLinux }

// DropSYNs needs Linux.
func (l *Listener) DropSYNs() error { return ErrNeedsLinux }

// QueueLength needs Linux.
func (l *Listener) QueueLength() (int, error) { return 0, ErrNeedsLinux }

// AwaitDelivery needs Linux.
func AwaitDelivery() error { return ErrNeedsLinux }

// Freezer is a Loop that can have a socket take no more data.
type Freezer interface {
	Freeze(s Sock, filter bool) error
}
