package observe

import (
	"lastack/sockstate"
	"lastack/sockstate/netns"
	"lastack/sockstate/trace"
)

// Tracer follows every event of the load's sockets in the kernel; a census only samples their states.
type Tracer interface {
	// Name is the tracer's name in a record.
	Name() string
	// Start begins to trace the sockets that f selects in the namespaces. An error leaves nothing behind.
	Start(f *sockstate.Filter, spaces []*netns.NS) error
	// Stop ends the trace and returns it.
	Stop() (*trace.Result, error)
}

// BPF traces by eBPF. Sockets and TimeWaits are how many of them it can follow at once, 0: trace.DefaultSockets.
type BPF struct {
	Sockets, TimeWaits int

	running *trace.Trace
}

// Name implements Tracer.
func (*BPF) Name() string { return "bpf" }

// Start implements Tracer.
func (b *BPF) Start(f *sockstate.Filter, spaces []*netns.NS) (err error) {
	b.running, err = trace.Start(trace.Config{Servers: f.Servers, Namespaces: spaces, Sockets: b.Sockets, TimeWaits: b.TimeWaits})
	return err
}

// Stop implements Tracer.
func (b *BPF) Stop() (*trace.Result, error) { return b.running.Stop() }

// StartTrace has a tracer follow the load in its namespaces until StopTrace. A connection that is open already is one whose beginning the trace missed.
// If the tracer fails, the load goes on without it, unless it needs one.
func (o *Observer) StartTrace(t Tracer, spaces []*netns.NS, needed bool) error {
	if err := t.Start(&o.filter, spaces); err != nil {
		if needed {
			return err
		}
		o.traceReason = refusal("the trace by "+t.Name(), err)
		return nil
	}
	o.tracer, o.trace, o.traceReason = t, t.Name(), ""
	return nil
}

// Trace is the tracer's name, or off and why there is none.
func (o *Observer) Trace() (name, reason string) { return o.trace, o.traceReason }

// StopTrace ends the trace and returns it, nil without one. Close ends it too.
func (o *Observer) StopTrace() (*trace.Result, error) {
	t := o.tracer
	if t == nil {
		return nil, nil
	}
	o.tracer = nil
	return t.Stop()
}
