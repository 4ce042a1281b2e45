package metric

import (
	"slices"

	"lastack/bench/record"
)

// Spread is a metric over the tries of a drain.
type Spread struct {
	Metric
	// Median of an even number is the mean of the middle two.
	Min, Median, Max float64
	// MinTry and MaxTry are the first tries, from 1, that had Min and Max.
	MinTry, MaxTry int
	// AtLeast counts the tries whose value is a lower bound: something was still pending when the watch ended.
	AtLeast int
	// Tries counts the tries that had the metric; Reason says why the first of the others had not. If Tries is 0, so are
	// the numbers.
	Tries  int
	Reason string
}

// Spreads returns the spread of each metric of a try over tries.
func Spreads(tries []record.DrainTry) []Spread {
	var list []Spread
	for _, m := range drainMetrics() {
		s := Spread{Metric: m}
		var values []float64
		for i := range tries {
			v := m.OfTry(&tries[i])
			if !v.Known {
				if s.Reason == "" {
					s.Reason = v.Reason
				}
				continue
			}
			if len(values) == 0 || v.V < s.Min {
				s.Min, s.MinTry = v.V, i+1
			}
			if len(values) == 0 || v.V > s.Max {
				s.Max, s.MaxTry = v.V, i+1
			}
			values = append(values, v.V)
			if v.Doubt != "" {
				s.AtLeast++
			}
		}
		s.Tries, s.Median = len(values), Median(values)
		list = append(list, s)
	}
	return list
}

// Median sorts values. The median of an even number is the mean of the middle two, of none 0.
func Median(values []float64) float64 {
	n := len(values)
	if n == 0 {
		return 0
	}
	slices.Sort(values)
	// Halve before adding, since the sum may overflow a float64.
	return values[(n-1)/2]/2 + values[n/2]/2
}
