package loadgen

import (
	"math"
	"slices"
	"sync/atomic"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/arrivals"
	"lastack/sockstate/clock"
	"lastack/sockstate/sockio"
)

// worker is one goroutine, locked to its thread, with a loop and slots of its own. While the load runs, workers share nothing but
// the counters of shared.
type worker struct {
	id       int
	plan     *Plan
	loop     sockio.Loop
	groups   []*group
	conns    []conn
	requests []request // none where no group exchanges anything
	free     sockio.Slots
	since    delta // the lifecycles since the last snapshot
	log      *log  // nil without a journal
	tcpInfo  sockstate.TCPInfo
	thread   int
	pace     pace

	start0      int64 // when the schedule starts
	late        int64 // how much later the worker began; -1 until it does
	measureFrom int64
	end         int64 // no lifecycle starts after it

	// marked is set from Generator.Mark on.
	marked bool
	// concluding ends the load in order; concluded is the number of slots that it has visited.
	concluding atomic.Bool
	concluded  int

	stop     atomic.Bool
	finished chan struct{} // closed when the lifecycles are over, and the worker's state at rest
	// request asks for a snapshot; the worker takes it and answers.
	request atomic.Pointer[snapshotRequest]
}

type snapshotRequest struct {
	mark  bool  // the load too
	fresh delta // to go on with
	reply chan snapshot
}

type snapshot struct {
	groups []GroupSnapshot
	open   int64
	since  delta
	warm   bool // in the warm-up
	late   bool // no lifecycle starts any more
}

// overdue is how long after the end the arrivals that were due before it may still start. The generator's own lag must not cut
// the schedule.
const overdue = int64(time.Second)

// idle is the longest sleep, so that a lost wake-up does no harm.
const idle = int64(100 * time.Millisecond)

func newWorker(cfg *Config, id, workers, slots int, sh []*shared) *worker {
	w := &worker{
		id:       id,
		plan:     &cfg.Plan,
		conns:    make([]conn, slots),
		free:     sockio.NewSlots(slots),
		since:    newDelta(&cfg.Plan),
		finished: make(chan struct{}),
		pace:     pace{usage: readUsage},
	}
	for i := range cfg.Plan.Groups {
		g := newGroup(&cfg.Plan, i, sh[i], id, workers)
		g.scan = slots
		w.groups = append(w.groups, g)
		if g.exchanges > 0 && w.requests == nil {
			w.requests = make([]request, slots)
		}
		g.course = lifecycle{w, g}
		if g.Keep != KeepNot {
			g.course = &kept{w: w, g: g, refusals: make([]uint8, slots)}
		}
	}
	return w
}

// open enters the namespace and makes the loop, on the worker's own thread.
func (w *worker) open(cfg *Config) (err error) {
	if err := cfg.Namespace.Enter(); err != nil {
		return err
	}
	w.thread = sockio.ThreadID()
	if len(cfg.CPUs) > 0 {
		if err := sockio.SetAffinity(cfg.CPUs[w.id]); err != nil {
			return err
		}
	}
	w.avoidTargets()
	thrifty := !w.onSchedule()
	if thrifty {
		sockio.SchedBatch()
	} else {
		sockio.SchedShortSlice()
	}
	w.loop, err = cfg.Backend.New(sockio.Config{Slots: len(w.conns), Handler: w, GivesWay: thrifty, Unfiltered: cfg.Unfiltered})
	return err
}

// onSchedule reports whether a group follows a schedule.
func (w *worker) onSchedule() bool {
	return slices.ContainsFunc(w.groups, func(g *group) bool { return g.OnSchedule() })
}

// run generates the load, from start on.
func (w *worker) run(start int64) error {
	p := w.plan
	w.start0, w.late = start, -1
	w.measureFrom = start + int64(p.Warmup)
	w.end = sockio.Never
	if p.Duration > 0 {
		w.end = w.measureFrom + int64(p.Duration)
	}
	for {
		if r := w.request.Swap(nil); r != nil {
			w.answer(r)
		}
		if w.stop.Load() {
			w.interrupt()
			return nil
		}
		now := w.loop.Now()
		w.pace.back(now)
		until := w.measureLag(now, now+idle)
		switch {
		case w.late >= 0:
		case now < start:
			until = min(until, start)
		default:
			w.late = now - start
		}
		if w.concluding.Load() && w.concluded < len(w.conns) {
			w.closeSchedules(now)
			if w.conclude(now, closeBurst) {
				until = now
			}
		}
		for _, g := range w.groups {
			until = min(until, w.refill(g, now, burst), w.closePlateau(g, now, closeBurst))
		}
		if w.done(now) {
			return nil
		}
		w.pace.due = max(until, now)
		if err := w.loop.Wait(until); err != nil {
			w.interrupt()
			return err
		}
	}
}

// burst is how many lifecycles start between two calls of Wait. With more, replies would wait behind the connects.
const burst = 16

// capPoll is the polling interval of an open loop at its cap, for room that another worker makes.
const capPoll = int64(time.Millisecond)

// refill starts the lifecycles that are due, at most so many, and returns when it is to be called again.
func (w *worker) refill(g *group, now int64, most int) int64 {
	if g.Gated && !g.shared.begun.Load() {
		return sockio.Never
	}
	if g.OpenLoop() {
		return w.arrivals(g, now, most)
	}
	if now < w.start0 {
		return w.start0
	}
	want, until := w.slots(g, now)
	for int(g.open+g.paused) < want && w.mayStart(g, now) {
		w.start(g, w.free.Take(), now, now)
		if most--; most == 0 {
			return now
		}
	}
	return until
}

// mayStart takes a lifecycle of a closed loop out of the count.
func (w *worker) mayStart(g *group, now int64) bool {
	if now >= w.end || w.free.Left() == 0 {
		return false
	}
	return g.course.admit() && g.claim(w.plan, now >= w.measureFrom)
}

// slots is how many connections a closed loop keeps open at now, and when that changes.
func (w *worker) slots(g *group, now int64) (int, int64) {
	elapsed, ramp := now-w.start0, int64(w.plan.Ramp)
	if elapsed >= ramp || g.share == 0 {
		return g.share, sockio.Never
	}
	// Slot i opens at i/share of the ramp.
	n := int(float64(elapsed) / float64(ramp) * float64(g.share))
	return n + 1, w.start0 + int64(float64(n+1)/float64(g.share)*float64(ramp)) + 1
}

// arrivals starts the arrivals of an open loop that are due, at most so many, and returns when the next one is.
func (w *worker) arrivals(g *group, now int64, most int) int64 {
	for g.scheduled() {
		due := w.start0 + int64(g.schedule.At(g.next))
		switch {
		case due > now:
			return due
		case w.end != sockio.Never && now > w.end+overdue:
			w.drop(g)
			return sockio.Never
		case now > w.end && g.cappedAt == g.next:
			g.Dropped += w.measured(due)
		case most == 0:
			return now
		case w.free.Left() == 0 || !g.enter():
			if g.cappedAt != g.next {
				g.cappedAt = g.next
				g.Capped += w.measured(due)
			}
			switch {
			case w.end == sockio.Never && g.full():
				w.drop(g) // no connection will close
				return sockio.Never
			case now <= w.end:
				return min(w.end, now+capPoll)
			}
			g.Dropped += w.measured(due)
		case !g.claim(w.plan, due >= w.measureFrom):
			g.leave()
			g.endSchedule()
			return sockio.Never
		default:
			w.start(g, w.free.Take(), due, now)
			most--
		}
		g.next += g.step * g.chance.Gap()
	}
	return sockio.Never
}

// measured is 1 for an arrival that was due after the warm-up, else 0.
func (w *worker) measured(due int64) int64 {
	if due < w.measureFrom {
		return 0
	}
	return 1
}

// drop counts the rest of an open loop's schedule as dropped: of arrivals by chance, as many as are expected.
func (w *worker) drop(g *group) {
	total, from := float64(g.schedule.Total()), g.next
	// By count, not one by one: a long schedule has billions.
	if ahead := float64(g.schedule.Before(w.plan.Warmup)) - from; ahead > 0 {
		from += math.Ceil(ahead/g.step) * g.step
	}
	if from < total {
		g.Dropped += int64(math.Ceil((total - from) / g.step))
	}
	g.endSchedule()
}

// exhausted reports whether no lifecycle of g will start any more.
func (w *worker) exhausted(g *group, now int64) bool {
	switch {
	case g.OpenLoop():
		return !g.scheduled()
	case now >= w.end || g.share == 0:
		return true
	case w.plan.Count > 0 && g.shared.left.Load() <= 0 && now >= w.measureFrom:
		return true
	}
	return g.course.spent()
}

// closeSchedules ends all schedules: no lifecycle starts after it.
func (w *worker) closeSchedules(now int64) {
	if w.concluded > 0 || w.end <= now {
		return
	}
	w.end = now
	for _, g := range w.groups {
		if g.OpenLoop() {
			g.endSchedule()
		}
	}
}

// measureLag records how late the loop is, where there is a journal, and shortens a sleep until the next time.
func (w *worker) measureLag(now, until int64) int64 {
	j := w.log
	if j == nil {
		return until
	}
	if now >= j.lagDue {
		if j.lagDue != 0 {
			record(j.lag, now-j.lagDue)
		}
		j.lagDue = now + lagEvery
	}
	return min(until, j.lagDue)
}

// opened counts n connections of a plateau that are open or have failed to open. With the last one the plateau's time starts.
func (w *worker) opened(g *group, n int64) {
	if g.Plateau == 0 || g.shared.settled.Add(n) != int64(g.Connections) {
		return
	}
	g.shared.closeFrom.Store(w.loop.Now() + int64(g.Plateau))
	g.shared.wake()
}

// closeBurst is how many closes are queued between two calls of Wait. A close is up to three operations; more than one Wait
// performs would make the loop's queue grow with the connections.
const closeBurst = 32

// closePlateau closes the connections that are due at the plateau's end, at most so many, and returns when the next one is.
func (w *worker) closePlateau(g *group, now int64, most int) int64 {
	if g.Plateau == 0 {
		return sockio.Never
	}
	if missing := int64(g.share) - g.attempted(); missing > 0 && !g.gaveUp && w.exhausted(g, now) {
		g.gaveUp = true
		w.opened(g, missing)
	}
	from := g.shared.closeFrom.Load()
	if from == 0 {
		return sockio.Never
	}
	for ; g.scan > 0; g.scan-- {
		due := from
		if g.CloseRate > 0 {
			due += int64(arrivals.Spread(float64(g.closed)*g.step+float64(w.id), g.CloseRate))
		}
		if due > now {
			return due
		}
		s := sockio.Sock(g.scan - 1)
		k := &w.conns[s]
		if k.phase != holding || k.group != g.index {
			continue // a busy connection closes when it is done
		}
		if most == 0 {
			return now
		}
		most--
		g.closed++
		w.release(g, k, s, now)
	}
	return sockio.Never
}

// done reports whether the worker has no more work.
func (w *worker) done(now int64) bool {
	for _, g := range w.groups {
		if g.open > g.heldOpen {
			return false
		}
		if g.heldOpen > 0 && now < w.end && w.end != sockio.Never {
			return false
		}
		full := !g.OpenLoop() && int(g.heldOpen) == g.share && w.end == sockio.Never
		if !full && !w.exhausted(g, now) {
			return false
		}
	}
	w.settle(sockstate.OutcomeHeld)
	return true
}

// interrupt accounts for the connections that are open when the run is stopped.
func (w *worker) interrupt() {
	for _, g := range w.groups {
		if g.OpenLoop() {
			w.drop(g)
		}
	}
	w.settle(sockstate.OutcomeInterrupted)
}

// settle gives every connection that is still open its outcome: Held if it is, else o. The
// sockets stay open until close, so that the kernel's counters can be read first.
func (w *worker) settle(o sockstate.Outcome) {
	for i := range w.conns {
		k := &w.conns[i]
		if k.phase == free || k.phase == pausing {
			continue
		}
		g := w.groups[k.group]
		l := k.ledger(g)
		if k.flags&openedBefore != 0 {
			g.before--
		}
		w.logOpen(g, k, sockio.Sock(i), o)
		switch {
		case k.outcome != sockstate.NoOutcome:
			g.count(l, k.outcome, k)
		case k.flags&isHeld != 0:
			l.Outcomes[sockstate.OutcomeHeld]++
		default:
			l.Outcomes[o]++
			if k.phase == dialing && w.loop.ConnectSent(sockio.Sock(i)) == 0 {
				l.NoSYN++
			}
		}
		k.phase = free
		g.open--
	}
}

// requested passes a request to the worker. Another goroutine calls it.
func (w *worker) requested(r *snapshotRequest) {
	w.request.Store(r)
	select {
	case <-w.finished: // and its loop may be closed
	default:
		w.loop.Wake()
	}
}

// answered waits for the worker's answer to r. If the worker has finished, the caller answers in its place: other workers may run
// on for long.
func (w *worker) answered(r *snapshotRequest) snapshot {
	select {
	case s := <-r.reply:
		return s
	case <-w.finished:
	}
	if w.request.Swap(nil) != nil {
		w.answer(r)
	}
	return <-r.reply
}

func (w *worker) answer(r *snapshotRequest) {
	if r.mark {
		w.mark()
	}
	now := clock.Now()
	s := snapshot{since: w.since, warm: now < w.measureFrom, late: true}
	w.since = r.fresh
	for _, g := range w.groups {
		s.late = s.late && w.exhausted(g, now)
		s.open += g.open
		one := GroupSnapshot{Ledger: g.Ledger, Established: g.established, Before: g.before}
		one.Ledger.Add(&g.Warmup)
		s.groups = append(s.groups, one)
	}
	r.reply <- s
}

// mark marks the load, and the connections that are open now.
func (w *worker) mark() {
	if w.marked {
		return
	}
	w.marked = true
	for i := range w.conns {
		k := &w.conns[i]
		if k.phase != free && k.phase != pausing && k.flags&isOpen != 0 {
			w.groups[k.group].before++
			k.flags |= openedBefore
		}
	}
	if w.log != nil {
		w.log.keepsAll = true
	}
}

// conclude ends the connections that would not end by themselves, so many at a time, and reports whether there are more to look at.
func (w *worker) conclude(now int64, most int) (more bool) {
	for ; most > 0 && w.concluded < len(w.conns); w.concluded++ {
		k := &w.conns[w.concluded]
		if k.phase != free && w.groups[k.group].course.conclude(k, sockio.Sock(w.concluded), now) {
			most--
		}
	}
	return w.concluded < len(w.conns)
}
