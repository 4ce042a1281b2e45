package metric

import (
	"slices"

	"lastack/bench/record"
)

// MetricSpread is a metric of ParseDrainThreshold over several tries.
type MetricSpread struct {
	Metric string `json:"metric"`
	// Unit is one of the Unit constants.
	Unit   string  `json:"unit"`
	Min    float64 `json:"min"`
	Median float64 `json:"median"` // of an even number, the mean of the two in the middle
	Max    float64 `json:"max"`
	// MinTry and MaxTry are the first tries, from 1, that had Min and Max.
	MinTry int `json:"min_try"`
	MaxTry int `json:"max_try"`
	// AtLeast is the number of tries whose value is a lower bound: something had no end yet when clients were watched no more.
	AtLeast int `json:"at_least,omitempty"`
	// Tries is the number of tries that had the metric; Reason is why the first of the others had not. Where
	// Tries is 0, so are the numbers.
	Tries  int    `json:"tries"`
	Reason string `json:"reason,omitempty"`
}

// The units of a metric.
const (
	UnitCount  = "count"
	UnitShare  = "share" // a fraction
	UnitMicros = "us"
)

func (u unit) name() string {
	switch u {
	case share:
		return UnitShare
	case micros:
		return UnitMicros
	default:
		return UnitCount
	}
}

// Spread has each metric of a drain in the order of DrainThresholdHelp.
func Spread(tries []record.DrainTry) []MetricSpread {
	metrics := drainMetrics()
	all := make([]MetricSpread, 0, len(metrics))
	for _, m := range metrics {
		s := MetricSpread{Metric: m.name, Unit: m.unit.name()}
		var values []float64
		for i := range tries {
			v, reason, ok := m.get(&tries[i])
			if !ok {
				if s.Reason == "" {
					s.Reason = reason
				}
				continue
			}
			if len(values) == 0 || v < s.Min {
				s.Min, s.MinTry = v, i+1
			}
			if len(values) == 0 || v > s.Max {
				s.Max, s.MaxTry = v, i+1
			}
			values = append(values, v)
			if m.lowerBound(&tries[i]) != "" {
				s.AtLeast++
			}
		}
		s.Tries, s.Median = len(values), Median(values)
		all = append(all, s)
	}
	return all
}

// Median sorts values. Of an even number it is the mean of the two in the middle, of none 0.
func Median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return 0
	}
	slices.Sort(values)
	// Halved before they are added, as their sum may exceed a float64.
	return values[(n-1)/2]/2 + values[n/2]/2
}
