package loadgen

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"lastack/sockstate/sockio"
)

// Config says how to carry out a plan.
type Config struct {
	Plan Plan
	// Namespace is where the client's sockets are; nil: the process's own.
	Namespace *sockio.Namespace
	// NewLoop makes a worker's loop; nil: sockio.NewEpoll.
	NewLoop func(sockio.Config) (sockio.Loop, error)
	// Slots bounds the connections open at once, over all workers: what the
	// descriptors allow. Open loop without a cap needs it; 0 means the plan's connections.
	Slots int
}

// Result is what a load came to.
type Result struct {
	// Started is when the schedule began, MeasuredFrom when the warm-up was over, Ended when the last
	// lifecycle was over; on the clock of sockio.Now.
	Started, MeasuredFrom, Ended int64
	Interrupted                  bool
	Groups                       []GroupResult
	// Engine names the backend.
	Engine string
}

// Measured is the time from the end of the warm-up.
func (r *Result) Measured() time.Duration { return time.Duration(max(r.Ended-r.MeasuredFrom, 0)) }

// Total sums the groups.
func (r *Result) Total() GroupResult {
	t := GroupResult{Latency: newLatencies(), Info: newInfoSample(), Errnos: make(map[sockio.Errno]int64)}
	for i := range r.Groups {
		t.add(&r.Groups[i])
	}
	return t
}

func (r *GroupResult) add(o *GroupResult) {
	r.Ledger.Add(&o.Ledger)
	r.Warmup.Add(&o.Warmup)
	r.Latency.merge(&o.Latency)
	r.Info.merge(&o.Info)
	r.Scheduled += o.Scheduled
	r.Capped += o.Capped
	r.Dropped += o.Dropped
	r.PeakOpen += o.PeakOpen
	for e, n := range o.Errnos {
		r.Errnos[e] += n
	}
}

// Snapshot is the state of a load under way; counts are cumulative and include the warm-up.
type Snapshot struct {
	Ledger Ledger
	Open   int64
	// Interval holds the lifecycle times since the last snapshot.
	Interval *hdrhistogram.Histogram
	Warmup   bool
	// Closing is set when no lifecycle starts any more, Done when every one is over.
	Closing, Done bool
}

// Generator is a load under way.
type Generator struct {
	cfg     Config
	workers []*worker
	last    []snapshot
	spare   []*hdrhistogram.Histogram
	begin   chan int64     // hands each worker the start
	done    chan struct{}  // closed when every worker has finished
	release chan struct{}  // closed to let the workers close their sockets
	running sync.WaitGroup // until the lifecycles are over
	closed  sync.WaitGroup // until the sockets are closed
	mu      sync.Mutex
	over    bool // every worker has finished: no wake-up may come any more
	err     error
	result  Result
	stop    func() bool
}

// New validates the plan and opens the workers' loops: after it nothing is missing that
// the load needs. Close must follow.
func New(cfg Config) (*Generator, error) {
	if err := cfg.Plan.Validate(); err != nil {
		return nil, err
	}
	if cfg.NewLoop == nil {
		cfg.NewLoop = sockio.NewEpoll
	}
	n := max(cfg.Plan.Workers, 1)
	g := &Generator{
		cfg: cfg, begin: make(chan int64), done: make(chan struct{}), release: make(chan struct{}),
		last: make([]snapshot, n), stop: func() bool { return true },
	}
	sh := make([]*shared, len(cfg.Plan.Groups))
	for i := range sh {
		sh[i] = &shared{all: int64(cfg.Plan.Groups[i].Connections), wake: g.wake}
		sh[i].left.Store(cfg.Plan.Count)
	}
	for id := range n {
		g.workers = append(g.workers, newWorker(&cfg, id, n, cfg.slots(id, n), sh))
		g.spare = append(g.spare, NewHistogram())
	}
	if err := g.open(); err != nil {
		return nil, err
	}
	return g, nil
}

// slots is how many sockets worker id may have open at once.
func (c *Config) slots(id, workers int) int {
	planned, uncapped := 0, false
	for i := range c.Plan.Groups {
		planned += part(c.Plan.Groups[i].Connections, id, workers)
		uncapped = uncapped || c.Plan.Groups[i].Connections == 0
	}
	if !uncapped && c.Slots == 0 {
		return planned
	}
	budget := part(c.Slots, id, workers)
	if uncapped {
		return max(budget, 1)
	}
	return min(planned, max(budget, 1))
}

// open starts the workers' goroutines, which wait for Start.
func (g *Generator) open() error {
	opened := make(chan error, len(g.workers))
	g.running.Add(len(g.workers))
	for _, w := range g.workers {
		g.closed.Go(func() {
			// Its errors go to opened and fail.
			_ = sockio.OnOwnThread(func() error { g.work(w, opened); return nil })
		})
	}
	var errs []error
	for range g.workers {
		errs = append(errs, <-opened)
	}
	if err := errors.Join(errs...); err != nil {
		_ = g.Close() // the error above is the one to tell
		return fmt.Errorf("start the load's workers: %w", err)
	}
	g.result.Engine = g.workers[0].loop.Name()
	return nil
}

func (g *Generator) work(w *worker, opened chan<- error) {
	err := w.open(&g.cfg)
	opened <- err
	if err != nil {
		g.running.Done()
		return
	}
	select {
	case start := <-g.begin:
		if err := w.run(start); err != nil {
			g.fail(fmt.Errorf("load worker %d: %w", w.id, err))
		}
		g.running.Done()
		<-g.release
	case <-g.release:
		g.running.Done()
	}
	if err := w.loop.CloseAll(true); err != nil {
		g.fail(err)
	}
}

// Start starts the load. When ctx is cancelled the load stops at once, and accounts for
// what is open as interrupted. It is called once.
func (g *Generator) Start(ctx context.Context) {
	start := sockio.Now()
	g.result.Started = start
	g.result.MeasuredFrom = start + int64(g.cfg.Plan.Warmup)
	for range g.workers {
		g.begin <- start
	}
	g.stop = context.AfterFunc(ctx, g.Interrupt)
	go func() {
		g.running.Wait()
		g.mu.Lock()
		g.over = true
		g.result.Ended = sockio.Now()
		g.mu.Unlock()
		close(g.done)
	}()
}

func (g *Generator) wake() {
	for _, w := range g.workers {
		w.loop.Wake()
	}
}

// Interrupt stops the load, unless it has finished.
func (g *Generator) Interrupt() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return
	}
	g.result.Interrupted = true
	for _, w := range g.workers {
		w.stop.Store(true)
		if w.loop != nil { // it could not be opened
			w.loop.Wake()
		}
	}
}

func (g *Generator) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err = errors.Join(g.err, err)
}

// Threads lists the thread ids of the workers.
func (g *Generator) Threads() []int {
	var ids []int
	for _, w := range g.workers {
		ids = append(ids, w.thread)
	}
	return ids
}

// Done is closed when every lifecycle is over.
func (g *Generator) Done() <-chan struct{} { return g.done }

// Snapshot asks the workers how far they are. It is for one goroutine.
func (g *Generator) Snapshot() Snapshot {
	s := Snapshot{Interval: NewHistogram()}
	reply := make([]chan snapshot, len(g.workers))
	for i, w := range g.workers {
		reply[i] = make(chan snapshot, 1)
		w.request.Store(&snapshotRequest{fresh: g.spare[i], reply: reply[i]})
		w.loop.Wake()
	}
	for i, w := range g.workers {
		select {
		case g.last[i] = <-reply[i]:
			s.Interval.Merge(g.last[i].interval)
			g.last[i].interval.Reset()
			g.spare[i] = g.last[i].interval
		case <-g.done:
			s.Done = true
			if w.request.Swap(nil) == nil {
				// It was answered in the same moment.
				g.last[i] = <-reply[i]
			}
			fresh := &snapshotRequest{fresh: NewHistogram(), reply: make(chan snapshot, 1)}
			w.answer(fresh)
			last := <-fresh.reply
			s.Interval.Merge(last.interval)
			g.last[i] = last
		}
		s.Ledger.Add(&g.last[i].ledger)
		s.Open += g.last[i].open
		s.Warmup = s.Warmup || g.last[i].warm
		s.Closing = s.Closing || g.last[i].late
	}
	return s
}

// Wait waits for the load to be over and returns what it came to. The sockets of
// connections that are held, or were interrupted, stay open until Close. A Result
// comes with an error too: what was measured until then.
func (g *Generator) Wait() (*Result, error) {
	<-g.done
	g.stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.result
	p := &g.cfg.Plan
	for i := range p.Groups {
		t := GroupResult{Name: p.Groups[i].Name, Latency: newLatencies(), Info: newInfoSample(), Errnos: make(map[sockio.Errno]int64)}
		for _, w := range g.workers {
			gw := w.groups[i]
			t.add(&GroupResult{
				Ledger: gw.ledger, Warmup: gw.warmup, Latency: gw.latency, Info: gw.info, Errnos: gw.errnos,
				Capped: gw.capped, Dropped: gw.dropped, PeakOpen: gw.peak,
			})
		}
		if p.Groups[i].OpenLoop() {
			t.Scheduled = t.Ledger.Attempted + t.Dropped
		}
		r.Groups = append(r.Groups, t)
	}
	return &r, g.err
}

// Close closes what is still open, by RST, and ends the workers. A load that is still
// under way is interrupted.
func (g *Generator) Close() error {
	g.stop()
	g.Interrupt()
	close(g.release)
	g.closed.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}
