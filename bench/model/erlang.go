package model

// erlangB is the share of Poisson arrivals that find all of n places taken, if each keeps its place for a while and a is the mean number
// that would be there if none were refused.
//
//	B(0) = 1, B(n) = a B(n-1) / (n + a B(n-1))
func erlangB(n int64, a float64) float64 {
	if a <= 0 {
		return 0
	}
	b := 1.0
	for i := int64(1); i <= n; i++ {
		b = a * b / (float64(i) + a*b)
	}
	return b
}
