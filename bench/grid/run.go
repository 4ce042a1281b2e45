package grid

import (
	"context"
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
	// boxes has a sandbox of each cell that ran.
	boxes []*record.Sandbox
	// records has the last record of each cell, if it is not nil.
	records []*record.Run
}

// Run runs the sweep, and analyses it by the metrics named. When ctx is over, it stops the runs that go on, and returns a record of those that
// had ended. see is called on the calling goroutine.
func (r *Setup) Run(ctx context.Context, see func(Progress), metrics ...string) *record.Run {
	began := time.Now()
	x := newRunner(r, see)
	runs := x.all(ctx)
	run := x.assemble(began, runs, metrics)
	if run.Interrupted = ctx.Err() != nil; run.Interrupted {
		run.Verdict.LimitedBy = record.LimitInterrupted
	}
	return run
}

func newRunner(r *Setup, see func(Progress)) *runner {
	x := &runner{setup: r, see: see, load: inCell, boxes: make([]*record.Sandbox, len(r.Cells))}
	if r.Resume != nil {
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
	done := []record.SweepRun{}
	if r.Resume != nil {
		done = slices.Clone(r.Resume.Sweep.Runs)
	}
	left := r.left()
	total := len(done) + len(left)
	type ended struct {
		slot sweep.Slot
		run  *record.SweepRun // nil: it was interrupted
		box  *record.Sandbox
	}
	ends, tries := make(chan ended), make(chan Progress)
	var going []sweep.Slot
	began := make(map[sweep.Slot]time.Time)
	report := func(p Progress) {
		p.Done, p.All, p.Going = len(done), total, len(going)
		p.Left = sweep.Expected(slices.Concat(going, left), r.Costs, r.Limits)
		if len(going) > 0 { // the first of them began first
			p.Left = max(p.Left-time.Since(began[going[0]]), 0)
		}
		x.see(p)
	}
	for len(left) > 0 && ctx.Err() == nil || len(going) > 0 {
		if len(left) > 0 && ctx.Err() == nil && sweep.MayStart(going, left[0], r.Costs, r.Limits) {
			slot := left[0]
			left, going, began[slot] = left[1:], append(going, slot), time.Now()
			go func() {
				run, box := x.one(ctx, slot, func(t record.FindTry) { tries <- Progress{Slot: slot, Tried: &t} })
				ends <- ended{slot, run, box}
			}()
			report(Progress{Slot: slot})
			continue
		}
		select {
		case p := <-tries:
			report(p)
		case e := <-ends:
			going = slices.DeleteFunc(going, func(s sweep.Slot) bool { return s == e.slot })
			if e.run != nil {
				done = append(done, *e.run)
				if x.boxes[e.slot.Cell] == nil {
					x.boxes[e.slot.Cell] = e.box
				}
				report(Progress{Slot: e.slot, Run: e.run})
			}
		}
	}
	return done
}

// one runs a cell once, and returns its sandbox too. It returns nil if the sweep was interrupted meanwhile.
func (x *runner) one(ctx context.Context, slot sweep.Slot, tried func(record.FindTry)) (*record.SweepRun, *record.Sandbox) {
	run := &record.SweepRun{Cell: slot.Cell, Block: slot.Block, Position: slot.Position, Twin: slot.Twin, Started: time.Now()}
	cell := &x.setup.Cells[slot.Cell]
	var m measured
	if x.setup.Find != "" {
		run.Found, m = x.find(ctx, cell, tried)
	} else {
		m = x.load(ctx, cell.Setup)
	}
	run.ElapsedS = time.Since(run.Started).Seconds()
	switch {
	case ctx.Err() != nil:
		return nil, nil
	case m.run == nil:
		run.Error = "it ended without a result"
		if m.err != nil {
			run.Error = m.err.Error()
		}
		return run, nil
	case m.err != nil:
		run.Error = m.err.Error() // beside what was measured until then
	}
	fill(run, m.run)
	if x.records != nil {
		x.records[slot.Cell] = m.run
	}
	return run, &m.run.Sandbox
}

// fill takes from a record what a sweep keeps.
func fill(s *record.SweepRun, r *record.Run) {
	s.Valid, s.LimitedBy, s.Findings, s.Outcomes = r.Verdict.Valid, r.Verdict.LimitedBy, r.Verdict.Findings, r.Outcomes
	s.Values = make(map[string]float64)
	for _, m := range metric.Of(record.KindRun, []*record.Run{r}) {
		if v := m.OfRun(r); v.Known {
			s.Values[m.Name] = v.V
			if v.Most > v.V {
				s.AtLeast = append(s.AtLeast, m.Name)
			}
		}
	}
}
