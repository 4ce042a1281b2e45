package grid

import (
	"context"
	"math"
	"slices"
	"time"

	"lastack/bench/record"
	"lastack/bench/setup"
	"lastack/bench/sweep"
	"lastack/sockstate"
)

// Trial is a load that is no cell of a grid: changes of a run, at a rate, for a time.
type Trial struct {
	// Changes sets each key to its only level.
	Changes []record.Factor
	Rate    float64
	Lasts   time.Duration
	// Scale narrows ports, buckets and rate to that part; 0 or 1 for not at all.
	Scale float64
}

// Outcome is what became of a trial. An interrupted one is empty.
type Outcome struct {
	record.SweepRun
	// Record is that of the load, nil if there is none.
	Record *record.Run
}

// ReadTrials reads the facts for trials of a run, like Read.
func ReadTrials(ctx context.Context, run *setup.Spec, base Base) (Facts, error) {
	return read(ctx, &Spec{Run: *run, Base: base})
}

// Trials prepares loads that run once each. One that cannot run is a cell with a reason.
func Trials(run setup.Spec, f Facts, trials []Trial) *Setup {
	s := Spec{Run: run, Blocks: 1}
	r := &Setup{Spec: s, Facts: f}
	base := baseSpec(&s, &f)
	for _, t := range trials {
		c, err := t.cell(&base, &f)
		if err != nil {
			c.Refused = err.Error()
		}
		r.Cells = append(r.Cells, c)
	}
	r.budget()
	for i, c := range r.Cells {
		if c.Refused == "" {
			r.Order = append(r.Order, sweep.Slot{Cell: i, Position: i})
		}
	}
	// One that needs the machine would have to wait for all of the others.
	slices.SortStableFunc(r.Order, func(a, b sweep.Slot) int {
		switch x, y := r.Costs[a.Cell].Alone, r.Costs[b.Cell].Alone; {
		case x == y:
			return 0
		case x:
			return 1
		}
		return -1
	})
	return r
}

func (t *Trial) cell(base *setup.Spec, f *Facts) (c Cell, err error) {
	for _, change := range t.Changes {
		c.Levels = append(c.Levels, change.Levels[0])
	}
	spec, err := with(base, t.Changes, c.Levels, f.Sysctls)
	if err != nil {
		return c, err
	}
	spec = atRate(spec, t.Rate, t.Lasts, 0)
	if c.Setup, err = ResolveRun(spec, f.Run); err != nil {
		return c, err
	}
	c.pattern = patternOf(spec, &c.Setup, &f.Run)
	if t.Scale > 0 && t.Scale < 1 {
		c.narrow(&f.Run, t.Scale)
		c.Setup, err = ResolveRun(atRate(c.spec, t.Rate*c.narrowed, t.Lasts, 0), f.Run)
	}
	return c, err
}

// Ports is how many local ports the cell has in all, and how long a connection keeps one: only while it is open, unless the client holds
// its TIME_WAIT. Nothing of it is narrowed.
func (c *Cell) Ports() (ports int64, kept sockstate.Span) {
	if kept = c.keeps; kept.Max == 0 {
		hold := c.spec.Plan.Groups[0].Hold
		kept = sockstate.Span{Min: hold, Max: hold}
	}
	return int64(math.Round(float64(c.ports) / c.narrowed)), kept
}

// Narrowed is the part of its ports that the cell has; 1 for all.
func (c *Cell) Narrowed() float64 { return c.narrowed }

// RunTrials runs the trials, and returns what became of each, like Run.
func (r *Setup) RunTrials(ctx context.Context, see func(Progress)) []Outcome {
	x := newRunner(r, see)
	x.records = make([]*record.Run, len(r.Cells))
	out := make([]Outcome, len(r.Cells))
	for i, c := range r.Cells {
		out[i].Error = c.Refused
	}
	for _, run := range x.all(ctx) {
		out[run.Cell] = Outcome{run, x.records[run.Cell]}
	}
	return out
}
