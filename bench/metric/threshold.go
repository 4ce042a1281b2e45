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
)

// Threshold is a bound that a run must keep: a metric, an operator and a value.
type Threshold struct {
	expr, metric, op, value string
	// bound is in the unit of record.ThresholdResult.Got.
	bound float64
	m     metric
}

// getter finds a metric in a record. A reason without ok says why it is absent; with ok, what to know of it.
type getter func(*record.Run) (got float64, reason string, ok bool)

// ThresholdHelp lists what ParseThreshold accepts.
const ThresholdHelp = `METRIC then < <= > >= == or != then VALUE, as 'connect.p99<5ms'. Metrics: ` +
	`lag|connect|exchange|close|lifecycle . min|mean|p50|p90|p99|p999|max|count (any percentile: p95, p99.99; who had no answer in time counts as slower than all); ` +
	`rate.opened|completed|requests|target; connections.attempted|opened|completed|failed|unfinished|scheduled|capped|requests|peak_open; ` +
	`outcomes.NAME; failed_ratio; http_1xx|2xx|3xx|4xx|5xx|invalid (replies by status, as http_4xx==0); exchange_errors.KIND; time_wait.peak|entered|entered_short|overflow|reused_by_connect|fin_wait2_mini_peak|orphan_peak; ` +
	`counters.NAME (as nstat prints it: TcpExtTCPSynRetrans); accounting.mismatches`

// ThresholdPart names the part of a threshold that is at fault.
type ThresholdPart string

// The parts of a threshold.
const (
	PartOperator ThresholdPart = "operator"
	PartMetric   ThresholdPart = "metric"
	PartValue    ThresholdPart = "value"
)

// ThresholdError is ParseThreshold's: one sentence naming the part and what is accepted.
type ThresholdError struct {
	Expr   string
	Part   ThresholdPart
	detail string
}

func (e *ThresholdError) Error() string { return fmt.Sprintf("threshold %q: %s", e.Expr, e.detail) }

// String returns the threshold as it was given.
func (t Threshold) String() string { return t.expr }

// ParseThreshold reads METRIC OPERATOR VALUE, see ThresholdHelp. Latencies are bounded by Go
// durations, rates and counts by numbers with SI k, M or G, failed_ratio by a percentage or a
// fraction. The error is a *ThresholdError.
func ParseThreshold(expr string) (Threshold, error) {
	return parseThreshold(expr, "connect.p99<5ms", lookupMetric)
}

func parseThreshold(expr, example string, lookup func(name string) (m metric, accepted string, ok bool)) (Threshold, error) {
	fail := func(p ThresholdPart, format string, args ...any) (Threshold, error) {
		return Threshold{}, &ThresholdError{Expr: expr, Part: p, detail: fmt.Sprintf(format, args...)}
	}
	i := strings.IndexAny(expr, "<>=!")
	if i < 0 {
		return fail(PartOperator, "there is no operator, accepted are < <= > >= == != (as in '%s')", example)
	}
	metric, rest := strings.TrimSpace(expr[:i]), expr[i:]
	j := len(rest) - len(strings.TrimLeft(rest, "<>=!"))
	op, value := rest[:j], strings.TrimSpace(rest[j:])
	if !slices.Contains([]string{"<", "<=", ">", ">=", "==", "!="}, op) {
		return fail(PartOperator, "unknown operator %q, accepted are < <= > >= == !=", op)
	}
	m, accepted, ok := lookup(metric)
	if !ok {
		return fail(PartMetric, "unknown metric %q, accepted are %s", metric, accepted)
	}
	if value == "" {
		return fail(PartValue, "there is no value after %s, accepted is %s", op, m.unit.accepts())
	}
	bound, ok := m.unit.parse(value)
	if !ok {
		return fail(PartValue, "%q is no value for %s, accepted is %s", value, metric, m.unit.accepts())
	}
	return Threshold{expr: expr, metric: metric, op: op, value: value, bound: bound, m: m}, nil
}

// Evaluate holds r against t. A metric that the record does not have is a miss, with its reason.
func (t Threshold) Evaluate(r *record.Run) record.ThresholdResult {
	res := record.ThresholdResult{Expr: t.expr, Metric: t.metric, Want: t.op + t.value}
	switch {
	case t.m.try != nil:
		return t.evaluateTries(r, res)
	case t.m.get == nil:
		res.Reason = "the threshold is empty"
		return res
	case r.Kind == record.KindDrain && !drainHasLatency(t.family()):
		res.Reason = "a drain does not measure it"
		return res
	}
	got, reason, ok := t.m.get(r)
	res.Reason = reason
	if !ok {
		return res
	}
	res.Got, res.GotText, res.OK = got, t.m.unit.format(got), compare(got, t.op, t.bound)
	if t.m.slow != nil && res.OK {
		if v, why := t.m.slow(r); why != "" && !compare(v, t.op, t.bound) {
			res.OK, res.Reason = false, absent("at least that: "+why, reason)
		}
	}
	return res
}

func (t Threshold) family() string {
	name, _, _ := strings.Cut(t.metric, ".")
	return name
}

func compare(got float64, op string, bound float64) bool {
	switch op {
	case "<":
		return got < bound
	case "<=":
		return got <= bound
	case ">":
		return got > bound
	case ">=":
		return got >= bound
	case "==":
		return got == bound
	default:
		return got != bound
	}
}

// unit is what a metric is measured in.
type unit uint8

const (
	count unit = iota
	perSecond
	share
	micros
)

func (u unit) accepts() string {
	switch u {
	case perSecond:
		return "a number per second, SI k, M and G allowed (500, 12.5k)"
	case share:
		return "a percentage (0.1%) or a fraction from 0 to 1 (0.001)"
	case micros:
		return "a time with its unit (800us, 5ms, 1.5s)"
	default:
		return "a number, SI k, M and G allowed (0, 20k)"
	}
}

// maxBound bounds what a rate or a count is held against: more than any run comes to.
const maxBound = 1e18

func (u unit) parse(s string) (float64, bool) {
	switch u {
	case micros:
		d, err := time.ParseDuration(s)
		return float64(d) / 1e3, err == nil && d >= 0
	case share:
		return quantity.ParseShare(s)
	default:
		if u == perSecond {
			s = strings.TrimSuffix(s, "/s")
		}
		v, ok := quantity.ParseSI(s)
		return v, ok && v <= maxBound
	}
}

func (u unit) format(v float64) string {
	switch u {
	case micros:
		return roundDuration(time.Duration(math.Min(v*1e3, math.MaxInt64/2))).String()
	case share:
		return strconv.FormatFloat(v*100, 'g', 4, 64) + "%"
	case perSecond:
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
