package preset

import (
	"lastack/bench/metric"
	"lastack/bench/quantity"
	"lastack/bench/record"
)

// Predicted is the range of a prediction in words.
func Predicted(v *record.SweepPrediction) string {
	switch {
	case v.Hi == nil:
		return "at least " + inUnit(v.Unit, v.Lo)
	case *v.Hi == v.Lo:
		return inUnit(v.Unit, v.Lo)
	}
	return inUnit(v.Unit, v.Lo) + " to " + inUnit(v.Unit, *v.Hi)
}

// Seen is what was observed, in words; empty if nothing was.
func Seen(v *record.SweepPrediction) string {
	switch {
	case v.N == 0:
		return ""
	case v.Min == v.Max:
		return inUnit(v.Unit, v.Min)
	}
	return inUnit(v.Unit, v.Min) + " to " + inUnit(v.Unit, v.Max)
}

func inUnit(unit string, v float64) string {
	switch metric.Unit(unit) {
	case metric.Micros:
		return quantity.Micros(v)
	case metric.PerSecond:
		return quantity.PerSecond(v) + "/s"
	case metric.Share:
		return quantity.Share(v, 1)
	}
	return quantity.Count(int64(v))
}
