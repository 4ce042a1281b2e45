package loadgen

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"lastack/sockstate"
	"lastack/sockstate/clock"
	"lastack/sockstate/netns"
	"lastack/sockstate/sockio"
)

// Config says how to carry out a plan.
type Config struct {
	Plan Plan
	// Namespace is where the client's sockets are; nil: the process's own.
	Namespace *netns.NS
	// Backend makes the workers' loops; zero: epoll.
	Backend sockio.Backend
	// CPUs keeps worker i on CPUs[i], where it is not empty.
	CPUs []int
	// Journal has the result tell what became of single connections and requests.
	Journal bool
	// Slots bounds the connections open at once, over all workers: what the
	// descriptors allow. Open loop without a cap needs it; 0 means the plan's connections.
	Slots int
	// StartAt is when the schedule begins, on CLOCK_REALTIME, so that several machines can begin together; zero: with Start. Start
	// refuses a moment more than 50 ms ago.
	StartAt time.Time
	// Unfiltered is that of sockio.Config.
	Unfiltered bool
}

// Result is the result of a load.
type Result struct {
	// Started is when the schedule began, MeasuredFrom when the warm-up was over, Ended when the last
	// lifecycle was over; on the clock of clock.Now.
	Started, MeasuredFrom, Ended int64
	// Late is how long after Started the last worker began.
	Late        time.Duration
	Interrupted bool
	Groups      []GroupResult
	// Halts is zero where the workers ran all the time.
	Halts Halts
	// Engine names the backend.
	Engine string
	// Journal is nil unless it was asked for.
	Journal *Journal
}

// Measured is the time from the end of the warm-up.
func (r *Result) Measured() time.Duration { return time.Duration(max(r.Ended-r.MeasuredFrom, 0)) }

// Loading is the part of Measured in which lifecycles could start.
func (r *Result) Loading(p *Plan) time.Duration {
	if p.Duration == 0 {
		return r.Measured()
	}
	return min(r.Measured(), p.Duration)
}

// Total sums the groups.
func (r *Result) Total() GroupResult {
	t := newGroupResult("")
	for i := range r.Groups {
		t.Add(&r.Groups[i])
	}
	return t
}

// Add sums o into r.
func (r *GroupResult) Add(o *GroupResult) {
	r.Ledger.Add(&o.Ledger)
	r.Warmup.Add(&o.Warmup)
	r.Latency.merge(&o.Latency)
	r.Info.merge(&o.Info)
	r.Scheduled += o.Scheduled
	r.Capped += o.Capped
	r.Dropped += o.Dropped
	r.PeakOpen += o.PeakOpen
	r.CompletedInTime += o.CompletedInTime
	r.RequestsInTime += o.RequestsInTime
	for e, n := range o.Errnos {
		r.Errnos[e] += n
	}
	for i, at := range o.FirstFailure {
		if first := r.FirstFailure[i]; at != 0 && (first == 0 || at < first) {
			r.FirstFailure[i] = at
		}
	}
	for i, s := range o.Examples {
		if r.Examples[i] == "" {
			r.Examples[i] = s
		}
	}
}

// Snapshot is the state of a load under way; counts are cumulative and include the warm-up.
type Snapshot struct {
	Ledger Ledger
	Open   int64
	// Interval holds the lifecycle times since the last snapshot: those of all snapshots add up to the result's. IntervalWarmup
	// holds those of lifecycles that started in the warm-up; nil without one.
	Interval, IntervalWarmup *hdrhistogram.Histogram
	// Connects holds the times of connects since the last snapshot, without those of the warm-up.
	Connects *hdrhistogram.Histogram
	Warmup   bool
	// Holding is set while a plateau holds all that it could open.
	Holding bool
	// Groups are in the order of the plan.
	Groups []GroupSnapshot
	// Closing is set when no lifecycle starts any more, Done when every one is over.
	Closing, Done bool
}

// GroupSnapshot is the state of a group.
type GroupSnapshot struct {
	// Ledger is of all lifecycles that have started, and the outcomes of those that are over.
	Ledger Ledger
	// Established is the number of connections open, Before the part of it that was so when the load was marked.
	Established, Before int64
}

// Generator is a load under way.
type Generator struct {
	cfg     Config
	workers []*worker
	shared  []*shared // by group
	spare   []delta
	begin   chan int64     // hands each worker the start
	halting chan struct{}  // closed when the load is stopped
	done    chan struct{}  // closed when every worker has finished
	release chan struct{}  // closed to let the workers close their sockets
	running sync.WaitGroup // until the lifecycles are over
	closed  sync.WaitGroup // until the sockets are closed
	mu      sync.Mutex
	halted  sync.Once
	started bool
	over    bool // every worker has finished: no wake-up may come any more
	ended   bool // release is closed
	err     error
	result  Result
	// suspended is how long the machine had been when the load started.
	suspended time.Duration
	stop      func() bool
}

// New validates the plan and opens the workers' loops: all that the load needs. Close must follow.
func New(cfg Config) (*Generator, error) {
	if err := cfg.Plan.Validate(); err != nil {
		return nil, err
	}
	if cfg.Backend.New == nil {
		cfg.Backend.New = sockio.NewEpoll
	}
	if err := cfg.checkPlateaus(); err != nil {
		return nil, err
	}
	n := max(cfg.Plan.Workers, 1)
	g := &Generator{
		cfg: cfg, begin: make(chan int64), halting: make(chan struct{}), done: make(chan struct{}), release: make(chan struct{}),
		stop: func() bool { return true },
	}
	sh := make([]*shared, len(cfg.Plan.Groups))
	for i := range sh {
		sh[i] = &shared{wake: g.wake}
		sh[i].left.Store(cfg.Plan.Count)
	}
	g.shared = sh
	for id := range n {
		w := newWorker(&cfg, id, n, cfg.slots(id, n), sh)
		if cfg.Journal {
			w.log = newLog(id, len(w.conns))
		}
		g.workers = append(g.workers, w)
		g.spare = append(g.spare, newDelta(&cfg.Plan))
	}
	if err := g.open(); err != nil {
		return nil, err
	}
	return g, nil
}

// checkPlateaus refuses a plateau that would wait for connections for which there is no slot.
func (c *Config) checkPlateaus() error {
	planned := 0
	for i := range c.Plan.Groups {
		planned += c.Plan.Groups[i].Connections
	}
	for i := range c.Plan.Groups {
		if g := &c.Plan.Groups[i]; g.Plateau > 0 && c.Slots > 0 && c.Slots < planned {
			return sockstate.BadValue("connections", planned, "a --plateau holds them all at once, and there is room for %d", c.Slots)
		}
	}
	return nil
}

// slots is how many sockets worker id may have open at once. A cap of an open loop is
// shared by the workers, so each has the slots for all of it.
func (c *Config) slots(id, workers int) int {
	planned, mine, uncapped := 0, 0, false
	for i := range c.Plan.Groups {
		g := &c.Plan.Groups[i]
		planned += g.Connections
		if g.OpenLoop() && g.Plateau == 0 {
			mine += g.Connections
		} else {
			mine += part(g.Connections, id, workers)
		}
		uncapped = uncapped || g.Connections == 0
	}
	budget := max(part(c.Slots, id, workers), 1)
	switch {
	case uncapped:
		return max(budget, mine)
	case c.Slots == 0 || c.Slots >= planned:
		return mine
	}
	return min(mine, budget)
}

// open starts the workers' goroutines, which wait for Start.
func (g *Generator) open() error {
	opened := make(chan error, len(g.workers))
	g.running.Add(len(g.workers))
	for _, w := range g.workers {
		g.closed.Go(func() {
			// Its errors go to opened and fail.
			_ = netns.OnOwnThread(func() error { g.work(w, opened); return nil })
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
			g.halt(false) // the others alone are not the load that was asked for
		}
		close(w.finished)
		g.running.Done()
		<-g.release
	case <-g.release:
		close(w.finished)
		g.running.Done()
	}
	if err := w.loop.CloseAll(true); err != nil {
		g.fail(err)
	}
}

// startLate is how long ago StartAt may be when Start is called. A load that is no later than that catches up, and its lag and Result.Late say
// by how much it was.
const startLate = 2 * time.Second

// startLead is how long before StartAt the workers get the moment on the monotonic clock; they wait for it themselves. Adjustments of
// CLOCK_REALTIME until then are respected.
const startLead = 20 * time.Millisecond

// await waits until startLead before StartAt, or until the load is stopped, and returns the start on the clock of clock.Now. The
// error is a *sockstate.ValueError if StartAt has passed.
func (g *Generator) await(ctx context.Context) (int64, error) {
	if g.cfg.StartAt.IsZero() {
		return clock.Now(), nil
	}
	for {
		at := clock.Of(g.cfg.StartAt)
		left := time.Duration(at - clock.Now())
		switch {
		case left < -startLate:
			return 0, sockstate.BadValue("", "the start at "+g.cfg.StartAt.Format(time.RFC3339Nano), "is %v ago: want a moment to come", -left.Round(time.Millisecond))
		case left <= startLead:
			return at, nil
		}
		lead := time.NewTimer(left - startLead)
		select {
		case <-lead.C:
			continue
		case <-ctx.Done():
		case <-g.halting:
		case <-g.done: // closed
		}
		lead.Stop()
		return clock.Now(), nil // it will not start anything
	}
}

// Start starts the load, after it has waited for StartAt. When ctx is cancelled the load stops at once, and accounts for
// what is open as interrupted. It is called once, and does nothing after Close.
func (g *Generator) Start(ctx context.Context) error {
	start, err := g.await(ctx)
	if err != nil {
		return err
	}
	if ctx.Err() != nil {
		g.Interrupt()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.started || g.over {
		return nil
	}
	g.started = true
	g.suspended = sockio.Suspended()
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
		g.result.Ended = clock.Now()
		g.result.Halts = g.halts()
		for _, w := range g.workers {
			g.result.Late = max(g.result.Late, time.Duration(w.late))
		}
		g.mu.Unlock()
		close(g.done)
	}()
	return nil
}

func (g *Generator) wake() {
	for _, w := range g.workers {
		w.loop.Wake()
	}
}

// Begin lets a gated group start.
func (g *Generator) Begin(group int) {
	g.shared[group].begun.Store(true)
	g.wakeIfRunning()
}

// Mark marks a moment of the load, such as a signal to the server. GroupSnapshot.Before counts the connections that are open at the
// mark. After it, clients without Reconnect give up once their connection has ended, and the journal, if there is one, keeps every
// connection and request that ends. The snapshot counts exactly what ended before the mark. Mark must be called on the goroutine that
// calls Snapshot.
func (g *Generator) Mark() Snapshot { return g.snapshot(true) }

// Conclude ends the load in order: nothing starts any more, requests under way are answered, and clients
// that keep their connection close it.
func (g *Generator) Conclude() {
	for _, w := range g.workers {
		w.concluding.Store(true)
	}
	g.wakeIfRunning()
}

func (g *Generator) wakeIfRunning() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.started && !g.over {
		g.wake()
	}
}

// Interrupt stops the load, unless it has finished. A load that has not started will end when it does.
func (g *Generator) Interrupt() { g.halt(true) }

// Stop ends the load as Interrupt does, but the result does not say interrupted: the user did not ask for it.
func (g *Generator) Stop() { g.halt(false) }

func (g *Generator) halt(asked bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over {
		return
	}
	g.result.Interrupted = g.result.Interrupted || asked
	g.halted.Do(func() { close(g.halting) })
	for _, w := range g.workers {
		w.stop.Store(true)
		if w.loop != nil { // it could not be opened
			w.loop.Wake()
		}
	}
}

func (s *GroupSnapshot) add(o *GroupSnapshot) {
	s.Ledger.Add(&o.Ledger)
	s.Established += o.Established
	s.Before += o.Before
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

// Done is closed when every lifecycle is over, or by Close where none began.
func (g *Generator) Done() <-chan struct{} { return g.done }

// Snapshot returns the state of the load; before Start it is empty. Only one goroutine may call it, and not during Close.
func (g *Generator) Snapshot() Snapshot { return g.snapshot(false) }

func (g *Generator) snapshot(mark bool) Snapshot {
	g.mu.Lock()
	began := g.started || g.over
	g.mu.Unlock()
	since := newDelta(&g.cfg.Plan)
	if !began {
		return Snapshot{Interval: since.measured, IntervalWarmup: since.warmup, Connects: since.connects, Warmup: g.cfg.Plan.Warmup > 0}
	}
	s := Snapshot{Interval: since.measured, IntervalWarmup: since.warmup, Connects: since.connects, Closing: true}
	select {
	case <-g.done:
		s.Done = true
	default:
	}
	requests := make([]*snapshotRequest, len(g.workers))
	for i, w := range g.workers {
		requests[i] = &snapshotRequest{mark: mark, fresh: g.spare[i], reply: make(chan snapshot, 1)}
		w.requested(requests[i])
	}
	for i, w := range g.workers {
		last := w.answered(requests[i])
		since.take(last.since)
		g.spare[i] = last.since
		s.Open += last.open
		if s.Groups == nil {
			s.Groups = make([]GroupSnapshot, len(last.groups))
		}
		for i := range last.groups {
			s.Groups[i].add(&last.groups[i])
			s.Ledger.Add(&last.groups[i].Ledger)
		}
		s.Warmup = s.Warmup || last.warm
		s.Closing = s.Closing && last.late
	}
	now := clock.Now()
	for _, g := range g.workers[0].groups {
		from := g.shared.closeFrom.Load()
		s.Holding = s.Holding || from != 0 && now < from
	}
	return s
}

// Wait waits for the end of the load and returns its result, also with an error: what was measured until then. Held and
// interrupted connections keep their sockets until Close.
func (g *Generator) Wait() (*Result, error) {
	<-g.done
	g.stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	r := g.result
	p := &g.cfg.Plan
	for i := range p.Groups {
		t := newGroupResult(p.Groups[i].Name)
		for _, w := range g.workers {
			t.Add(&w.groups[i].GroupResult)
		}
		if d := g.workers[0].groups[i].detour; d != nil {
			t.DetourPorts = d.ports
		}
		if p.Groups[i].OpenLoop() {
			t.Scheduled = t.Ledger.Attempted + t.Dropped
			if p.Count > 0 && t.Scheduled > p.Count {
				// The schedule has some to spare for the ramp.
				t.Scheduled = p.Count
				t.Dropped = t.Scheduled - t.Ledger.Attempted
			}
		}
		r.Groups = append(r.Groups, t)
	}
	if g.cfg.Journal {
		var logs []*log
		for _, w := range g.workers {
			logs = append(logs, w.log)
		}
		r.Journal = merge(logs)
	}
	return &r, g.err
}

// Close closes what is still open, by RST, and ends the workers. A load that is still
// under way is interrupted.
func (g *Generator) Close() error {
	g.Interrupt()
	g.mu.Lock()
	g.stop()
	if !g.started && !g.over {
		g.over = true
		close(g.done)
	}
	g.mu.Unlock()
	// The loops must not go before the last that could wake one.
	<-g.done
	g.mu.Lock()
	if !g.ended {
		g.ended = true
		close(g.release)
	}
	g.mu.Unlock()
	g.closed.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}
