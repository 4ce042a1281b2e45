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

// timeline adds intervals up. The axis is the number of the interval: shards sample at nearly the same times, and each a little later than the whole
// number.
type timeline struct {
	rows map[slot]*row
	// kernels are those of the shards so far. If two are in one, nobody knows whose sockets are whose, and the sum has no census.
	kernels map[string]bool
	shared  bool
}

// slot is a place on the axis. A phase ends within an interval, so that there may be one of each at a time.
type slot struct {
	at    int64
	phase string
}

type row struct {
	sync.Mutex
	sum                record.Interval
	lifecycle, connect record.LatencySum
}

func (t *timeline) add(r *record.Run) error {
	if t.rows == nil {
		t.rows, t.kernels = map[slot]*row{}, map[string]bool{}
	}
	for _, p := range partsOf("", r) {
		k := p.Kernel()
		t.shared = t.shared || t.kernels[k]
		t.kernels[k] = true
	}
	t.shared = t.shared || shared(r)
	every := r.Observer.IntervalS
	if every <= 0 {
		every = 1
	}
	at := make([]slot, len(r.Timeline))
	for i := range r.Timeline {
		iv := &r.Timeline[i]
		at[i] = slot{int64(math.Round(iv.TS / every)), iv.Phase}
		if t.rows[at[i]] == nil {
			t.rows[at[i]] = new(row)
		}
	}
	return inParallel(len(at), func(i int) error {
		w := t.rows[at[i]]
		w.Lock()
		defer w.Unlock()
		return w.add(&r.Timeline[i])
	})
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

func (w *row) add(iv *record.Interval) error {
	s := &w.sum
	s.TS, s.Phase = max(s.TS, iv.TS), iv.Phase
	s.Started += iv.Started
	s.Opened += iv.Opened
	s.Completed += iv.Completed
	s.Failed += iv.Failed
	s.Requests += iv.Requests
	s.InFlight += iv.InFlight
	s.Failures = record.Sum(s.Failures, iv.Failures)
	// Of a warm-up there are no histograms: the larger percentiles.
	s.P50Us, s.P99Us, s.MaxUs = max(s.P50Us, iv.P50Us), max(s.P99Us, iv.P99Us), max(s.MaxUs, iv.MaxUs)
	s.Client, s.Server = record.Sum(s.Client, iv.Client), record.Sum(s.Server, iv.Server)
	s.AcceptQueue += iv.AcceptQueue
	s.NotAccepted += iv.NotAccepted
	s.FinWait2Mini += iv.FinWait2Mini
	s.Orphans += iv.Orphans
	s.PortsInUse, s.PortsReusable = max(s.PortsInUse, iv.PortsInUse), max(s.PortsReusable, iv.PortsReusable) // of a pair
	s.Fds += iv.Fds
	s.Tracked += iv.Tracked
	s.MemBytes += iv.MemBytes
	s.Counters = record.Sum(s.Counters, iv.Counters)
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

// together has all shards be in a phase until the last of them ends it: one that was stopped drains while others are under load. Else time would go
// back where the next phase begins.
func (t *timeline) together() error {
	ends := map[string]int64{}
	var all []slot
	for s := range t.rows {
		ends[s.phase] = max(ends[s.phase], s.at)
		all = append(all, s)
	}
	for _, s := range all {
		for _, earlier := range record.Phases() {
			if earlier == s.phase {
				break
			}
			if end, ok := ends[earlier]; !ok || end <= s.at {
				continue
			}
			iv, err := t.rows[s].interval(false)
			if err != nil {
				return err
			}
			iv.Phase = earlier
			to := slot{s.at, earlier}
			if t.rows[to] == nil {
				t.rows[to] = new(row)
			}
			if err := t.rows[to].add(&iv); err != nil {
				return err
			}
			delete(t.rows, s)
			break
		}
	}
	return nil
}

// intervals are the sums, in the order of time.
func (t *timeline) intervals() ([]record.Interval, error) {
	if err := t.together(); err != nil {
		return nil, err
	}
	var at []slot
	for s := range t.rows {
		at = append(at, s)
	}
	phases := record.Phases()
	slices.SortFunc(at, func(a, b slot) int {
		return cmp.Or(cmp.Compare(slices.Index(phases, a.phase), slices.Index(phases, b.phase)), cmp.Compare(a.at, b.at), cmp.Compare(a.phase, b.phase))
	})
	all := make([]record.Interval, len(at))
	return all, inParallel(len(at), func(i int) (err error) {
		all[i], err = t.rows[at[i]].interval(t.shared)
		t.rows[at[i]].lifecycle, t.rows[at[i]].connect = record.LatencySum{}, record.LatencySum{} // to be freed
		return err
	})
}

func (w *row) interval(shared bool) (record.Interval, error) {
	iv := w.sum
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
	if l := iv.Lifecycle; l != nil {
		iv.P50Us, iv.P99Us = l.P50Us, l.P99Us
	}
	return iv, nil
}
