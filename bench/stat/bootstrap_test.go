package stat

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The interval of a mean is that of the normal distribution, and has the quantiles that were drawn.
func TestBootstrap(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	sample := make([]float64, 400)
	for i := range sample {
		sample[i] = 10 + r.NormFloat64()
	}
	mean, square := 0.0, 0.0
	for _, v := range sample {
		mean += v / 400
	}
	for _, v := range sample {
		square += (v - mean) * (v - mean) / 400
	}
	half := 1.96 * math.Sqrt(square/400)
	lo, hi := Bootstrap(4000, 0.05, func() (v float64) {
		for range sample {
			v += sample[r.IntN(len(sample))] / 400
		}
		return v
	})
	if math.Abs(lo-(mean-half)) > half/10 || math.Abs(hi-(mean+half)) > half/10 {
		t.Errorf("%v to %v, want %v to %v", lo, hi, mean-half, mean+half)
	}
	n := -1.0
	if lo, hi := Bootstrap(101, 0.1, func() float64 { n++; return n }); math.Abs(lo-5) > 1e-9 || math.Abs(hi-95) > 1e-9 {
		t.Errorf("%v to %v of 0 to 100", lo, hi)
	}
}
