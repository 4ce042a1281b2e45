package stat

import (
	"math"

	"github.com/aclements/go-moremath/mathx"
)

// TTails is the chance that Student's t is as far from 0 as t, on either side.
func TTails(t float64, df int) float64 {
	switch {
	case math.IsInf(t, 0):
		return 0
	case df < 1 || math.IsNaN(t):
		return 1
	}
	n := float64(df)
	return mathx.BetaInc(n/(n+t*t), n/2, 0.5)
}

// TBound is the t that is exceeded on either side with a chance of tails.
func TBound(tails float64, df int) float64 {
	lo, hi := 0.0, 1.0
	for TTails(hi, df) > tails && hi < 1e150 {
		hi *= 2
	}
	for hi-lo > 1e-12*hi {
		if mid := lo + (hi-lo)/2; TTails(mid, df) > tails {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// FBelow is the chance that the ratio of two estimates of one variance, with df1 and df2 degrees of freedom, is at most f.
func FBelow(f float64, df1, df2 int) float64 {
	switch {
	case math.IsInf(f, 1):
		return 1
	case f <= 0 || math.IsNaN(f):
		return 0
	}
	a, b := float64(df1), float64(df2)
	return mathx.BetaInc(a*f/(a*f+b), a/2, b/2)
}
