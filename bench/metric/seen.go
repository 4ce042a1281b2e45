package metric

import (
	"maps"
	"slices"

	"lastack/bench/record"
	"lastack/sockstate"
)

// Seen is what is known of a measurement under way: the sums of its intervals, the newest of them, and more that only some kinds have. The
// zero value knows nothing.
type Seen struct {
	// total has the sums of what intervals count. grown are the kernel's counters among them, in the order in which they began to grow.
	total record.Interval
	grown []string
	// last is the newest interval, census the newest with a census. Their levels are those of now.
	last, census       record.Interval
	lifecycle, connect record.LatencySum
	// tried has what is known of the newest try of a drain, in the units of Prometheus. tries counts them.
	tried  map[string]float64
	tries  int64
	served map[string]int64
}

// mostCounters bounds the series of the kernel's counters.
const mostCounters = 40

// Interval takes an interval.
func (s *Seen) Interval(iv *record.Interval) error {
	t := &s.total
	t.Started += iv.Started
	t.Opened += iv.Opened
	t.Completed += iv.Completed
	t.Failed += iv.Failed
	t.Requests += iv.Requests
	t.Failures = record.Sum(t.Failures, iv.Failures)
	for _, name := range slices.Sorted(maps.Keys(iv.Counters)) {
		n := iv.Counters[name]
		if t.Counters == nil {
			t.Counters = make(map[string]int64)
		}
		_, known := t.Counters[name]
		switch {
		case n <= 0, !known && len(s.grown) == mostCounters:
			continue
		case !known:
			s.grown = append(s.grown, name)
		}
		t.Counters[name] += n
	}
	s.last = *iv
	if iv.Census() {
		s.census = *iv
	}
	for _, l := range []struct {
		to   *record.LatencySum
		from *record.Latency
	}{{&s.lifecycle, iv.Lifecycle}, {&s.connect, iv.Connect}} {
		if l.from != nil {
			if err := l.to.Add(l.from); err != nil {
				return err
			}
		}
	}
	return nil
}

// Try takes a try of a drain.
func (s *Seen) Try(t *record.DrainTry) {
	s.tried = make(map[string]float64)
	s.tries++
	for _, m := range drainMetrics() {
		v := m.OfTry(t)
		switch {
		case !v.Known:
		case m.Unit == Micros:
			s.tried[m.Name] = v.V / 1e6
		default:
			s.tried[m.Name] = v.V
		}
	}
}

// Served takes a server's ledger.
func (s *Seen) Served(counts map[string]int64) { s.served = counts }

// End takes the finished record. What intervals have missed is in it: a process that did not get to read them has dropped some.
func (s *Seen) End(r *record.Run) {
	if r.Kind == record.KindDrain {
		return
	}
	c := r.Connections
	if w := r.Warmup; w != nil {
		c.Attempted += w.Attempted
		c.Opened += w.Opened
		c.Completed += w.Completed
		c.Failed += w.Failed
		c.Requests += w.Requests
	}
	t := &s.total
	t.Started, t.Opened, t.Completed, t.Failed = max(t.Started, c.Attempted), max(t.Opened, c.Opened), max(t.Completed, c.Completed), max(t.Failed, c.Failed)
	t.Requests = max(t.Requests, c.Requests)
	for _, o := range sockstate.OutcomeNames(sockstate.ClassFailure) {
		if n := r.Outcomes[o]; n > t.Failures[o] {
			t.Failures = record.Sum(t.Failures, map[string]int64{o: n - t.Failures[o]})
		}
	}
	for l, sum := range map[sockstate.Latency]*record.LatencySum{sockstate.LatencyConnect: &s.connect, sockstate.LatencyLifecycle: &s.lifecycle} {
		of := r.Latency[l.String()]
		var whole record.LatencySum
		if of.Count > sum.Count() && whole.Add(&of) == nil {
			*sum = whole
		}
	}
	s.last.InFlight = 0
}
