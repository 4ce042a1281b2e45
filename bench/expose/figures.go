package expose

import (
	"sync"

	"lastack/bench/metric"
	"lastack/bench/record"
	"lastack/server"
)

// Figures are those of one measurement. Its methods may be called at any time, from any goroutine.
type Figures struct {
	families []metric.Family
	build    Build

	mu     sync.Mutex
	run    metric.Family
	seen   metric.Seen
	ledger func() server.Stats // nil: no server of its own
}

// Build says which program measures.
type Build struct{ Version, Go string }

// Run are the figures of a run, Drain of a drain.
func Run(b Build) *Figures { return of(metric.LiveRun(), b) }

// Drain are the figures of a drain.
func Drain(b Build) *Figures { return of(metric.LiveDrain(), b) }

// Server are the figures of a server.
func Server(b Build) *Figures { return of(metric.LiveServer(), b) }

func of(families []metric.Family, b Build) *Figures {
	return &Figures{families: families, build: b, run: metric.RunInfo(nil, "")}
}

// Name says which run it is, and which of its shards, nil for a run that has none.
func (f *Figures) Name(shard *record.Shard, runID string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.run = metric.RunInfo(shard, runID)
}

// Serve has the ledger of a server read at each scrape.
func (f *Figures) Serve(ledger func() server.Stats) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ledger = ledger
}

// See takes an event of the measurement.
func (f *Figures) See(e record.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case e.Interval != nil:
		_ = f.seen.Interval(e.Interval) // a histogram of this program's own, so that it is not damaged
	case e.Try != nil:
		f.seen.Try(e.Try)
	}
}

// End takes the record, once it is there.
func (f *Figures) End(r *record.Run) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.seen.End(r)
}

// exposition writes all series, as protobuf or as text.
func (f *Figures) exposition(protobuf bool) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ledger != nil {
		st := f.ledger()
		f.seen.Served(st.Counts())
	}
	write := appendText
	if protobuf {
		write = appendProtobuf
	}
	info := metric.Info(f.build.Version, f.build.Go)
	b := write(nil, &info, info.Read(&f.seen))
	if samples := f.run.Read(&f.seen); len(samples) > 0 {
		b = write(b, &f.run, samples)
	}
	for i := range f.families {
		if samples := f.families[i].Read(&f.seen); len(samples) > 0 {
			b = write(b, &f.families[i], samples)
		}
	}
	return b
}
