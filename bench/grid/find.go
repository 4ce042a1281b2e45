package grid

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/bench/setup"
	"lastack/sockstate"
)

// A search finds the highest rate of an open loop that a cell sustains, in one of two ways.
//
// Where the client's TIME_WAITs hold the local ports for a minute, the rate is ports divided by that minute, and a load shows that it is too
// fast only when it has used them all. One load that is much too fast, over two lives of a TIME_WAIT, measures the rate at which ports come
// back (turnover); a second one just below must then go through without failure. That takes three minutes, where bisecting takes two a step.
//
// Anywhere else a load of seconds shows whether it is sustained, and the search bisects.

const (
	// shortLoad is how long a load of a bisection is, at least, and longLoad at most.
	shortLoad, longLoad = 4 * time.Second, 20 * time.Second
	// firstRate is where a bisection begins, for each CPU.
	firstRate = 1000
	// fineness is the ratio of two rates, one sustained and one not, at which a bisection ends.
	fineness = 1.05
	// maxTries bounds the loads of a search.
	maxTries = 24

	// cpuRate is what a CPU is thought to sustain at least. A cell with ports for more is bisected first.
	cpuRate = 4000
	// justBelow is the share of the rate at which nothing should fail that is tried first.
	justBelow = 0.995
	// lower is by how much less is tried if that fails.
	lower = 0.98
	// confirms bounds the loads below the turnover.
	confirms = 3
)

// search is one in progress.
type search struct {
	*runner
	ctx   context.Context
	cell  *Cell
	tried func(record.FindTry)
	found record.FoundRate
	// kept are the loads of a search that was interrupted. They are not repeated: a search decides by its tries alone.
	kept []record.FindTry
	// last is what is kept of the last load that was sustained, or else of the first, and box its sandbox. It has no values if there was none.
	last record.SweepRun
	box  *record.Sandbox
}

// find searches for the highest rate that a cell sustains. The values of the run are those of the load that confirms it. Each load is tried with
// what is to be kept of the search until then.
func (x *runner) find(ctx context.Context, run record.SweepRun, before *record.SweepRun, tried func(record.FindTry, record.SweepPart)) record.SweepPart {
	s := &search{runner: x, ctx: ctx, cell: &x.setup.Cells[run.Cell]}
	began, earlier := run.Started, 0.0
	if before != nil {
		s.kept, s.last = slices.Clone(before.Found.Tries), *before
		run.Started, earlier = before.Started, before.ElapsedS
	}
	s.last.Cell, s.last.Block, s.last.Position, s.last.Twin, s.last.Started, s.last.Error = run.Cell, run.Block, run.Position, run.Twin, run.Started, ""
	now := func(f record.FoundRate) *record.SweepRun {
		r := s.last
		r.Found, r.ElapsedS = &f, earlier+time.Since(began).Seconds()
		return &r
	}
	until := func() record.SweepPart {
		return record.SweepPart{Search: now(record.FoundRate{Tries: slices.Concat(s.found.Tries, s.kept)}), Sandbox: s.box}
	}
	s.tried = func(t record.FindTry) { tried(t, until()) }
	err := s.run()
	switch {
	case ctx.Err() != nil && len(s.found.Tries) == 0 && before == nil:
		return record.SweepPart{}
	case ctx.Err() != nil:
		return until()
	case err != nil:
		run.ElapsedS, run.Error = earlier+time.Since(began).Seconds(), err.Error()
		run.Found = &record.FoundRate{Tries: s.found.Tries}
		return record.SweepPart{Run: &run}
	}
	r := now(s.found)
	if r.Values == nil {
		r.Error = "it ended without a result"
	}
	return record.SweepPart{Run: r, Sandbox: s.box}
}

func (s *search) run() error {
	if !s.cell.waits() {
		return s.bisect()
	}
	if most := s.cell.bears(); most > cpuRate*s.setup.Facts.Run.Host.UsableCPUs() {
		// The CPUs may not sustain what the ports do.
		if err := s.bisect(); err != nil || s.found.HiPerS < most*lower {
			return err
		}
		s.found = record.FoundRate{Tries: s.found.Tries}
	}
	return s.turnover()
}

// load runs a spec of the cell at a rate, and notes the try.
func (s *search) load(spec *setup.Spec, rate float64, lasts, interval time.Duration) (t record.FindTry, err error) {
	if len(s.kept) > 0 && s.kept[0].OfferedPerS == rate {
		t, s.kept = s.kept[0], s.kept[1:]
		s.found.Tries = append(s.found.Tries, t)
		return t, nil
	}
	s.kept = nil
	t = record.FindTry{OfferedPerS: rate}
	set, err := setup.Resolve(atRate(*spec, rate, lasts, interval), s.setup.Facts.Run)
	if err != nil {
		t.Reason = err.Error() // more than the host bears
	} else {
		m := s.runner.load(s.ctx, set)
		if m.run == nil || m.err != nil || s.ctx.Err() != nil {
			return t, lostOr(m.err)
		}
		t = s.setup.Goal.Try(m.run)
		t.OfferedPerS = rate
		if interval > 0 {
			s.turned(&t, m.run)
		}
		if t.Sustained || s.last.Values == nil {
			fill(&s.last, m.run)
			s.box = &m.run.Sandbox
		}
	}
	s.found.Tries = append(s.found.Tries, t)
	s.tried(t)
	return t, nil
}

// turned notes how fast ports came back in the load.
func (s *search) turned(t *record.FindTry, run *record.Run) {
	t.Turnover = &record.Turnover{Starved: starved(run.Timeline)}
	over, ok := TurnoverOf(run.Timeline, s.cell.keeps, t.OfferedPerS, s.cell.ports)
	if ok {
		t.Turnover.PerS, t.Turnover.Ports = over.PerS, over.ports
	} else if !t.Sustained {
		t.Reason += "; it was not seen how fast all ports come back, perhaps since others had the CPUs: run it again on a quiet machine"
	}
}

func lostOr(err error) error {
	if err == nil {
		err = fmt.Errorf("a load ended without a result")
	}
	return err
}

// atRate is a spec at a rate.
func atRate(spec setup.Spec, rate float64, lasts, interval time.Duration) setup.Spec {
	spec.Plan.Groups = slices.Clone(spec.Plan.Groups)
	g := &spec.Plan.Groups[0]
	g.RateFrom, g.RateTo = rate, rate
	spec.Plan.Duration = lasts
	if interval > 0 {
		spec.Interval = interval
	}
	return spec
}

// Try is what a load at a rate says of that rate.
func (g *Goal) Try(r *record.Run) record.FindTry {
	why := g.misses(r)
	return record.FindTry{
		OfferedPerS: r.Rate.TargetPerS, CompletedPerS: r.Rate.CompletedPerS, ElapsedS: r.ElapsedS, Failed: r.Connections.Failed,
		Sustained: why == "", LimitedBy: r.Verdict.LimitedBy, Reason: why,
	}
}

// Late reports whether a load meets the goal but for its arrivals, which were late: for that this machine may have been too busy with others.
func (g *Goal) Late(r *record.Run) bool {
	return g.misses(r) != "" && g.but(r, false) == ""
}

// misses says why a rate is not sustained; empty if it is.
func (g *Goal) misses(r *record.Run) string { return g.but(r, true) }

// but says why a rate is not sustained, with or without regard to late arrivals.
func (g *Goal) but(r *record.Run, onTime bool) string {
	c := &r.Connections
	lag := r.Latency["lag"].P99Us
	offered := r.Rate.TargetPerS
	held := float64(r.Plan.Groups[0].HoldNs) / 1e9
	switch {
	case float64(c.Failed) > g.Allow*float64(c.Attempted):
		return fmt.Sprintf("%s of %s connections failed%s", quantity.Count(c.Failed), quantity.Count(c.Attempted), mostFailed(r))
	case c.Capped > 0:
		return fmt.Sprintf("%s arrivals had to wait for one of --connections", quantity.Count(c.Capped))
	case float64(c.Attempted) < 0.99*float64(c.Scheduled):
		return fmt.Sprintf("only %s of %s arrivals were started", quantity.Count(c.Attempted), quantity.Count(c.Scheduled))
	case onTime && lag > lateUs && !othersBusy(&r.Pressure.CPU):
		return fmt.Sprintf("arrivals were late: lag p99 %s", quantity.Micros(lag))
	case r.Rate.CompletedPerS < stable*offered*max(1-(held+startup)/r.LoadS, 0):
		return fmt.Sprintf("connections piled up: only %s/s were completed", quantity.PerSecond(r.Rate.CompletedPerS))
	}
	for _, b := range g.Bounds {
		if got := b.Evaluate(r); !got.OK {
			return fmt.Sprintf("%s is missed: it is %s", got.Expr, cmp.Or(got.GotText, "unknown: "+got.Reason))
		}
	}
	return ""
}

const (
	// lateUs is how late an open loop may start its arrivals, as for a verdict.
	lateUs = 10_000
	// stable is the share of the rate that must be completed while the load goes on, but for startup, in seconds.
	stable, startup = 0.95, 0.2
)

// othersBusy reports whether the CPU that a load lacked was in use by other programs: its own threads used little. If the load then was too
// fast all the same, its connections pile up.
func othersBusy(c *record.CPU) bool {
	const little = 0.5
	return c.WorkersNotRead == "" && c.SharesTell() && c.GeneratorBusiest < little && c.ServerBusiest < little
}

// mostFailed names the most frequent failure.
func mostFailed(r *record.Run) string {
	name, most := "", int64(0)
	for _, o := range sockstate.OutcomeNames(sockstate.ClassFailure) {
		if n := r.Outcomes[o]; n > most {
			name, most = o, n
		}
	}
	if name == "" {
		return ""
	}
	return " (" + name + ")"
}

// bisect finds the rate by short loads. It begins where every machine is fast enough, doubles, and then halves the distance.
func (s *search) bisect() error {
	lo, hi := 0.0, math.Inf(1)
	limit := ""
	rate := firstRate * s.setup.Facts.Run.Host.UsableCPUs()
	confirmed := false
	for n := 0; n < maxTries; n++ {
		lasts := s.lasts(rate)
		if rate == lo {
			lasts *= 2 // confirms it
		}
		t, err := s.load(&s.cell.whole, rate, lasts, 0)
		if err == nil && onlyLate(t) {
			t, err = s.load(&s.cell.whole, rate, lasts, 0)
		}
		if err != nil {
			return err
		}
		switch {
		case t.Sustained && rate == lo:
			confirmed = true
		case t.Sustained:
			lo = rate
		default:
			hi, limit = rate, limitOf(t)
			if lo >= hi {
				lo = 0
			}
		}
		if confirmed || hi < 1 {
			break
		}
		rate = next(lo, hi, t)
	}
	s.found.PerS, s.found.LoPerS, s.found.HiPerS, s.found.LimitedBy = lo, lo, hi, limit
	if math.IsInf(hi, 1) {
		s.found.HiPerS, s.found.LimitedBy = lo, record.LimitTarget
	}
	return nil
}

// onlyLate reports whether a load had too little CPU to be on time, but was no overload. It is then tried again, since another program may have
// had the CPU.
func onlyLate(t record.FindTry) bool {
	const overload = 0.9
	by := []string{record.LimitCPU, record.LimitGeneratorCPU, record.LimitServerCPU, record.LimitHalted, record.LimitUnknown, record.LimitPortSearch}
	return !t.Sustained && t.Failed == 0 && t.CompletedPerS >= overload*t.OfferedPerS && slices.Contains(by, t.LimitedBy)
}

// next is the rate to try between one that is sustained and one that is not, after the last try. It is lo again if the two are close.
func next(lo, hi float64, last record.FindTry) float64 {
	switch {
	case math.IsInf(hi, 1):
		return round(2 * lo)
	case lo > 0 && hi/lo <= fineness:
		return lo
	}
	// An overload completes about what can be sustained.
	if guess := round(last.CompletedPerS * 0.97); !last.Sustained && guess > lo*fineness && guess < hi/fineness {
		return guess
	}
	if lo == 0 {
		return round(hi / 4)
	}
	return round(math.Sqrt(lo * hi))
}

// round keeps three digits.
func round(v float64) float64 {
	if v <= 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-2)
	return math.Round(v/unit) * unit
}

// limitOf is what limited a load that was not sustained. A bound that is missed is no limit that a verdict knows.
func limitOf(t record.FindTry) string {
	if t.LimitedBy == "" || t.LimitedBy == record.LimitTarget {
		return record.LimitUnknown
	}
	return t.LimitedBy
}

// lasts is how long a short load must be: with reuse the ports must all have been used once, and come back.
func (s *search) lasts(rate float64) time.Duration {
	held := 2 * s.cell.whole.Plan.Groups[0].Hold
	d := shortLoad
	if s.cell.keeps.Max > 0 && !s.cell.waits() {
		d = max(d, seconds(1.5*float64(s.cell.ports)/rate)+2*s.cell.keeps.Max)
	}
	return min(d, longLoad) + held
}

// turnover finds the rate by a load that is too fast, and confirms it by one that is not. If the first did not show how fast ports come back,
// as where connect searches so many of them that the CPUs are the limit, the rate is the one that is confirmed.
func (s *search) turnover() error {
	c := s.cell
	rate := c.overdrive()
	t, err := s.load(&c.spec, rate, c.overdriven(), c.sampled())
	if err == nil && t.Turnover != nil && (t.Turnover.Starved || t.Turnover.Ports == 0 && !t.Sustained) && !s.setup.Unconfirmed {
		t, err = s.load(&c.spec, rate, c.overdriven(), c.sampled())
	}
	if err != nil {
		return err
	}
	if t.Sustained {
		return s.bisect() // something gives the ports back earlier than thought
	}
	f, ports, reason := &s.found, c.ports, t.Reason
	f.LimitedBy, f.HiPerS = limitOf(t), float64(ports)/c.keeps.Min.Seconds()
	over := t.Turnover
	seen := over != nil && over.Ports > 0
	if seen {
		f.PerS, f.HiPerS = over.PerS, max(over.PerS, float64(over.Ports)/c.keeps.Min.Seconds())
		ports = min(over.Ports, ports)
	}
	// TIME_WAITs end in bursts, so that a load on a schedule needs as many ports as if each lasted for the longest time.
	below := float64(ports) / c.keeps.Max.Seconds() * justBelow
	if s.setup.Unconfirmed && seen {
		f.LoPerS = below
	}
	missed := false
	for n := 0; n < confirms && f.LoPerS == 0 && !s.setup.Unconfirmed; n++ {
		t, err := s.load(&c.spec, below, c.confirmed(), 0)
		if err == nil && onlyLate(t) {
			t, err = s.load(&c.spec, below, c.confirmed(), 0)
		}
		if err != nil {
			return err
		}
		if t.Sustained {
			f.LoPerS = below
			break
		}
		f.HiPerS, reason, missed = min(f.HiPerS, below), t.Reason, true
		below *= lower
	}
	if f.LoPerS == 0 {
		// Neither 0 nor the rate of a load would be a rate that the cell sustains.
		return fmt.Errorf("no rate was found: %s", reason)
	}
	if missed || !seen || len(s.setup.Goal.Bounds) > 0 {
		f.PerS = f.LoPerS // no more than what met the goal
	}
	if times := 1 / c.narrowed; times != 1 {
		f.PerS, f.LoPerS, f.HiPerS, f.Scale = f.PerS*times, f.LoPerS*times, f.HiPerS*times, c.narrowed
	}
	return nil
}
