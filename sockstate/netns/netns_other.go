//go:build !linux

package netns

import (
	"lastack/sockstate"
)

// NS is a network namespace; see the Linux version.
type NS struct{}

// Current needs Linux.
func Current() (*NS, error) {
	return nil, &Error{Call: "open", Err: sockstate.ErrNeedsLinux}
}

// New needs Linux.
func New() (*NS, error) {
	return nil, &Error{Call: "unshare", Err: sockstate.ErrNeedsLinux}
}

// Enter needs Linux, except on a nil NS.
func (ns *NS) Enter() error {
	if ns == nil {
		return nil
	}
	return &Error{Call: "setns", Err: sockstate.ErrNeedsLinux}
}

// Do needs Linux, except on a nil NS, where it calls f.
func (ns *NS) Do(f func() error) error {
	if err := ns.Enter(); err != nil {
		return err
	}
	return f()
}

// ID is empty.
func (ns *NS) ID() string { return "" }

// Fd is -1.
func (ns *NS) Fd() int { return -1 }

// Close does nothing.
func (ns *NS) Close() error { return nil }

// OnOwnThread calls f.
func OnOwnThread(f func() error) error { return f() }
