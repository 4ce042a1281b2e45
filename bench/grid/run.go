package grid

import (
	"context"
	"math/rand/v2"
	"slices"
	"time"

	"lastack/bench"
	"lastack/bench/metric"
	"lastack/bench/record"
	"lastack/bench/setup"
	"lastack/bench/sweep"
)

// Progress is a change of a sweep that runs.
type Progress struct {
	// Slot is the run that began, or ended with Run.
	Slot sweep.Slot
	Run  *record.SweepRun
	// Tried is a load of a search that ended.
	Tried *record.FindTry
	// Part is what is to be kept of Run, or of the search until now; see record.ReadJournal.
	Part record.SweepPart
	// Done and All count runs, Going is how many go on.
	Done, All, Going int
	// Left is how long the rest should take.
	Left time.Duration
}

// measured is a finished run of a load, or why there is none.
type measured struct {
	run *record.Run
	err error
}

// runner carries out a schedule.
type runner struct {
	setup *Setup
	see   func(Progress)
	// load runs a load in a sandbox.
	load func(context.Context, setup.Setup) measured
	// began is when the sweep did, without what was done before.
	began time.Time
	// boxes has a sandbox of each cell that ran.
	boxes []*record.Sandbox
	// unfinished are the searches that were interrupted, now or before.
	unfinished []record.SweepRun
	// records has the last record of each cell, if it is not nil.
	records []*record.Run
}

// Run runs the sweep, and analyses it by the metrics named. When ctx is over, it stops the runs that go on, and returns a record of those that
// had ended. see is called on the calling goroutine.
func (r *Setup) Run(ctx context.Context, see func(Progress), metrics ...string) *record.Run {
	x := newRunner(r, see)
	runs := x.all(ctx)
	run := x.assemble(runs)
	run.Sweep.Analysis = sweep.Analyse(run.Sweep, metrics...)
	run.Verdict = judge(run.Sweep)
	if run.Interrupted = ctx.Err() != nil; run.Interrupted {
		run.Verdict.LimitedBy = record.LimitInterrupted
	}
	return run
}

// Begun is the record of the sweep before its first run, with what was done before.
func (r *Setup) Begun() *record.Run {
	x := newRunner(r, nil)
	run := x.assemble(x.done())
	run.Interrupted, run.Verdict.LimitedBy, run.Verdict.Reasons = true, record.LimitInterrupted, []string{}
	return run
}

func newRunner(r *Setup, see func(Progress)) *runner {
	x := &runner{setup: r, see: see, load: inCell, began: time.Now(), boxes: make([]*record.Sandbox, len(r.Cells))}
	if r.Resume != nil {
		x.unfinished = slices.Clone(r.Resume.Sweep.Unfinished)
		x.boxes[0] = &r.Resume.Sandbox
		for i := range r.Resume.Sweep.Cells {
			if box := r.Resume.Sweep.Cells[i].Sandbox; box != nil {
				x.boxes[i] = box
			}
		}
	}
	return x
}

// inCell runs a load in a sandbox of its own.
func inCell(ctx context.Context, s setup.Setup) measured {
	c, err := bench.Job.Start(ctx, *s.Sandbox, s)
	if err != nil {
		return measured{err: err}
	}
	run, err := c.Record(func(record.Event) {})
	return measured{run, err}
}

// all runs the schedule, and returns the runs in the order of their ends, those done before first.
func (x *runner) all(ctx context.Context) []record.SweepRun {
	r := x.setup
	done := x.done()
	left := r.left()
	total := len(done) + len(left)
	type ended struct {
		slot sweep.Slot
		part record.SweepPart // without a run it was interrupted
	}
	ends, tries := make(chan ended), make(chan Progress)
	var going []sweep.Slot
	began := make(map[sweep.Slot]time.Time)
	report := func(p Progress) {
		p.Done, p.All, p.Going = len(done), total, len(going)
		p.Part.ElapsedS = x.elapsed()
		p.Left = sweep.Expected(slices.Concat(going, left), r.Costs, r.Limits)
		if len(going) > 0 { // the first of them began first
			p.Left = max(p.Left-time.Since(began[going[0]]), 0)
		}
		x.see(p)
	}
	for len(left) > 0 && ctx.Err() == nil || len(going) > 0 {
		if len(left) > 0 && ctx.Err() == nil && sweep.MayStart(going, left[0], r.Costs, r.Limits) {
			slot := left[0]
			before := x.before(slot)
			left, going, began[slot] = left[1:], append(going, slot), time.Now()
			go func() {
				ends <- ended{slot, x.one(ctx, slot, before, func(t record.FindTry, until record.SweepPart) {
					tries <- Progress{Slot: slot, Tried: &t, Part: until}
				})}
			}()
			report(Progress{Slot: slot})
			continue
		}
		select {
		case p := <-tries:
			report(p)
		case e := <-ends:
			going = slices.DeleteFunc(going, func(s sweep.Slot) bool { return s == e.slot })
			if x.boxes[e.slot.Cell] == nil {
				x.boxes[e.slot.Cell] = e.part.Sandbox
			}
			if e.part.Search != nil {
				x.unfinished = append(x.unfinished, *e.part.Search)
			}
			if e.part.Run != nil {
				done = append(done, *e.part.Run)
				report(Progress{Slot: e.slot, Run: e.part.Run, Part: e.part})
			}
		}
	}
	return done
}

// done are the runs of an earlier sweep that this one goes on with.
func (x *runner) done() []record.SweepRun {
	if x.setup.Resume == nil {
		return []record.SweepRun{}
	}
	return slices.Clone(x.setup.Resume.Sweep.Runs)
}

// before takes out the search that was interrupted in this place of the schedule, if any.
func (x *runner) before(slot sweep.Slot) *record.SweepRun {
	i := slices.IndexFunc(x.unfinished, func(r record.SweepRun) bool { return slotOf(&r) == slot })
	if i < 0 {
		return nil
	}
	r := x.unfinished[i]
	x.unfinished = slices.Delete(x.unfinished, i, i+1)
	return &r
}

func slotOf(r *record.SweepRun) sweep.Slot {
	return sweep.Slot{Cell: r.Cell, Block: r.Block, Position: r.Position, Twin: r.Twin}
}

// one runs a cell once. If the sweep is interrupted meanwhile, it returns at most the loads of a search until then. before are those of an earlier
// search that was interrupted.
func (x *runner) one(ctx context.Context, slot sweep.Slot, before *record.SweepRun, tried func(record.FindTry, record.SweepPart)) record.SweepPart {
	began := time.Now()
	run := record.SweepRun{Cell: slot.Cell, Block: slot.Block, Position: slot.Position, Twin: slot.Twin, Started: began}
	if x.setup.Find != "" {
		return x.find(ctx, run, before, tried)
	}
	m := x.load(ctx, byChance(x.setup.Cells[slot.Cell].Setup, x.setup.Seed, slot))
	run.ElapsedS = time.Since(began).Seconds()
	if ctx.Err() != nil {
		return record.SweepPart{}
	}
	if m.err != nil {
		run.Error = m.err.Error() // perhaps beside what was measured until then
	}
	if m.run == nil {
		if m.err == nil {
			run.Error = "it ended without a result"
		}
		return record.SweepPart{Run: &run}
	}
	fill(&run, m.run)
	if x.records != nil {
		x.records[slot.Cell] = m.run
	}
	return record.SweepPart{Run: &run, Sandbox: &m.run.Sandbox}
}

// byChance gives arrivals by chance a sequence of their own in each block, and in the run that repeats the base's.
func byChance(s setup.Setup, seed uint64, slot sweep.Slot) setup.Setup {
	s.Plan.Groups = slices.Clone(s.Plan.Groups)
	for i := range s.Plan.Groups {
		if g := &s.Plan.Groups[i]; g.Poisson {
			of := uint64(slot.Block) * 2
			if slot.Twin {
				of++
			}
			g.Seed = rand.New(rand.NewPCG(seed, of)).Uint64() >> 11 // what a JSON number can hold
		}
	}
	return s
}

// fill takes from a record what a sweep keeps.
func fill(s *record.SweepRun, r *record.Run) {
	s.Valid, s.LimitedBy, s.Findings, s.Outcomes = r.Verdict.Valid, r.Verdict.LimitedBy, r.Verdict.Findings, r.Outcomes
	s.Values, s.AtLeast = make(map[string]float64), nil
	for _, m := range metric.Of(record.KindRun, []*record.Run{r}) {
		if v := m.OfRun(r); v.Known {
			s.Values[m.Name] = v.V
			if v.Most > v.V {
				s.AtLeast = append(s.AtLeast, m.Name)
			}
		}
	}
}
