package stat

import "slices"

// Bootstrap is the interval that holds all but tails of a statistic's values, half of the rest on either side (the percentile method, Efron 1979). Each call of
// again computes the statistic of another sample, drawn from what was measured; it is called times times, at least 2.
func Bootstrap(times int, tails float64, again func() float64) (lo, hi float64) {
	values := make([]float64, times)
	for i := range values {
		values[i] = again()
	}
	slices.Sort(values)
	at := func(share float64) float64 {
		place := share * float64(times-1)
		i := min(int(place), times-2)
		return values[i] + (place-float64(i))*(values[i+1]-values[i])
	}
	return at(tails / 2), at(1 - tails/2)
}
