package metric

import (
	"slices"

	"lastack/bench/record"
)

// Spread is a metric over the tries of a drain.
type Spread struct {
	Metric
	// Median is, of an even number, the mean of the two in the middle.
	Min, Median, Max float64
	// MinTry and MaxTry are the first tries, from 1, that had Min and Max.
	MinTry, MaxTry int
	// AtLeast is the number of tries whose value is a lower bound: something had no end yet when clients were watched no more.
	AtLeast int
	// Tries is the number of tries that had the metric; Reason is why the first of the others had not. Where
	// Tries is 0, so are the numbers.
	Tries  int
	Reason string
}

// Spreads has each metric of a try, over tries.
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
