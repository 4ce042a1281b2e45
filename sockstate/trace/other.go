//go:build !linux

package trace

import (
	"lastack/sockstate"
	"lastack/sockstate/netns"
)

// Trace needs Linux.
type Trace struct{}

// Start needs Linux.
func Start(Config) (*Trace, error) { return nil, sockstate.ErrNeedsLinux }

// Stop needs Linux.
func (*Trace) Stop() (*Result, error) { return nil, sockstate.ErrNeedsLinux }

// Close does nothing.
func (*Trace) Close() error { return nil }

// Census needs Linux.
type Census struct{}

// OpenCensus needs Linux.
func OpenCensus(CensusConfig) (*Census, error) { return nil, sockstate.ErrNeedsLinux }

// Census needs Linux.
func (*Census) Census(*sockstate.Filter, *sockstate.Census) error { return sockstate.ErrNeedsLinux }

// Seen is 0.
func (*Census) Seen() int { return 0 }

// Close does nothing.
func (*Census) Close() error { return nil }

// Events needs Linux.
type Events struct{}

// Watch needs Linux.
func Watch(...*netns.NS) (*Events, error) { return nil, sockstate.ErrNeedsLinux }

// Read needs Linux.
func (*Events) Read() ([]Event, error) { return nil, sockstate.ErrNeedsLinux }

// Close does nothing.
func (*Events) Close() error { return nil }
