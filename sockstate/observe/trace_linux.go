package observe

import "lastack/sockstate/netns"

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
