//go:build !linux

package sockdiag

import (
	"lastack/sockstate"
	"lastack/sockstate/netns"
)

// Conn needs Linux.
type Conn struct{}

// Open needs Linux.
func Open(*netns.NS) (*Conn, error) { return nil, sockstate.ErrNeedsLinux }

// Census needs Linux.
func (*Conn) Census(*sockstate.Filter, *sockstate.Census) error { return sockstate.ErrNeedsLinux }

// Seen is 0.
func (*Conn) Seen() int { return 0 }

// Handshakes needs Linux.
func (*Conn) Handshakes(*sockstate.Filter) (int, error) { return 0, sockstate.ErrNeedsLinux }

// Each needs Linux.
func (*Conn) Each(*sockstate.Filter, func(*Socket)) error { return sockstate.ErrNeedsLinux }

// DestroyAll needs Linux.
func (*Conn) DestroyAll(*sockstate.Filter, func(*Socket) bool) (int, error) {
	return 0, sockstate.ErrNeedsLinux
}

// Find needs Linux.
func (*Conn) Find(sockstate.Tuple) (Socket, bool, error) {
	return Socket{}, false, sockstate.ErrNeedsLinux
}

// CheckDestroy needs Linux.
func (*Conn) CheckDestroy() error { return sockstate.ErrNeedsLinux }

// Close does nothing.
func (*Conn) Close() error { return nil }
