package drain

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"lastack/bench"
	"lastack/bench/record"
	"lastack/loadgen"
)

// liveEvery is how often the load's figures are emitted.
const liveEvery = time.Second

// live is what the load has done since its figures were last emitted. They are for scrapes: without Spec.Live there are none.
type live struct {
	at                 time.Time
	was                loadgen.Ledger
	lifecycle, connect *hdrhistogram.Histogram
}

// snapshot is the load's state. The times in it are emitted later.
func (t *try) snapshot() loadgen.Snapshot {
	s := t.load.Snapshot()
	t.show(&s, false)
	return s
}

// showLoad emits the load's figures, if it is time.
func (t *try) showLoad() {
	if t.Live && time.Since(t.live.at) >= liveEvery {
		t.snapshot()
	}
}

// show takes a snapshot's times, and emits the figures if it is time or the load is over.
func (t *try) show(s *loadgen.Snapshot, over bool) {
	l := &t.live
	if !t.Live {
		return
	}
	if l.lifecycle == nil {
		l.lifecycle, l.connect = record.NewHistogram(), record.NewHistogram()
	}
	l.lifecycle.Merge(s.Interval)
	l.connect.Merge(s.Connects)
	if !over && time.Since(l.at) < liveEvery {
		return
	}
	iv := record.Interval{TS: time.Since(t.started).Seconds(), InFlight: s.Open}
	bench.AddGrowth(&iv, &s.Ledger, &l.was)
	for _, h := range []struct {
		from *hdrhistogram.Histogram
		to   **record.Latency
	}{{l.lifecycle, &iv.Lifecycle}, {l.connect, &iv.Connect}} {
		if one, err := record.NewLatency(h.from); err == nil && one.Count > 0 { // of the record's own range, so that there is no error
			*h.to = &one
		}
		h.from.Reset()
	}
	l.at, l.was = time.Now(), s.Ledger
	t.emit(record.Event{Interval: &iv})
}
