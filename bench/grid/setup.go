// Package grid runs the cells of a sweep: combinations of sysctls and of settings of a run, each in a sandbox of its own.
//
//	Spec (asked for) ---+
//	                    +-- Resolve --> Setup (what runs) -- Run --> record.Run, which package sweep analyses
//	Facts (of the host) +
//
// Resolve is a pure function of its arguments. The host's sysctls are never written.
package grid

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"lastack/bench/host"
	"lastack/bench/metric"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/bench/sweep"
	"lastack/sockstate"
)

// Spec is a sweep as the user asked for it.
type Spec struct {
	// Run is what every run has in common. It needs a server, a sandbox, and one group.
	Run     setup.Spec
	Factors []record.Factor
	Base    Base
	// Blocks is how often each cell runs, Seed that of the order.
	Blocks int
	Seed   uint64
	// Parallel is the most runs side by side; 0 chooses.
	Parallel int
	// Find is empty, or record.FindRate.
	Find string
	// Goal is what a rate must meet to count as sustained.
	Goal Goal
	// Unconfirmed leaves out what takes a search further minutes: the load just below the rate at which ports come back from TIME_WAIT, and
	// another try if the machine was busy.
	Unconfirmed bool
	// Scale narrows ports, buckets and rates, so that a search needs less time: 1/N, 0 for not at all, ScaleAuto.
	Scale float64
	// Consent allows a grid of more than 500 cells, and one that takes more than a day.
	Consent bool
	// Resume is the record of an earlier sweep of the same spec, whose runs are not repeated; see CheckResume.
	Resume *record.Run
}

// ScaleAuto chooses Spec.Scale.
const ScaleAuto = -1

// Goal is what a rate must meet to count as sustained.
type Goal struct {
	// Allow is the share of lifecycles that may fail.
	Allow float64
	// Bounds are further ones, such as of a latency.
	Bounds []metric.Threshold
}

// Facts is what Resolve needs to know about the host.
type Facts struct {
	Run  setup.Facts
	Base record.SweepBase
	// Sysctls lists those that can be written here.
	Sysctls []string
}

// Setup is what runs: nothing is left to choose.
type Setup struct {
	Spec
	Cells []Cell
	// Order is the schedule over the cells that can run, Costs what a run of each cell takes, Limits what may go on at once.
	Order  []sweep.Slot
	Costs  []sweep.Cost
	Limits sweep.Budget
	Facts  Facts
}

// Cell is a combination of levels.
type Cell struct {
	Levels []string
	// Refused says why it cannot run. Setup is empty then.
	Refused string
	Setup   setup.Setup

	pattern // of a search
}

// The bounds of a sweep.
const (
	// DefaultBlocks is the number of blocks if none is asked for.
	DefaultBlocks = 5
	maxBlocks     = 1000
	maxParallel   = 64
)

// check refuses a spec that cannot run on any host. Sysctls are those that can be written here.
func (s *Spec) check(sysctls []string) error {
	switch {
	case s.Blocks < 1 || s.Blocks > maxBlocks:
		return sockstate.BadValue("blocks", s.Blocks, "want 1 to %d", maxBlocks)
	case s.Parallel < 0 || s.Parallel > maxParallel:
		return sockstate.BadValue("parallel", s.Parallel, "want auto, or 1 to %d", maxParallel)
	case s.Seed >= 1<<53:
		return sockstate.BadValue("seed", s.Seed, "want a number below 2^53, so that every reader of the record keeps it")
	}
	if i := slices.IndexFunc(s.Factors, func(f record.Factor) bool { return f.Key == "rate" }); i >= 0 && s.Find != "" {
		return sockstate.BadValue("vary", "rate", "--find rate searches for it: want one of the two")
	}
	if err := checkFactors(s.Factors, &s.Run, sysctls); err != nil {
		return err
	}
	_, err := countCells(s.Factors, s.Blocks, s.Consent)
	return err
}

// Read reads the facts for a sweep. It tries the sysctls in a sandbox, in which no load runs, and refuses those that are impossible. Without
// sandboxes the error is a *sandbox.Error.
func Read(ctx context.Context, s *Spec) (Facts, error) {
	if err := s.check(host.NetSysctls()); err != nil {
		return Facts{}, err
	}
	return read(ctx, s)
}

func read(ctx context.Context, s *Spec) (f Facts, err error) {
	f.Sysctls = host.NetSysctls()
	if f.Run, err = setup.Read(&s.Run); err != nil {
		return f, err
	}
	// What is asked for is tried before what is varied, and together with the base.
	others := slices.Clone(s.Run.Sandbox.Sysctls)
	for _, factor := range s.Factors {
		k, err := keyNamed(factor.Key, f.Sysctls)
		if err != nil {
			return f, err
		}
		for _, level := range factor.Levels {
			if k.flag == "" {
				others = append(others, sandbox.Sysctl{Key: k.name, Value: level})
			}
		}
	}
	base, refused, err := s.Base.try(ctx, others)
	if err != nil {
		return f, err
	}
	f.Base = base
	for i, err := range refused {
		if err == nil {
			continue
		}
		why := strings.TrimPrefix(err.Error(), "sysctl ")
		if i < len(s.Run.Sandbox.Sysctls) {
			return f, sockstate.BadValue("sysctl", others[i].Key, "%s", strings.TrimPrefix(why, others[i].Key+": "))
		}
		return f, sockstate.BadValue("vary", ShortKey(others[i].Key)+"="+others[i].Value, "%s", why)
	}
	return f, nil
}

// Resolve makes every choice that the user left open, and refuses what cannot run. It is a pure function.
//
// A combination of levels that cannot run is a cell with a reason, since its neighbours can. A level that can run with none of the others is
// refused, and so is the base, to which all is compared.
func Resolve(s Spec, f Facts) (Setup, error) {
	if err := s.check(f.Sysctls); err != nil {
		return Setup{}, err
	}
	r := Setup{Spec: s, Facts: f}
	base := baseSpec(&s, &f)
	var errs []error
	var specs []setup.Spec
	for _, levels := range combinations(s.Factors) {
		c := Cell{Levels: levels}
		spec, err := with(&base, s.Factors, levels, f.Sysctls)
		specs = append(specs, spec)
		if err == nil {
			c.Setup, err = ResolveRun(spec, f.Run)
		}
		if err != nil {
			c.Refused = err.Error()
		}
		r.Cells, errs = append(r.Cells, c), append(errs, err)
	}
	if errs[0] != nil {
		return r, refuse(s.Factors, r.Cells[0].Levels, errs[0])
	}
	for i, factor := range s.Factors {
		for _, level := range factor.Levels {
			if err := neverRuns(&r, errs, i, level); err != nil {
				return r, sockstate.BadValue("vary", ShortKey(factor.Key)+"="+level, "%v", err)
			}
		}
	}
	if s.Find != "" {
		r.forSearch(specs)
	}
	r.schedule()
	return r, r.checkTime()
}

// Longest is the longest that a sweep, or a search, may take without consent.
const Longest = 24 * time.Hour

// checkTime refuses a sweep that takes longer than one waits for by mistake.
func (r *Setup) checkTime() error {
	if took := r.Expected(); took > Longest && !r.Consent {
		return sockstate.BadValue("blocks", r.Blocks, "%s take about %.0f hours: want at most %.0f (fewer levels or blocks, or shorter runs), or --yes",
			r.Describe(), took.Hours(), Longest.Hours())
	}
	return nil
}

// fastestPerCPU is more lifecycles per second than a CPU can start: some six times what one was measured to do with only the generator on it
// (38,000, package setup).
const fastestPerCPU = 250_000

// ResolveRun is setup.Resolve for a run of an experiment: it also refuses a rate that the CPUs of no machine can start.
func ResolveRun(spec setup.Spec, f setup.Facts) (setup.Setup, error) {
	g := &spec.Plan.Groups[0]
	cpus := f.Host.UsableCPUs()
	if most := fastestPerCPU * cpus; most > 0 && max(g.RateFrom, g.RateTo) > most {
		return setup.Setup{}, sockstate.BadValue("rate", setup.FormatRate(g.RateFrom, g.RateTo), "%s CPUs cannot start so many connections/s: want at most %s", quantity.FormatSI(cpus), quantity.FormatSI(most))
	}
	return setup.Resolve(spec, f)
}

// neverRuns is why a level cannot run, if it runs with none of the other factors' levels.
func neverRuns(r *Setup, errs []error, factor int, level string) (why error) {
	for i, c := range r.Cells {
		if c.Levels[factor] != level {
			continue
		}
		if errs[i] == nil {
			return nil
		}
		why = cmp.Or(why, errs[i])
	}
	return why
}

// refuse says that the base cannot run. A value error names its own flag.
func refuse(factors []record.Factor, levels []string, err error) error {
	if e, ok := errors.AsType[*sockstate.ValueError](err); ok && !slices.ContainsFunc(factors, func(f record.Factor) bool {
		k, kerr := keyNamed(f.Key, nil)
		return kerr == nil && k.flag == e.Name
	}) {
		return err
	}
	var all []string
	for i, f := range factors {
		all = append(all, ShortKey(f.Key)+"="+levels[i])
	}
	return sockstate.BadValue("vary", strings.Join(all, " "), "the first level of each factor is the base, and it cannot run: %v", err)
}

// baseSpec adds to the run's spec what a sweep needs: the sysctls of the base, before those asked for, and no remedy of Resolve's own against
// what is to be measured.
func baseSpec(s *Spec, f *Facts) setup.Spec {
	run := s.Run
	box := *run.Sandbox
	asked := box.Sysctls
	box.Sysctls = ordered(f.Base.Sysctls)
	for _, c := range asked {
		setSysctl(&box, c)
	}
	run.Sandbox = &box
	run.SharedHash = true
	run.SourceCount = max(run.SourceCount, 1)
	run.Given = append(slices.Clone(run.Given), "sandbox")
	if s.Find != "" {
		// The rate that a cell is resolved at; a search chooses its own.
		run = atRate(run, firstRate, shortLoad, 0)
	}
	return run
}

// schedule sets the costs, the limits and the order.
func (r *Setup) schedule() {
	r.budget()
	for _, s := range sweep.Order(r.Costs, r.Blocks, r.Seed) {
		if r.Cells[s.Cell].Refused == "" {
			r.Order = append(r.Order, s)
		}
	}
}

// budget sets the costs and the limits.
func (r *Setup) budget() {
	cpus := r.Facts.Run.Host.UsableCPUs()
	r.Limits = sweep.Budget{CPUs: cpus * shareOfCPUs, Runs: maxSideBySide}
	if r.Parallel > 0 {
		r.Limits = sweep.Budget{CPUs: math.Inf(1), Runs: r.Parallel}
	}
	most := int64(1)
	for i := range r.Cells {
		c := &r.Cells[i]
		r.Costs = append(r.Costs, r.cost(c))
		most = max(most, c.Setup.Needs.KernelBytes+c.Setup.Needs.ProcessBytes)
	}
	if have, _ := r.Facts.Run.Host.UsableMemory(); have > 0 {
		r.Limits.Runs = int(max(min(int64(r.Limits.Runs), have/2/most), 1))
	}
}

// Describe says in a line what the sweep will do.
func (r *Setup) Describe() string {
	cells := len(r.Cells)
	for _, c := range r.Cells {
		if c.Refused != "" {
			cells--
		}
	}
	left := r.left()
	what := "runs"
	if r.Find != "" {
		what = "searches"
	}
	line := fmt.Sprintf("%s %s of %s %s in %s %s", quantity.Count(int64(len(left))), what, quantity.Count(int64(cells)), quantity.Plural(cells, "cell", "cells"),
		quantity.Count(int64(r.Blocks)), quantity.Plural(r.Blocks, "block", "blocks"))
	if done := len(r.Order) - len(left); done > 0 {
		line += fmt.Sprintf(", %s more are done", quantity.Count(int64(done)))
	}
	return line
}

// left lists the runs that are to do.
func (r *Setup) left() []sweep.Slot {
	done := make(map[sweep.Slot]bool)
	if r.Resume != nil {
		for i := range r.Resume.Sweep.Runs {
			done[slotOf(&r.Resume.Sweep.Runs[i])] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(r.Order), func(s sweep.Slot) bool { return done[s] })
}

// CellName is the cell of a run in words.
func (r *Setup) CellName(s sweep.Slot) string {
	var all []string
	for i, f := range r.Factors {
		all = append(all, ShortKey(f.Key)+"="+r.Cells[s.Cell].Levels[i])
	}
	if s.Twin {
		all = append(all, "(again)")
	}
	return strings.Join(all, " ")
}

// SideBySide is the most runs that can go side by side.
func (r *Setup) SideBySide() int {
	least := 0.0
	for i, c := range r.Costs {
		if r.Cells[i].Refused == "" && !c.Alone && (least == 0 || c.CPUs < least) {
			least = c.CPUs
		}
	}
	if least == 0 {
		return 1
	}
	return int(max(min(float64(r.Limits.Runs), r.Limits.CPUs/least, float64(len(r.Cells)+1)), 1))
}
