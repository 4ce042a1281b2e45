package main

import (
	"math"
	"slices"

	"lastack/bench/metric"
)

// spread is what several rounds gave: Median lies between Min and Max. All are NaN if N is 0.
type spread struct {
	Median, Min, Max float64
	N                int
}

// spreadOf summarizes values; those that are NaN, runs without a figure, are left out. The median of an even
// number is the mean of the two in the middle.
func spreadOf(values []float64) spread {
	v := slices.DeleteFunc(slices.Clone(values), math.IsNaN)
	n := len(v)
	if n == 0 {
		return spread{math.NaN(), math.NaN(), math.NaN(), 0}
	}
	return spread{Median: metric.Median(v), Min: slices.Min(v), Max: slices.Max(v), N: n}
}

// ratios divides round by round; a round that lacks either figure gives NaN.
func ratios(of, to []float64) []float64 {
	r := make([]float64, min(len(of), len(to)))
	for i := range r {
		r[i] = math.NaN()
		if to[i] > 0 { // false for NaN
			r[i] = of[i] / to[i]
		}
	}
	return r
}

// order is the order of n contenders in a round: every second round goes backwards, and each pair of
// rounds starts one further on, so that nobody is always first or always follows the same one.
func order(n, round int) []int {
	o := make([]int, n)
	for i := range o {
		o[i] = (i + round/2) % n
	}
	if round%2 == 1 {
		slices.Reverse(o)
	}
	return o
}
