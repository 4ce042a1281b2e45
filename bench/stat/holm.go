package stat

import (
	"cmp"
	"slices"
)

// Holm corrects p-values for their number, so that the chance that any of them is at most alpha without reason is alpha (Holm 1979): in the
// order of p/weight, p times the weights of all that follow over its own, and never less than the one before. Without weights, nil, that is
// p times the number of tests that follow.
func Holm(p, weights []float64) []float64 {
	weight := func(i int) float64 {
		if weights == nil {
			return 1
		}
		return weights[i]
	}
	order, left := make([]int, len(p)), 0.0
	for i := range order {
		order[i] = i
		left += weight(i)
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(p[i]/weight(i), p[j]/weight(j)) })
	corrected, before := make([]float64, len(p)), 0.0
	for _, i := range order {
		before = max(before, min(1, p[i]*left/weight(i)))
		corrected[i] = before
		left -= weight(i)
	}
	return corrected
}
