//go:build !linux

package procnet

import (
	"lastack/sockstate"
	"lastack/sockstate/netns"
)

// Source needs Linux.
type Source struct{}

// Open needs Linux.
func Open(*netns.NS) (*Source, error) { return nil, sockstate.ErrNeedsLinux }

// Census needs Linux.
func (*Source) Census(*sockstate.Filter, *sockstate.Census) error { return sockstate.ErrNeedsLinux }

// Each needs Linux.
func (*Source) Each(func(*sockstate.Socket)) error { return sockstate.ErrNeedsLinux }

// Seen is 0.
func (*Source) Seen() int { return 0 }

// Close does nothing.
func (*Source) Close() error { return nil }
