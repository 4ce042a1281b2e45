package drain

import (
	"fmt"
	"time"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/sockstate/capture"
)

// analyze says what clients suffered. What the server's host alone could know is not here: see server and leftovers.
func (e *evidence) analyze(t *record.DrainTry) {
	t.SignalAtS = float64(e.signal-e.begun) / 1e9
	t.WatchedS = float64(max(e.concluded-e.signal, 0)) / 1e9
	if e.pace.longest >= haltedFrom {
		t.HaltedS = float64(e.pace.longest) / 1e9
	}
	e.fates(t)
	e.before(t)
	e.listener(t)
	e.queue(t)
	e.reconnects(t)
	if at, all := e.lastGone(); all {
		t.LastGoneS = e.since(at)
	} else {
		unknown(t, "last_gone_s", "connections that were open at the signal were open still when the watch ended")
	}
	e.moments(t)
	e.slices(t)
	e.books(t)
	t.Counters = e.counters
}

// unknown notes why something could not be known.
func unknown(t *record.DrainTry, path, why string) {
	if t.Unknown == nil {
		t.Unknown = make(map[string]string)
	}
	t.Unknown[path] = why
}

// beatQuantile is the share of the load's loops that was no later than what is called their lag.
const beatQuantile = 99

// usable is the trace, unless it cannot be relied on; why is the reason that there is none.
func (e *evidence) usable(trace *capture.Trace, why error) (*capture.Trace, error) {
	switch {
	case trace == nil:
		return nil, why
	case trace.ClockStep != 0:
		return nil, fmt.Errorf("the wall clock was set by %v meanwhile, which the packets' times follow", trace.ClockStep)
	}
	// By the clients' own addresses: an address translated on the way is another client's.
	var opened, seen int64
	for i := range e.journal.Conns {
		c := &e.journal.Conns[i]
		if c.Opened == 0 || !c.Local().IsValid() {
			continue
		}
		opened++
		if len(trace.Find(c.Local(), c.Began-lateEnd, c.Ended)) > 0 {
			seen++
		}
	}
	if seen+trace.Dropped < opened {
		return nil, fmt.Errorf("%s connections were opened, of which %s were seen on %s: packets bear other addresses there, or take another way",
			quantity.Count(opened), quantity.Count(seen), trace.Link)
	}
	return trace, nil
}

// order says how well events before and after the signal are told apart: took is how long the sending of the
// signal took, why is the reason that there are no packets.
func (e *evidence) order(took time.Duration, why error) record.DrainOrder {
	if e.trace != nil {
		return record.DrainOrder{Source: "packets", UncertaintyUs: micros(e.trace.ClockError + took), Dropped: e.trace.Dropped}
	}
	lag := time.Duration(record.Percentile(e.journal.Beat, beatQuantile))
	o := record.DrainOrder{Source: "clients", UncertaintyUs: micros(lag + took)}
	if why != nil {
		o.Reason = why.Error()
	}
	return o
}

func micros(d time.Duration) float64 { return float64(d) / 1e3 }
