package record

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// MaxSweepRuns is the most runs of a sweep that a record holds.
const MaxSweepRuns = maxItems

// Sweep is a grid of runs, each in a sandbox of its own.
type Sweep struct {
	// Factors are what is varied, in the order given.
	Factors []Factor  `json:"factors"`
	Base    SweepBase `json:"base"`
	// Cells are the grid's, at least one. The first is the base: the first level of each factor.
	Cells []SweepCell `json:"cells"`
	// Blocks is how often each cell should run. Seed is that of the order, below 2^53, so that every reader of JSON keeps it.
	Blocks int    `json:"blocks"`
	Seed   uint64 `json:"seed"`
	// Parallel is the most runs that went side by side.
	Parallel  int     `json:"parallel"`
	ExpectedS float64 `json:"expected_s"`
	// Find is "rate" if each run searched for the highest rate sustained.
	Find string `json:"find,omitempty"`
	// Allow is the share of connections that may fail at a rate that is sustained, Thresholds what else it must meet.
	Allow      float64  `json:"allow,omitempty"`
	Thresholds []string `json:"thresholds,omitempty"`
	// Scale is the part, 1/N, to which port range, buckets and rate were narrowed; 0 if they were not.
	Scale float64 `json:"scale,omitempty"`
	// Settings are those of the load and of its observation that the plan lacks, by their flags; nil in records of older versions.
	Settings map[string]string `json:"settings,omitempty"`
	// Runs are those that ended, in the order of their ends. An interrupted sweep has fewer than Blocks for each cell.
	Runs []SweepRun `json:"runs"`
	// Unfinished are searches that were interrupted: the loads in Found.Tries need not be repeated. Values are those that the search would have
	// had, if it had ended then.
	Unfinished []SweepRun `json:"unfinished,omitempty"`
	// Analysis is what the runs say.
	Analysis *SweepAnalysis `json:"analysis,omitempty"`
	// Preset is set if the sweep was one that lastack knows the question of.
	Preset *SweepPreset `json:"preset,omitempty"`
}

// FindRate is the Find of a sweep for rates.
const FindRate = "rate"

// Factor is a setting that a sweep varies. The first of its levels is the base's.
type Factor struct {
	Key    string   `json:"key"`
	Levels []string `json:"levels"`
}

// SweepBase is what the sysctls of the sandboxes start from.
type SweepBase struct {
	// From is host, default or file.
	From string `json:"from"`
	File string `json:"file,omitempty"`
	// Sysctls are those that were set because of it. Refused says why others were not.
	Sysctls map[string]string `json:"sysctls,omitempty"`
	Refused map[string]string `json:"refused,omitempty"`
}

// SweepCell is one combination of levels.
type SweepCell struct {
	// Levels has the cell's level of each factor.
	Levels []string `json:"levels"`
	// Plan and Sandbox are what ran, nil if they are those of the record.
	Plan    *Plan    `json:"plan,omitempty"`
	Sandbox *Sandbox `json:"sandbox,omitempty"`
	// Refused says why the cell cannot run.
	Refused string `json:"refused,omitempty"`
}

// SweepRun is one run of a cell.
type SweepRun struct {
	// Cell is its index, Block that of the block, Position the place in the block's order, each from 0.
	Cell     int `json:"cell"`
	Block    int `json:"block"`
	Position int `json:"position"`
	// Twin is set for the second run of the base in a block, which makes the A/A pair.
	Twin     bool      `json:"twin,omitempty"`
	Started  time.Time `json:"started"`
	ElapsedS float64   `json:"elapsed_s"`
	// Values has every metric of the registry that the run has, by name.
	Values map[string]float64 `json:"values,omitempty"`
	// AtLeast names the metrics whose value is a lower bound.
	AtLeast   []string         `json:"at_least,omitempty"`
	Valid     bool             `json:"valid"`
	LimitedBy string           `json:"limited_by,omitempty"`
	Findings  []Finding        `json:"findings,omitempty"`
	Outcomes  map[string]int64 `json:"outcomes,omitempty"`
	// Found is the rate found, see Sweep.Find.
	Found *FoundRate `json:"found,omitempty"`
	// Error says why there is no result.
	Error string `json:"error,omitempty"`
}

// FoundRate is the highest rate of new connections that a cell sustained, per second.
type FoundRate struct {
	PerS float64 `json:"per_s"`
	// LoPerS and HiPerS bound it: the search was not finer.
	LoPerS float64 `json:"lo_per_s"`
	HiPerS float64 `json:"hi_per_s"`
	// LimitedBy is one of the Limit constants: what a higher rate met.
	LimitedBy string `json:"limited_by,omitempty"`
	// Scale is the part, 1/N, of the cell's ports that the loads had, whose rates are in Tries; the rates above are those of all ports. 0 if
	// the loads had all.
	Scale float64   `json:"scale,omitempty"`
	Tries []FindTry `json:"tries,omitempty"`
}

// FindTry is one load of the search for a rate.
type FindTry struct {
	OfferedPerS   float64 `json:"offered_per_s"`
	CompletedPerS float64 `json:"completed_per_s"`
	ElapsedS      float64 `json:"elapsed_s"`
	Failed        int64   `json:"failed,omitempty"`
	Sustained     bool    `json:"sustained"`
	LimitedBy     string  `json:"limited_by,omitempty"`
	// Reason says why it was not sustained.
	Reason string `json:"reason,omitempty"`
	// Turnover is set for a load that measures how fast local ports come back.
	Turnover *Turnover `json:"turnover,omitempty"`
}

// Turnover is how fast local ports come back from TIME_WAIT, in a load that is much faster.
type Turnover struct {
	// PerS is the rate over one cycle, in which Ports came back; both are 0 if the load saw no whole cycle.
	PerS  float64 `json:"per_s"`
	Ports int64   `json:"ports"`
	// Starved is set if ports that came back waited for the load, which had no CPU.
	Starved bool `json:"starved,omitempty"`
}

// SweepAnalysis is what the runs of a sweep say. Package sweep computes it from the runs alone.
type SweepAnalysis struct {
	// Result is one of the Sweep constants.
	Result string `json:"result"`
	// Alpha is the chance that a sweep in which nothing has an effect claims anything.
	Alpha float64 `json:"alpha"`
	// Tests is the number of differences tested together, over all metrics. P is of the hypothesis that no factor has any effect: nothing is
	// claimed if it is above Alpha. Nil: not tested.
	Tests int      `json:"tests"`
	P     *float64 `json:"p,omitempty"`
	// Cells says what became of the runs of each cell.
	Cells []SweepOutcome `json:"cells"`
	// Metrics are those analysed, the one that the sweep is about first.
	Metrics []SweepMetric `json:"metrics"`
	// Claims points to the differences that are told from noise.
	Claims []SweepClaim `json:"claims"`
	// Findings are doubts about the sweep as a whole.
	Findings []Finding `json:"findings,omitempty"`
}

// The results of a sweep.
const (
	// SweepDiffers: something is claimed.
	SweepDiffers = "differs"
	// SweepNoDifference: nothing stands out from the noise.
	SweepNoDifference = "no_difference"
	// SweepCannotTell: two runs of the same cell differ, so that differences between cells mean nothing.
	SweepCannotTell = "cannot_tell"
	// SweepTooFew: there are too few runs to tell any difference from noise.
	SweepTooFew = "too_few_runs"
)

// SweepOutcome counts the runs of a cell.
type SweepOutcome struct {
	// Runs have a result; Failed have none; NotValid of Runs are no statement about the target.
	Runs     int `json:"runs"`
	Failed   int `json:"failed,omitempty"`
	NotValid int `json:"not_valid,omitempty"`
	// LimitedBy is what limited most of the runs, Limits counts them all.
	LimitedBy string         `json:"limited_by,omitempty"`
	Limits    map[string]int `json:"limits,omitempty"`
}

// SweepMetric is one metric over the grid.
type SweepMetric struct {
	Metric string `json:"metric"`
	// Unit and Better are those of the registry.
	Unit   string `json:"unit"`
	Better string `json:"better,omitempty"`
	// Log is set if differences are ratios: all values are above 0.
	Log bool `json:"log,omitempty"`
	// Spread is the standard deviation of runs of one cell in one block: relative if Log is set, else in the metric's unit.
	Spread *float64 `json:"spread,omitempty"`
	// Levels are the cells', Cells their differences to the base; both are as long as Sweep.Cells.
	Levels []SweepLevel      `json:"levels"`
	Cells  []SweepDifference `json:"cells"`
	// Effects are of the levels of one factor, over all levels of the others, Pairs of the levels of two together.
	Effects []SweepEffect `json:"effects,omitempty"`
	Pairs   []SweepEffect `json:"pairs,omitempty"`
	// Slopes are of the factors with three and more levels that are numbers.
	Slopes []SweepSlope `json:"slopes,omitempty"`
	// Twin is the difference of the A/A pair, nil if there was none.
	Twin *SweepDifference `json:"twin,omitempty"`
}

// SweepLevel is a metric over the runs of a cell.
type SweepLevel struct {
	// N is how many have it.
	N      int     `json:"n"`
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
	// Lo and Hi bound the median with the confidence of Confidence, nil if there are too few runs.
	Lo         *float64 `json:"lo,omitempty"`
	Hi         *float64 `json:"hi,omitempty"`
	Confidence float64  `json:"confidence,omitempty"`
	// AtLeast counts the runs whose value is a lower bound.
	AtLeast int `json:"at_least,omitempty"`
}

// SweepDifference is a difference of a metric inside blocks: relative (0.05 is 5 % more) if SweepMetric.Log is set, else in the metric's unit.
type SweepDifference struct {
	// Blocks is how many have both.
	Blocks     int      `json:"blocks"`
	Difference *float64 `json:"difference,omitempty"`
	// Lo and Hi bound it with 95 % confidence, by itself. Own is set if its own spread was used, which is unlike that of the rest of the sweep.
	Lo  *float64 `json:"lo,omitempty"`
	Hi  *float64 `json:"hi,omitempty"`
	Own bool     `json:"own,omitempty"`
	// P is the test's, Corrected for all tests of the sweep. Nil: not tested.
	P         *float64 `json:"p,omitempty"`
	Corrected *float64 `json:"p_corrected,omitempty"`
	// Result is one of the Sweep result constants of a difference.
	Result string `json:"result"`
}

// The results of a difference.
const (
	// SweepBetter, SweepWorse and SweepChanged are claims. Changed is of a metric that has no better direction.
	SweepBetter  = "better"
	SweepWorse   = "worse"
	SweepChanged = "changed"
	SweepNoise   = "noise"
	// SweepApart is no claim: all runs are on one side of all of the base, or the bounds of their searches are, but they are too few to call that a
	// difference.
	SweepApart = "apart"
	// SweepEqual: all values are the same.
	SweepEqual = "equal"
	// SweepUntested: the base itself, or there are too few runs.
	SweepUntested = "untested"
	// SweepDoubt: a value that is a lower bound only may undo the difference.
	SweepDoubt = "in_doubt"
)

// SweepEffect is the effect of a factor's level against its first, over all levels of the others. With two factors it is what their levels do together beyond what each
// does by itself.
type SweepEffect struct {
	Of []SweepFactorLevel `json:"of"`
	SweepDifference
}

// SweepSlope says how a metric changes with a factor whose levels are numbers: by the line of least squares, over all levels of the others.
type SweepSlope struct {
	Factor int `json:"factor"`
	// Slope is in the metric's unit, for each 1 more of the level: a count, a second, a port of a range. Lo and Hi bound it with 95 % confidence, by itself;
	// nil: there are too few runs.
	Slope float64  `json:"slope"`
	Lo    *float64 `json:"lo,omitempty"`
	Hi    *float64 `json:"hi,omitempty"`
	// Proportion is 1 if the metric is in proportion to the level: twice as much, twice the metric. It is 0 if it does not depend on it.
	Proportion float64 `json:"proportion"`
	// Off is how far the mean of a level is from the line at most, relative to it: 0 if all are on it.
	Off float64 `json:"off"`
}

// SweepFactorLevel is a level of a factor, by their indices.
type SweepFactorLevel struct {
	Factor int `json:"factor"`
	Level  int `json:"level"`
}

// SweepClaim points to a difference: Index in the cells, effects or pairs, as List says, of the metric with the index Metric.
type SweepClaim struct {
	Metric int    `json:"metric"`
	List   string `json:"list"`
	Index  int    `json:"index"`
}

// The lists of a SweepClaim.
const (
	SweepCells   = "cells"
	SweepEffects = "effects"
	SweepPairs   = "pairs"
)

// At is the difference of a claim.
func (a *SweepAnalysis) At(c SweepClaim) *SweepDifference {
	m := &a.Metrics[c.Metric]
	switch c.List {
	case SweepCells:
		return &m.Cells[c.Index]
	case SweepEffects:
		return &m.Effects[c.Index].SweepDifference
	}
	return &m.Pairs[c.Index].SweepDifference
}

// check finds what would mislead a reader of the sweep: indices out of range, lists of the wrong length.
func (s *Sweep) check() (key string, err error) {
	switch {
	case len(s.Cells) == 0:
		return "sweep.cells", errors.New("a sweep has at least one cell")
	case len(s.Runs) > MaxSweepRuns:
		return "sweep.runs", fmt.Errorf("%d runs", len(s.Runs))
	case len(s.Unfinished) > MaxSweepRuns:
		return "sweep.unfinished", fmt.Errorf("%d searches", len(s.Unfinished))
	case s.Scale > 1:
		return "sweep.scale", fmt.Errorf("%v, which is more than 1", s.Scale)
	}
	for i := range s.Factors {
		if len(s.Factors[i].Levels) == 0 {
			return fmt.Sprintf("sweep.factors[%d]", i), errors.New("a factor has at least one level")
		}
	}
	for i := range s.Cells {
		at := fmt.Sprintf("sweep.cells[%d].levels", i)
		if n := len(s.Cells[i].Levels); n != len(s.Factors) {
			return at, fmt.Errorf("%d levels of %d factors", n, len(s.Factors))
		}
		for j, level := range s.Cells[i].Levels {
			if !slices.Contains(s.Factors[j].Levels, level) || i == 0 && level != s.Factors[j].Levels[0] {
				return at, fmt.Errorf("%.60q is no level that it can have", level)
			}
		}
	}
	if key, err := s.checkRuns("sweep.runs", s.Runs); err != nil {
		return key, err
	}
	if key, err := s.checkRuns("sweep.unfinished", s.Unfinished); err != nil {
		return key, err
	}
	if s.Preset != nil {
		for i, p := range s.Preset.Predictions {
			if p.Cell < 0 || p.Cell >= len(s.Cells) {
				return fmt.Sprintf("sweep.preset.predictions[%d].cell", i), fmt.Errorf("%d of %d cells", p.Cell, len(s.Cells))
			}
		}
	}
	if s.Analysis == nil {
		return "", nil
	}
	return s.checkAnalysis()
}

func (s *Sweep) checkRuns(key string, runs []SweepRun) (at string, err error) {
	for i := range runs {
		r := &runs[i]
		at := fmt.Sprintf("%s[%d]", key, i)
		switch {
		case r.Cell < 0 || r.Cell >= len(s.Cells):
			return at + ".cell", fmt.Errorf("%d of %d cells", r.Cell, len(s.Cells))
		case r.Block < 0 || r.Block >= s.Blocks:
			return at + ".block", fmt.Errorf("%d of %d blocks", r.Block, s.Blocks)
		case r.Twin && r.Cell != 0:
			return at + ".twin", errors.New("only the base has a twin")
		case r.Found != nil && (r.Found.LoPerS > r.Found.PerS || r.Found.PerS > r.Found.HiPerS):
			return at + ".found", fmt.Errorf("%v is not from %v to %v", r.Found.PerS, r.Found.LoPerS, r.Found.HiPerS)
		}
	}
	return "", nil
}

func (s *Sweep) checkAnalysis() (key string, err error) {
	a := s.Analysis
	if len(a.Cells) != len(s.Cells) {
		return "sweep.analysis.cells", fmt.Errorf("%d of %d cells", len(a.Cells), len(s.Cells))
	}
	for i := range a.Metrics {
		m := &a.Metrics[i]
		at := fmt.Sprintf("sweep.analysis.metrics[%d]", i)
		if len(m.Levels) != len(s.Cells) || len(m.Cells) != len(s.Cells) {
			return at, fmt.Errorf("%d levels and %d differences of %d cells", len(m.Levels), len(m.Cells), len(s.Cells))
		}
		for _, l := range m.Slopes {
			if l.Factor < 0 || l.Factor >= len(s.Factors) {
				return at, fmt.Errorf("a slope of factor %d of %d", l.Factor, len(s.Factors))
			}
		}
		for of, list := range [][]SweepEffect{1: m.Effects, 2: m.Pairs} {
			for _, e := range list {
				if len(e.Of) != of {
					return at, fmt.Errorf("an effect of %d factors among those of %d", len(e.Of), of)
				}
				for _, l := range e.Of {
					if l.Factor < 0 || l.Factor >= len(s.Factors) || l.Level < 0 || l.Level >= len(s.Factors[l.Factor].Levels) {
						return at, fmt.Errorf("an effect of level %d of factor %d", l.Level, l.Factor)
					}
				}
			}
		}
	}
	for i, c := range a.Claims {
		at := fmt.Sprintf("sweep.analysis.claims[%d]", i)
		if c.Metric < 0 || c.Metric >= len(a.Metrics) {
			return at, fmt.Errorf("metric %d of %d", c.Metric, len(a.Metrics))
		}
		m := &a.Metrics[c.Metric]
		n, known := map[string]int{SweepCells: len(m.Cells), SweepEffects: len(m.Effects), SweepPairs: len(m.Pairs)}[c.List]
		if !known || c.Index < 0 || c.Index >= n {
			return at, fmt.Errorf("%d of %.60q", c.Index, c.List)
		}
	}
	return "", nil
}
