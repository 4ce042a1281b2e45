package observe

import (
	"lastack/sockstate"
	"lastack/sockstate/netns"
)

// Tracer follows every event of the load's sockets in the kernel; a census only samples their states.
type Tracer interface {
	// Name is the tracer's name in a record.
	Name() string
	// Start begins to trace the sockets that f selects in the namespaces. An error leaves nothing behind.
	Start(f *sockstate.Filter, spaces []*netns.NS) error
	// Stop ends the trace and returns it.
	Stop() (*Trace, error)
}

// Trace is the result of a tracer.
type Trace struct {
	// Transitions is each side's number of state changes, by the state before and the state after.
	Transitions [sockstate.NumSides][sockstate.NumStates][sockstate.NumStates]int64
}
