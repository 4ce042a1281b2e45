package sweep

import (
	"math"
	"slices"

	"lastack/bench/metric"
	"lastack/bench/record"
)

// FoundRate is the metric of a sweep that searches for rates.
const FoundRate = "found_rate"

// Metric finds a metric that a sweep can be about. The error lists similar names.
func Metric(name string) (metric.Metric, error) {
	if name == FoundRate {
		return metric.Metric{Name: name, Unit: metric.PerSecond, Better: metric.Higher, Help: "the highest rate sustained"}, nil
	}
	return metric.Lookup(record.KindRun, name)
}

// responses are the metrics that a sweep is about unless others are asked for, the first one most of all.
func responses(s *record.Sweep) []string {
	if s.Find != "" {
		return []string{FoundRate}
	}
	const first = "rate.completed"
	return append([]string{first}, slices.DeleteFunc(metric.Primary(record.KindRun), func(name string) bool { return name == first })...)
}

// valueOf reads a metric of a run.
func valueOf(r *record.SweepRun, name string) (v float64, known bool) {
	if name == FoundRate {
		if r.Found == nil || r.Error != "" {
			return 0, false
		}
		return r.Found.PerS, true
	}
	v, known = r.Values[name]
	return v, known && !math.IsNaN(v) && !math.IsInf(v, 0)
}
