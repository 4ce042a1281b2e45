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

// startTrace starts the tracer, if any. If it fails, the load goes on without it.
func (o *Observer) startTrace(t Tracer, spaces []*netns.NS) {
	o.trace, o.traceReason = Off, "this version observes by census and counters only"
	if t == nil {
		return
	}
	if err := t.Start(&o.filter, spaces); err != nil {
		o.traceReason = refusal("the trace by "+t.Name(), err)
		return
	}
	o.tracer, o.trace, o.traceReason = t, t.Name(), ""
}

// Trace is the tracer's name, or off and why there is none.
func (o *Observer) Trace() (name, reason string) { return o.trace, o.traceReason }

// StopTrace ends the trace and returns it, nil without one. Close ends it too.
func (o *Observer) StopTrace() (*Trace, error) {
	t := o.tracer
	if t == nil {
		return nil, nil
	}
	o.tracer = nil
	return t.Stop()
}
