package metric

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/sockstate"
)

// Threshold is a bound that a run, or each try of a drain, must meet: a metric, an operator and a value.
type Threshold struct {
	expr, op, value string
	// bound is in the metric's unit.
	bound float64
	m     Metric
}

// String returns the threshold as it was given.
func (t Threshold) String() string { return t.expr }

// ParseThreshold reads METRIC OPERATOR VALUE for records of a kind. The value is a Go duration for a latency, a number with SI k, M or G
// for a rate or a count, a percentage or a fraction for a share. The error is a *sockstate.ValueError that names the faulty part.
func ParseThreshold(kind, expr string) (Threshold, error) {
	return parseThreshold(func(name string) (Metric, error) { return Lookup(kind, name) }, expr, Example(kind), Unit.parse, Unit.accepts)
}

func parseThreshold(lookup func(name string) (Metric, error), expr, example string, parse func(Unit, string) (float64, bool), accepts func(Unit) string) (Threshold, error) {
	fail := func(format string, args ...any) (Threshold, error) {
		return Threshold{}, sockstate.BadValue("threshold", strconv.Quote(expr), format, args...)
	}
	i := strings.IndexAny(expr, "<>=!")
	if i < 0 {
		return fail("there is no operator, accepted are < <= > >= == != (as in '%s')", example)
	}
	name, rest := strings.TrimSpace(expr[:i]), expr[i:]
	j := len(rest) - len(strings.TrimLeft(rest, "<>=!"))
	op, value := rest[:j], strings.TrimSpace(rest[j:])
	if operators[op] == nil {
		return fail("unknown operator %q, accepted are < <= > >= == !=", op)
	}
	m, err := lookup(name)
	if err != nil {
		return fail("%v", err)
	}
	if value == "" {
		return fail("there is no value after %s, accepted is %s", op, accepts(m.Unit))
	}
	bound, ok := parse(m.Unit, value)
	if !ok {
		return fail("%q is not a value for %s, accepted is %s", value, name, accepts(m.Unit))
	}
	return Threshold{expr: expr, op: op, value: value, bound: bound, m: m}, nil
}

// Example is a threshold on records of a kind.
func Example(kind string) string {
	if kind == record.KindDrain {
		return "failed==0"
	}
	return "connect.p99<5ms"
}

// CheckCounter refuses a threshold on a counter that is not among this kernel's, unless those are not known (nil). It lists similar names.
func (t Threshold) CheckCounter(known []string) error {
	name, counts := strings.CutPrefix(t.m.Name, "counters.")
	if !counts || known == nil || slices.Contains(known, name) {
		return nil
	}
	return sockstate.BadValue("threshold", strconv.Quote(t.expr), "%s", unknownCounter(name, known))
}

// Evaluate checks r against t. A metric that the record lacks is a miss, with a reason.
func (t Threshold) Evaluate(r *record.Run) record.ThresholdResult {
	res := record.ThresholdResult{Expr: t.expr, Metric: t.m.Name, Want: t.op + t.value}
	if r.Drain != nil && t.m.try != nil {
		return t.evaluateTries(r.Drain.Tries, res)
	}
	v := t.m.OfRun(r)
	res.Reason = v.Reason
	if !v.Known {
		return res
	}
	res.Got, res.GotText, res.OK = v.V, t.m.Unit.format(v.V), t.keeps(v)
	if !res.OK && t.compare(v.V) {
		res.Reason = doubt(v)
	}
	return res
}

// keeps reports whether every possible value of v meets t.
func (t Threshold) keeps(v Value) bool {
	return t.compare(v.V) && t.compare(v.Most) && (t.op != "!=" || v.V > t.bound || v.Most < t.bound)
}

// doubt says why a value may be higher.
func doubt(v Value) string {
	if v.Doubt == "" {
		return v.Reason
	}
	return because("at least that: "+v.Doubt, v.Reason)
}

func (t Threshold) compare(got float64) bool { return operators[t.op](got, t.bound) }

var operators = map[string]func(got, bound float64) bool{
	"<":  func(got, bound float64) bool { return got < bound },
	"<=": func(got, bound float64) bool { return got <= bound },
	">":  func(got, bound float64) bool { return got > bound },
	">=": func(got, bound float64) bool { return got >= bound },
	"==": func(got, bound float64) bool { return got == bound },
	"!=": func(got, bound float64) bool { return got != bound },
}

func (u Unit) accepts() string {
	switch u {
	case PerSecond:
		return "a number per second, SI k, M and G allowed (500, 12.5k)"
	case Share:
		return "a percentage (0.1%) or a fraction from 0 to 1 (0.001)"
	case Micros:
		return "a time with its unit (800us, 5ms, 1.5s)"
	default:
		return "a number, SI k, M and G allowed (0, 20k)"
	}
}

// maxBound is the largest bound for a rate or a count, more than any run reaches.
const maxBound = 1e18

func (u Unit) parse(s string) (float64, bool) {
	switch u {
	case Micros:
		d, err := time.ParseDuration(s)
		return float64(d) / 1e3, err == nil && d >= 0
	case Share:
		return quantity.ParseShare(s)
	case PerSecond:
		s = strings.TrimSuffix(s, "/s")
	}
	v, ok := quantity.ParseSI(s)
	return v, ok && v <= maxBound
}

func (u Unit) format(v float64) string {
	switch u {
	case Micros:
		return roundDuration(time.Duration(math.Min(v*1e3, math.MaxInt64/2))).String()
	case Share:
		return strconv.FormatFloat(v*100, 'g', 4, 64) + "%"
	case PerSecond:
		return strconv.FormatFloat(v, 'f', 1, 64) + "/s"
	default:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
}

// roundDuration keeps four significant digits, one more than a histogram has.
func roundDuration(d time.Duration) time.Duration {
	step := time.Duration(1)
	for d/step >= 10000 {
		step *= 10
	}
	return d.Round(step)
}

// evaluateTries checks each try against t. The worst try decides, and the result names it. A try without the metric is
// worse than any with it.
func (t Threshold) evaluateTries(tries []record.DrainTry, res record.ThresholdResult) record.ThresholdResult {
	if len(tries) == 0 {
		res.Reason = "there were no tries"
		return res
	}
	worst, missed, differ := -1, 0, false
	var at Value
	kept := true
	for i := range tries {
		v := t.m.OfTry(&tries[i])
		keeps := v.Known && t.keeps(v)
		if !keeps {
			missed++
		}
		differ = differ || worst >= 0 && (v.Known != at.Known || v.V != at.V || keeps != kept)
		if worst < 0 || at.Known && (!v.Known || t.worse(v.V, at.V) || kept && !keeps && !t.worse(at.V, v.V)) {
			worst, at, kept = i, v, keeps
		}
	}
	res.Reason = doubt(at)
	if n := len(tries); n > 1 {
		res.Reason = because(whichTry(worst, n, missed, differ), res.Reason)
	}
	if at.Known {
		res.Got, res.GotText, res.OK = at.V, t.m.Unit.format(at.V), missed == 0
	}
	return res
}

func whichTry(worst, tries, missed int, differ bool) string {
	if !differ {
		return fmt.Sprintf("in each of %d tries", tries)
	}
	s := fmt.Sprintf("try %d of %d, the worst", worst+1, tries)
	if missed > 1 {
		s += fmt.Sprintf(" of %d that missed it", missed)
	}
	return s
}

// worse reports whether v is closer to missing t than w, or misses it by more.
func (t Threshold) worse(v, w float64) bool {
	switch t.op {
	case "<", "<=":
		return v > w
	case ">", ">=":
		return v < w
	case "==":
		return math.Abs(v-t.bound) > math.Abs(w-t.bound)
	default: // !=
		return math.Abs(v-t.bound) < math.Abs(w-t.bound)
	}
}
