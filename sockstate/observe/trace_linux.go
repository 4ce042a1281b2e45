package observe

import "lastack/sockstate/netns"

// startTrace starts the tracer, if there is one. The load goes on without.
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

// Trace is what traces (off without a tracer), and why none does.
func (o *Observer) Trace() (name, reason string) { return o.trace, o.traceReason }

// StopTrace ends the trace and returns what it saw, nil without one. Close ends it too.
func (o *Observer) StopTrace() (*Trace, error) {
	t := o.tracer
	if t == nil {
		return nil, nil
	}
	o.tracer = nil
	return t.Stop()
}
