package record

import (
	"errors"
	"slices"
)

// The phases of a run.
const (
	PhaseWarmup = "warmup"
	PhaseLoad   = "load"
	PhaseHold   = "hold"  // a plateau: all lifecycles have begun
	PhaseDrain  = "drain" // no new lifecycles
	PhaseSettle = "settle"
)

// Phases lists the phases in their order.
func Phases() []string { return []string{PhaseWarmup, PhaseLoad, PhaseHold, PhaseDrain, PhaseSettle} }

// Timeline collects the intervals of a run, so that its record can be read again however long it runs: at most mostRows, with at most
// mostHistograms bytes of histograms. Beyond either, it folds pairs of neighbours, from the oldest on and a few with each interval that
// comes. Nothing that is counted or timed is lost by that; only what was between two instants is not told apart any more.
type Timeline struct {
	// rows before done were folded, and those from next on were not yet. What is between is free.
	rows       []Interval
	done, next int
	histograms int // bytes
}

// With the text of its other keys, an interval takes 2 KB at most. So all are readable, see maxSize.
const (
	mostRows       = 120_000
	mostHistograms = 192 << 20
	maxRow         = 2 << 10
)

// stepsPerRow is enough to fold more than comes. Each decodes four histograms and encodes two, which takes some milliseconds of CPU.
const stepsPerRow = 3

// Add appends an interval.
func (t *Timeline) Add(iv Interval) { t.add(iv, mostRows, mostHistograms) }

func (t *Timeline) add(iv Interval, rows, histograms int) {
	t.rows = append(t.rows, iv)
	t.histograms += iv.histograms()
	for range stepsPerRow {
		if t.len() <= rows && t.histograms <= histograms {
			break
		}
		t.step()
	}
}

// step folds the next two, or passes over the first of them.
func (t *Timeline) step() {
	if t.next+1 >= len(t.rows) {
		t.rows = t.Intervals()
		t.done, t.next = 0, 0
		return
	}
	a, b := &t.rows[t.next], &t.rows[t.next+1]
	both, ok := fold(a, b)
	if ok {
		t.histograms += both.histograms() - a.histograms() - b.histograms()
		*a, *b = Interval{}, Interval{}
		t.next += 2
	} else {
		both, *a = *a, Interval{}
		t.next++
	}
	t.rows[t.done] = both
	t.done++
}

func (t *Timeline) len() int { return len(t.rows) - (t.next - t.done) }

// Last is the newest interval, nil if there is none.
func (t *Timeline) Last() *Interval {
	if len(t.rows) == 0 {
		return nil
	}
	if t.next == len(t.rows) {
		return &t.rows[t.done-1]
	}
	return &t.rows[len(t.rows)-1]
}

// Intervals lists them. No more are added then.
func (t *Timeline) Intervals() []Interval { return slices.Delete(t.rows, t.done, t.next) }

// histograms is the length of an interval's.
func (iv *Interval) histograms() (n int) {
	for _, l := range []*Latency{iv.Lifecycle, iv.Connect} {
		if l != nil {
			n += len(l.Hdr)
		}
	}
	return n
}

// fold makes one interval of two that follow each other, of the same phase. A census stays where it is: at the end of an interval. Percentiles
// for which there is no histogram, those of a warm-up, are the larger ones.
func fold(a, b *Interval) (both Interval, ok bool) {
	if a.Phase != b.Phase || a.Census() && !b.Census() {
		return both, false
	}
	both = *b
	both.Started += a.Started
	both.Opened += a.Opened
	both.Completed += a.Completed
	both.Failed += a.Failed
	both.Requests += a.Requests
	both.Failures = Sum(a.Failures, b.Failures)
	both.Counters = Sum(a.Counters, b.Counters)
	var err error
	if both.Lifecycle, err = merge(a.Lifecycle, b.Lifecycle); err == nil {
		both.Connect, err = merge(a.Connect, b.Connect)
	}
	both.P50Us, both.P99Us, both.MaxUs = max(a.P50Us, b.P50Us), max(a.P99Us, b.P99Us), max(a.MaxUs, b.MaxUs)
	if l := both.Lifecycle; l != nil {
		both.P50Us, both.P99Us = l.P50Us, l.P99Us
	}
	return both, err == nil
}

// merge is the latency of all that both have; either may be nil.
func merge(a, b *Latency) (*Latency, error) {
	if a == nil || b == nil {
		if a == nil {
			a = b
		}
		return a, nil
	}
	var s LatencySum
	if err := errors.Join(s.Add(a), s.Add(b)); err != nil {
		return nil, err
	}
	l, err := s.Latency()
	return &l, err
}

// Sum adds two maps up; both may be nil, and the sum is nil if they are empty.
func Sum[N int | int64](a, b map[string]N) map[string]N {
	if len(a)+len(b) == 0 {
		return nil
	}
	sum := make(map[string]N, max(len(a), len(b)))
	for _, m := range []map[string]N{a, b} {
		for k, n := range m {
			sum[k] += n
		}
	}
	return sum
}
