//go:build !linux

package sockdiag

import (
	"errors"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// ErrUnsupported is what Open returns elsewhere.
var ErrUnsupported = errors.New("sock_diag needs Linux")

// Conn is the Linux version's.
type Conn struct{}

// Open needs Linux.
func Open(*sockio.Namespace) (*Conn, error) { return nil, ErrUnsupported }

// Census needs Linux.
func (*Conn) Census(*sockstate.Filter, *sockstate.Census) error { return ErrUnsupported }

// Each needs Linux.
func (*Conn) Each(*sockstate.Filter, func(*Socket)) error { return ErrUnsupported }

// Listeners needs Linux.
func (*Conn) Listeners(func(*Socket)) error { return ErrUnsupported }

// DestroyAll needs Linux.
func (*Conn) DestroyAll(*sockstate.Filter, func(*Socket) bool) (int, error) {
	return 0, ErrUnsupported
}

// Seen is 0.
func (*Conn) Seen() int { return 0 }

// Close does nothing.
func (*Conn) Close() error { return nil }

// Handshakes needs Linux.
func (*Conn) Handshakes(*sockstate.Filter) (int, error) { return 0, ErrUnsupported }
