package handshake

import (
	"golang.org/x/sys/unix"

	"lastack/bench/ladder"
	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/sockstate"
	"lastack/sockstate/clock"
	"lastack/sockstate/trace"
)

// tracer is the trace of a connection's states, if there is one.
type tracer struct {
	events *trace.Events
	// what is for the record: on, or off and why.
	what string
}

// startTrace begins to trace both ends.
func startTrace(how string, box *sandbox.Sandbox) (t tracer, err error) {
	if how == "" || how == setup.TraceOff {
		return tracer{what: "off: not asked for"}, nil
	}
	t.events, err = trace.Watch(box.Client, box.Server)
	switch {
	case err == nil:
		t.what = "on"
		return t, nil
	case how == setup.TraceOn:
		return t, err
	}
	return tracer{what: "off: " + err.Error()}, nil
}

// read adds the changes to a watch. If some are missing there are none: the relay's own looks at the states are whole.
func (t *tracer) read(w *ladder.Watch) {
	if t.events == nil {
		return
	}
	all, err := t.events.Read()
	if err != nil {
		t.what = "off: " + err.Error()
		return
	}
	offset := monotonic()
	for _, e := range all {
		if e.Namespace < 0 || e.New == sockstate.Listen || e.Old == sockstate.Listen && e.New == sockstate.Closed {
			continue // of no connection
		}
		w.Kernel[e.Namespace] = append(w.Kernel[e.Namespace], ladder.Change{At: e.At - offset, Old: e.Old, New: e.New})
	}
}

func (t *tracer) close() error {
	if t.events == nil {
		return nil
	}
	return t.events.Close()
}

// monotonic is CLOCK_MONOTONIC's time less that of clock.Now: both count alike.
func monotonic() (offset int64) {
	took := int64(1) << 62
	for range 5 {
		from := clock.Now()
		var ts unix.Timespec
		if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
			return offset
		}
		if d := clock.Now() - from; d < took {
			offset, took = ts.Nano()-from-d/2, d
		}
	}
	return offset
}
