package observe

import (
	"lastack/sockstate"
	"lastack/sockstate/netns"
)

// Tracer follows single events of the load's sockets in the kernel, while a census only counts them now and then.
type Tracer interface {
	// Name is what a record calls it.
	Name() string
	// Start begins to trace the sockets that f selects in the namespaces. An error leaves nothing behind.
	Start(f *sockstate.Filter, spaces []*netns.NS) error
	// Stop ends it and returns what was seen.
	Stop() (*Trace, error)
}

// Trace is what a tracer saw.
type Trace struct {
	// Transitions counts the changes of state of each side, by the state before and the state after.
	Transitions [sockstate.NumSides][sockstate.NumStates][sockstate.NumStates]int64
}
