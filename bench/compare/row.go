package compare

import (
	"math"
	"slices"

	"lastack/bench/metric"
)

// Row is a metric of both sides. Values are in the metric's unit.
type Row struct {
	Metric string        `json:"metric"`
	Unit   metric.Unit   `json:"unit"`
	Better metric.Better `json:"better,omitempty"`
	// Primary is set for the few metrics named beforehand.
	Primary bool   `json:"primary,omitempty"`
	A       Spread `json:"a"`
	B       Spread `json:"b"`
	// Difference is that of the medians. Shift is the Hodges-Lehmann estimate of it, the median of all differences between a run of B and one of A;
	// Lo and Hi bound its 95 % interval, of this row by itself. A bound is nil if there is none, as with too few runs.
	Difference *float64 `json:"difference,omitempty"`
	Shift      *float64 `json:"shift,omitempty"`
	Lo         *float64 `json:"lo,omitempty"`
	Hi         *float64 `json:"hi,omitempty"`
	// Ratio is the difference as a part of A's median, nil if that is 0. RatioLo and RatioHi bound its interval: that of B's runs as parts of A's.
	Ratio   *float64 `json:"ratio,omitempty"`
	RatioLo *float64 `json:"ratio_lo,omitempty"`
	RatioHi *float64 `json:"ratio_hi,omitempty"`
	// P is the U test's, Corrected for the number of rows. Nil: not tested.
	P         *float64 `json:"p,omitempty"`
	Corrected *float64 `json:"p_corrected,omitempty"`
	// Result is one of the constants below.
	Result string `json:"result"`
	// Doubt says why a value may be higher than what was measured. Reason says why a side has none.
	Doubt  string `json:"doubt,omitempty"`
	Reason string `json:"reason,omitempty"`

	a, b         []float64
	aMost, bMost []float64
	inDoubt      bool
}

// Spread is a metric over the runs of a side.
type Spread struct {
	// N is how many have it.
	N      int     `json:"n"`
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Mean   float64 `json:"mean"`
	Max    float64 `json:"max"`
}

// The results of a row.
const (
	// Better, Worse and Changed: it differs, corrected for the number of rows. Changed is of a metric that has no better direction.
	Better  = "better"
	Worse   = "worse"
	Changed = "changed"
	// Noise: runs of one and the same thing may well differ as much.
	Noise = "noise"
	// Undecided: every run of one side is above every run of the other, but there are too few runs for a table of so many rows.
	Undecided = "undecided"
	// Equal: all values are the same.
	Equal = "equal"
	// Single: a side has one value, so that nothing is known about noise.
	Single = "single"
	// Absent: a side has no value.
	Absent = "absent"
)

// rows reads the metrics that all kinds of record among the sides have, and some record has a value of.
func rows(sides *[2]side) (list []Row) {
	all := kinds(sides)
	named := metric.Primary(all[0])
	for _, m := range metric.Of(all[0], slices.Concat(sides[0].runs, sides[1].runs)) {
		if slices.ContainsFunc(all, func(kind string) bool { return !m.In(kind) }) {
			continue
		}
		r := Row{Metric: m.Name, Unit: m.Unit, Better: m.Better, Primary: slices.Contains(named, m.Name)}
		r.A, r.a, r.aMost = r.read(sides[0].values(&m))
		r.B, r.b, r.bMost = r.read(sides[1].values(&m))
		if r.A.N+r.B.N == 0 {
			continue
		}
		if r.A.N > 0 && r.B.N > 0 {
			d, shift := r.B.Median-r.A.Median, metric.Median(differences(r.a, r.b))
			r.Difference, r.Shift = &d, &shift
			if ratio := d / r.A.Median; r.A.Median > 0 && r.A.Min >= 0 && r.B.Min >= 0 && !math.IsInf(ratio, 0) {
				r.Ratio = &ratio
			}
		}
		list = append(list, r)
	}
	return list
}

// read reads the known values, and the most that each may be.
func (r *Row) read(values []metric.Value) (s Spread, known, most []float64) {
	for _, v := range values {
		if !v.Known {
			r.Reason = v.Reason
			continue
		}
		known, most = append(known, v.V), append(most, v.Most)
		if v.Most > v.V {
			r.inDoubt, r.Doubt = true, v.Doubt
		}
	}
	s.N = len(known)
	if s.N > 0 {
		s.Min, s.Max, s.Median, s.Mean = slices.Min(known), slices.Max(known), metric.Median(slices.Clone(known)), 0
		for _, v := range known {
			s.Mean += v / float64(s.N) // the sum of a damaged record's may be infinite
		}
	}
	return s, known, most
}

// constant reports whether all values of both sides are the same.
func (r *Row) constant() bool {
	return r.A.Min == r.A.Max && r.B.Min == r.B.Max && r.A.Min == r.B.Min && !r.inDoubt
}

// result is what the tests said.
func (r *Row) result() string {
	switch {
	case r.A.N == 0 || r.B.N == 0:
		return Absent
	case r.constant():
		return Equal
	case r.P == nil:
		return Single
	case r.Corrected != nil && *r.Corrected <= alpha:
		switch d := direction(r.a, r.b); {
		case r.Better == metric.Neither:
			return Changed
		case (d > 0) == (r.Better == metric.Higher):
			return Better
		}
		return Worse
	case r.A.Max < r.B.Min || r.B.Max < r.A.Min:
		return Undecided
	}
	return Noise
}
