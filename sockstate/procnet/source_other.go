//go:build !linux

package procnet

import (
	"errors"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// ErrUnsupported is what Open returns elsewhere.
var ErrUnsupported = errors.New("/proc/net/tcp needs Linux")

// Source is the Linux version's.
type Source struct{}

// Open needs Linux.
func Open(*sockio.Namespace) (*Source, error) { return nil, ErrUnsupported }

// Census needs Linux.
func (*Source) Census(*sockstate.Filter, *sockstate.Census) error { return ErrUnsupported }

// Each needs Linux.
func (*Source) Each(func(*sockstate.Socket)) error { return ErrUnsupported }

// Seen is 0.
func (*Source) Seen() int { return 0 }

// Close does nothing.
func (*Source) Close() error { return nil }
