package model

// erlangB is the share of Poisson arrivals that find all of n places taken, if each keeps its place for a while and a is the mean number
// that would be there if none were refused. Below 1e-30 it is 0.
//
//	1/B(n) = 1 + n/a + n(n-1)/a² + ... + n!/a^n
//
// Some multiples of the square root of n are enough of the terms.
func erlangB(n int64, a float64) float64 {
	if a <= 0 {
		return 0
	}
	sum, term := 1.0, 1.0
	for k := float64(n); k > 0; k-- {
		term *= k / a
		sum += term
		switch {
		case sum > 1e30:
			return 0
		case k < a && term < 1e-18*sum:
			return 1 / sum
		}
	}
	return 1 / sum
}
