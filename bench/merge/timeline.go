package merge

import (
	"cmp"
	"math"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"lastack/bench/record"
)

// timeline adds intervals up. A row is the sum of what all shards did in an interval of the axis, though some were in another phase: one whose warm-up
// ended a moment earlier, or one that was stopped. If the rows take too much memory, the axis becomes coarser.
type timeline struct {
	axis axis
	rows map[slot]*row
	// kernels are those of the shards so far. If two are in one, nobody knows whose sockets are whose, and the sum has no census.
	kernels map[string]bool
	shared  bool
	// most is how many pages the histograms of all rows may have; 0: mostPages.
	most int
}

// mostPages is 256 MB: the rows of an hour or so at 30,000 lifecycles a second.
const mostPages = 1 << 18

// slot is a place in the timeline: the interval that ends at an instant. A phase ends within an interval, so that a record may have more than one row there:
// nth of so many.
type slot struct {
	at      int64
	nth, of int
}

type row struct {
	sync.Mutex
	sum                record.Interval
	phase              int // the first that a shard is in
	lifecycle, connect record.LatencySum
}

// span is the rows of a record in a slot: those of one phase count as one.
type span struct {
	slot
	rows []record.Interval
	// passed is set if the interval goes on: its levels are those at its end.
	passed bool
}

func (t *timeline) add(r *record.Run) error {
	if t.rows == nil {
		t.rows, t.kernels = map[slot]*row{}, map[string]bool{}
	}
	parts := partsOf("", r)
	every := 0.0 // a merged record has none of its own
	for _, p := range parts {
		k := p.Kernel()
		t.shared = t.shared || t.kernels[k]
		t.kernels[k] = true
		if of := p.Observer.IntervalS; of > 0 && (every == 0 || of < every) {
			every = of
		}
	}
	t.shared = t.shared || shared(r)
	if every == 0 {
		every = 1
	}
	spans := spansOf(r.Timeline, every, r.Shard == nil)
	var ends []int64
	for i := range spans {
		ends = append(ends, spans[i].at)
	}
	slices.Sort(ends)
	t.move(t.axis.with(slices.Compact(ends)))
	const atOnce = 1000 // rows of any size, before their memory is looked at
	for len(spans) > 0 {
		n := min(atOnce, len(spans))
		if err := t.put(spans[:n]); err != nil {
			return err
		}
		spans = spans[n:]
		for t.pages() > cmp.Or(t.most, mostPages) && len(t.axis.ends) > 1 {
			t.move(t.axis.coarser())
		}
	}
	return nil
}

// put adds spans.
func (t *timeline) put(spans []span) error {
	for i := range spans {
		s := &spans[i]
		at := t.axis.at(s.at)
		if s.passed = at != s.at; s.passed {
			s.slot = slot{at, 1, 1}
		}
		t.row(s.slot)
	}
	return inParallel(len(spans), func(i int) error {
		w := t.rows[spans[i].slot]
		w.Lock()
		defer w.Unlock()
		return w.add(&spans[i])
	})
}

// row is that of a slot.
func (t *timeline) row(at slot) *row {
	w := t.rows[at]
	if w == nil {
		w = &row{phase: math.MaxInt}
		t.rows[at] = w
	}
	return w
}

// move moves the rows to another axis. An interval of several has the levels at its end.
func (t *timeline) move(to axis) {
	t.axis = to
	for from, w := range t.rows {
		if at := to.at(from.at); at != from.at {
			delete(t.rows, from)
			t.row(slot{at, 1, 1}).count(w)
		}
	}
}

// pages is the memory of the histograms.
func (t *timeline) pages() (n int) {
	for _, w := range t.rows {
		n += w.lifecycle.Pages() + w.connect.Pages()
	}
	return n
}

// mostInOne is more rows than a run has in an interval: one for each of its phases.
const mostInOne = 8

// spansOf finds the places of a record's rows. A merged record's stay apart, as they were.
func spansOf(rows []record.Interval, every float64, merged bool) []span {
	spans := make([]span, 0, len(rows))
	first := 0 // of those in the same interval
	number := func() {
		for i := first; i < len(spans); i++ {
			spans[i].of = len(spans) - first
		}
		first = len(spans)
	}
	// No run is longer, and none looks more often.
	const longest, shortest = 1e9, 1e-6
	every = max(every, shortest)
	for i := range rows {
		at := int64(math.Round(min(max(rows[i].TS, -longest), longest)/every)) * int64(math.Round(every*1e9))
		if first == len(spans) || spans[first].at != at {
			number()
		} else if last := &spans[len(spans)-1]; !merged && last.rows[0].Phase == rows[i].Phase || len(spans)-first == mostInOne {
			last.rows = rows[i-len(last.rows) : i+1]
			continue
		}
		spans = append(spans, span{slot: slot{at, len(spans) - first + 1, 0}, rows: rows[i : i+1]})
	}
	number()
	return spans
}

// inParallel calls f for each i below n, on all CPUs, and returns when all are done. The error is one of theirs. Decoding and compressing the
// histograms takes most of the time of a merge.
func inParallel(n int, f func(i int) error) error {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		g.Go(func() error { return f(i) })
	}
	return g.Wait() //nolint:wrapcheck // it is f's
}

// shared reports whether a merged record has shards in one kernel.
func shared(r *record.Run) bool {
	seen := map[string]bool{}
	for i := range r.Shards {
		k := r.Shards[i].Kernel()
		if seen[k] {
			return true
		}
		seen[k] = true
	}
	return false
}

// add adds the rows of a span: what they counted, and the levels at its end.
func (w *row) add(s *span) error {
	last := &s.rows[len(s.rows)-1]
	for i := range s.rows {
		if err := w.addInterval(&s.rows[i]); err != nil {
			return err
		}
		if s.rows[i].Census() {
			last = &s.rows[i]
		}
	}
	if !s.passed {
		w.addLevels(last)
		w.sum.InFlight += s.rows[len(s.rows)-1].InFlight
	}
	return nil
}

// addInterval adds what an interval counted and timed.
func (w *row) addInterval(iv *record.Interval) error {
	p50, p99 := iv.RestP50Us, iv.RestP99Us
	if l := iv.Lifecycle; p50+p99 == 0 && (l == nil || l.P50Us != iv.P50Us || l.P99Us != iv.P99Us) {
		p50, p99 = iv.P50Us, iv.P99Us
	}
	w.addCounts(iv, phaseOf(iv), p50, p99)
	for _, l := range []struct {
		to   *record.LatencySum
		from *record.Latency
	}{{&w.lifecycle, iv.Lifecycle}, {&w.connect, iv.Connect}} {
		if l.from != nil {
			if err := l.to.Add(l.from); err != nil {
				return err
			}
		}
	}
	return nil
}

// count adds what another row counted and timed.
func (w *row) count(of *row) {
	w.addCounts(&of.sum, of.phase, of.sum.RestP50Us, of.sum.RestP99Us)
	w.lifecycle.AddSum(&of.lifecycle)
	w.connect.AddSum(&of.connect)
}

func (w *row) addCounts(iv *record.Interval, phase int, restP50, restP99 float64) {
	s := &w.sum
	s.TS, w.phase = max(s.TS, iv.TS), min(w.phase, phase)
	s.Started += iv.Started
	s.Opened += iv.Opened
	s.Completed += iv.Completed
	s.Failed += iv.Failed
	s.Requests += iv.Requests
	s.Failures = record.Sum(s.Failures, iv.Failures)
	s.Counters = record.Sum(s.Counters, iv.Counters)
	s.MaxUs = max(s.MaxUs, iv.MaxUs)
	s.RestP50Us, s.RestP99Us = max(s.RestP50Us, restP50), max(s.RestP99Us, restP99)
}

// addLevels adds what a census saw.
func (w *row) addLevels(iv *record.Interval) {
	s := &w.sum
	s.Client, s.Server = record.Sum(s.Client, iv.Client), record.Sum(s.Server, iv.Server)
	s.AcceptQueue += iv.AcceptQueue
	s.NotAccepted += iv.NotAccepted
	s.FinWait2Mini += iv.FinWait2Mini
	s.Orphans += iv.Orphans
	s.PortsInUse, s.PortsReusable = max(s.PortsInUse, iv.PortsInUse), max(s.PortsReusable, iv.PortsReusable) // of a pair
	s.Fds += iv.Fds
	s.Tracked += iv.Tracked
	s.MemBytes += iv.MemBytes
}

// phaseOf is the place of an interval's phase among record.Phases.
func phaseOf(iv *record.Interval) int {
	if i := slices.Index(record.Phases(), iv.Phase); i >= 0 {
		return i
	}
	return slices.Index(record.Phases(), record.PhaseLoad)
}

// together makes one row of those of one place, in the order of time. Records with fewer rows in an interval than others are in its first ones, and at the
// levels of their last in the rest.
func (t *timeline) together() []*row {
	var places []slot
	for s := range t.rows {
		places = append(places, s)
	}
	slices.SortFunc(places, func(a, b slot) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.of, b.of), cmp.Compare(a.nth, b.nth))
	})
	var all []*row
	for len(places) > 0 {
		n := slices.IndexFunc(places, func(s slot) bool { return s.at != places[0].at })
		if n < 0 {
			n = len(places)
		}
		all, places = append(all, t.interval(places[:n])...), places[n:]
	}
	// All are in a phase until the last of them ends it, and time does not go back.
	for i := len(all) - 2; i >= 0; i-- {
		all[i].phase = min(all[i].phase, all[i+1].phase)
	}
	for i := 1; i < len(all); i++ {
		all[i].sum.TS = max(all[i].sum.TS, all[i-1].sum.TS)
	}
	return all
}

// interval makes the rows of one place, which are sorted by how many rows their records have there.
func (t *timeline) interval(places []slot) (rows []*row) {
	most := places[len(places)-1].of
	if most == places[0].of { // nearly always
		for _, s := range places {
			rows = append(rows, t.rows[s])
		}
		return rows
	}
	for nth := 1; nth <= most; nth++ {
		w := &row{phase: math.MaxInt}
		for _, s := range places {
			of := t.rows[s]
			if s.nth == nth {
				w.count(of)
			}
			if s.nth == nth || s.nth == s.of && s.of < nth {
				w.addLevels(&of.sum)
				w.sum.InFlight += of.sum.InFlight
			}
		}
		rows = append(rows, w)
	}
	return rows
}

// intervals are the sums, in the order of time.
func (t *timeline) intervals() ([]record.Interval, error) {
	rows := t.together()
	all := make([]record.Interval, len(rows))
	return all, inParallel(len(rows), func(i int) (err error) {
		all[i], err = rows[i].interval(t.shared)
		rows[i].lifecycle, rows[i].connect = record.LatencySum{}, record.LatencySum{} // to be freed
		return err
	})
}

func (w *row) interval(shared bool) (record.Interval, error) {
	iv := w.sum
	iv.Phase = record.Phases()[w.phase]
	if shared {
		iv.Client, iv.Server, iv.Counters = nil, nil, nil
		iv.AcceptQueue, iv.NotAccepted, iv.FinWait2Mini, iv.Orphans, iv.PortsInUse, iv.PortsReusable, iv.Fds, iv.Tracked, iv.MemBytes = 0, 0, 0, 0, 0, 0, 0, 0, 0
	}
	for _, l := range []struct {
		from *record.LatencySum
		to   **record.Latency
	}{{&w.lifecycle, &iv.Lifecycle}, {&w.connect, &iv.Connect}} {
		sum, err := l.from.Latency()
		if err != nil {
			return iv, err
		}
		if sum.Count > 0 {
			*l.to = &sum
		}
	}
	iv.P50Us, iv.P99Us = iv.RestP50Us, iv.RestP99Us
	if l := iv.Lifecycle; l == nil {
		iv.RestP50Us, iv.RestP99Us = 0, 0
	} else {
		known := float64(l.Count) / float64(max(l.Count, iv.Completed))
		iv.P50Us = percentile(0.5, known, l.P50Us, iv.RestP50Us)
		iv.P99Us = percentile(0.99, known, l.P99Us, iv.RestP99Us)
	}
	return iv, nil
}

// percentile is one of an interval of which a share of the lifecycles is in the histogram, and rest is the largest of the shards that have others too,
// 0 if none has: of a warm-up there are no histograms. It is that of either where the other's lifecycles are few beside those above it, otherwise the larger.
func percentile(p, known, histogram, rest float64) float64 {
	few := (1 - p) / 10
	switch {
	case rest == 0, 1-known <= few:
		return histogram
	case known <= few:
		return rest
	}
	return max(histogram, rest)
}
