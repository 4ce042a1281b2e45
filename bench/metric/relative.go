package metric

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
)

// Relative is a bound on how far a metric of one set of records may be from that of another: 'lifecycle.p99<+5%'.
type Relative struct {
	t Threshold
	// ratio is set if the bound is a part of the first set's value.
	ratio bool
}

// ParseRelative reads METRIC OPERATOR SIGN VALUE. With a % the value is a part of the first set's, otherwise a difference in the metric's
// unit. lookup finds the metric. The error is a *sockstate.ValueError that names the faulty part.
func ParseRelative(lookup func(name string) (Metric, error), expr string) (r Relative, err error) {
	r.t, err = parseThreshold(lookup, expr, ExampleRelative, func(u Unit, s string) (v float64, ok bool) {
		v, r.ratio, ok = u.parseDifference(s)
		return v, ok
	}, Unit.acceptsDifference)
	return r, err
}

// ExampleRelative is a threshold on the difference between two sets of records.
const ExampleRelative = "lifecycle.p99<+5%"

// Metric is what r tests.
func (r Relative) Metric() Metric { return r.t.m }

func (u Unit) acceptsDifference() string {
	example := map[Unit]string{PerSecond: "-500", Share: "+0.001, which is 0.1 points", Micros: "+2ms"}[u]
	if example == "" {
		example = "+0"
	}
	return "a sign and a percentage of A's value (+5%), or a sign and a difference (" + example + ")"
}

func (u Unit) parseDifference(s string) (v float64, ratio, ok bool) {
	if s == "" || s[0] != '+' && s[0] != '-' {
		return 0, false, false
	}
	rest := s[1:]
	if percent, is := strings.CutSuffix(rest, "%"); is {
		v, ok = quantity.ParseSI(percent)
		v, ratio, ok = v/100, true, ok && v <= maxBound
	} else if strings.HasPrefix(rest, "+") || strings.HasPrefix(rest, "-") {
		return 0, false, false
	} else {
		v, ok = u.parse(rest)
	}
	if s[0] == '-' {
		v = -v
	}
	return v, ratio, ok
}

// center is the value of a metric for several records: the median of those that have it. Of a count or share of what should not happen it
// is the mean, since the median of 0 0 0 0 9 says that nothing happened. How says which; n is how many have the metric. Most is the same
// of the highest possible values.
func (m *Metric) center(values []Value) (v, most float64, n int, how string) {
	var low, high []float64
	for i := range values {
		if values[i].Known {
			low, high = append(low, values[i].V), append(high, values[i].Most)
		}
	}
	if len(low) == 0 {
		return 0, 0, 0, ""
	}
	if m.counted() {
		return mean(low), mean(high), len(low), "mean"
	}
	return Median(low), Median(high), len(low), "median"
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v / float64(len(values))
	}
	return sum
}

// Evaluate checks the difference from a to b against r. If a side lacks the metric, or its value is 0 and r a percentage of it, the
// threshold is missed, with a reason.
func (r Relative) Evaluate(a, b []Value) record.ThresholdResult {
	res := record.ThresholdResult{Expr: r.t.expr, Metric: r.t.m.Name, Want: r.t.op + r.t.value}
	av, amost, an, how := r.t.m.center(a)
	bv, bmost, bn, _ := r.t.m.center(b)
	for _, side := range []struct {
		name   string
		n      int
		values []Value
	}{{"A", an, a}, {"B", bn, b}} {
		if side.n == 0 {
			res.Reason = side.name + " has no value"
			if len(side.values) > 0 {
				res.Reason = because(res.Reason, side.values[0].Reason)
			}
			return res
		}
	}
	res.Reason = fmt.Sprintf("%s of A %s, of B %s", how, r.value(av), r.value(bv))
	if an == 1 && bn == 1 {
		res.Reason = fmt.Sprintf("A %s, B %s", r.value(av), r.value(bv))
	}
	if r.ratio && av == 0 && bv != 0 {
		res.Reason += ": no percentage of 0, so give a difference, as in '" + r.t.m.Name + r.t.op + "+0'"
		return res
	}
	// The true value of either side may be higher than what was measured.
	lowest, highest := r.difference(amost, bv), r.difference(av, bmost)
	got := Value{Known: true, V: r.difference(av, bv)}
	res.Got, res.GotText = got.V, r.format(got.V)
	res.OK = !slices.ContainsFunc([]float64{lowest, got.V, highest}, func(v float64) bool { return math.IsNaN(v) || !r.t.compare(v) })
	if !res.OK && r.t.compare(got.V) {
		res.Reason += "; not certain, because " + doubts(a, b)
	}
	return res
}

// Weigh says of a threshold that was missed where the difference is: from lo to hi, as parts of A's value if r is a Ratio, else in
// the metric's unit. If noise explains the miss, the threshold is met. Weigh is for medians: what should not happen at all and is counted is
// no noise, and neither is a value that may be higher than it says.
func (r Relative) Weigh(res record.ThresholdResult, lo, hi float64) record.ThresholdResult {
	if res.OK || res.GotText == "" {
		return res
	}
	said := "more than noise: the difference is "
	if r.noise(lo, hi) {
		res.OK, said = true, "within noise: the difference may be "
	}
	if math.IsInf(hi, 1) {
		res.Reason += "; " + said + r.format(lo) + " or more"
	} else {
		res.Reason += "; " + said + "from " + r.format(lo) + " to " + r.format(hi)
	}
	return res
}

// noise reports whether a miss may be noise. A bound that allows B to be worse asks first whether it is worse at all: if so, the measured value
// counts. Any other bound must be out of reach.
func (r Relative) noise(lo, hi float64) bool {
	switch op := r.t.op[0]; {
	case op == '<' && r.t.bound > 0:
		return lo <= 0
	case op == '>' && r.t.bound < 0:
		return hi >= 0
	case op == '=':
		return lo <= r.t.bound && r.t.bound <= hi
	}
	return r.t.compare(lo) || r.t.compare(hi)
}

// Ratio reports whether the bound is a part of A's value.
func (r Relative) Ratio() bool { return r.ratio }

// Counted reports whether r tests what should not happen, by its mean.
func (r Relative) Counted() bool { return r.t.m.counted() }

func (m *Metric) counted() bool { return m.Better == Lower && (m.Unit == Count || m.Unit == Share) }

// difference is from a to b. From a value without an upper bound it is as low as can be.
func (r Relative) difference(a, b float64) float64 {
	switch {
	case math.IsInf(a, 1):
		if r.ratio {
			return -1
		}
		return math.Inf(-1)
	case !r.ratio:
		return b - a
	case a == 0 && b == 0:
		return 0
	}
	return b/a - 1
}

func doubts(sides ...[]Value) string {
	for _, side := range sides {
		for _, v := range side {
			if v.Doubt != "" {
				return v.Doubt
			}
		}
	}
	return "a value is a lower bound"
}

func (r Relative) format(v float64) string {
	if r.ratio {
		return fmt.Sprintf("%+.2f%%", 100*v)
	}
	sign := "+"
	if v < 0 {
		sign, v = "-", -v
	}
	if r.t.m.Unit == Share {
		return sign + strconv.FormatFloat(100*v, 'g', 4, 64) + " points"
	}
	return sign + r.value(v)
}

// value prints a mean or a difference; that of counts may have decimals.
func (r Relative) value(v float64) string {
	const decimals = 1e3
	if r.t.m.Unit == Count {
		v = math.Round(v*decimals) / decimals
	}
	return r.t.m.Unit.format(v)
}
