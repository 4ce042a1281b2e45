package stat

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Holm's procedure is the short cut of a closed test: a hypothesis is rejected if each set of hypotheses with it is, by Bonferroni with weights.
func TestHolmIsClosed(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	for try := range 200 {
		p, w := make([]float64, 1+r.IntN(6)), make([]float64, 0, 6)
		for i := range p {
			p[i] = math.Pow(10, -4*r.Float64())
			w = append(w, 0.05+r.Float64())
		}
		given := w
		if try%4 == 0 {
			given = nil
			for i := range w {
				w[i] = 1
			}
		}
		want := make([]float64, len(p))
		for set := range 1 << len(p) {
			sum, least := 0.0, math.Inf(1)
			for j := range p {
				if set>>j&1 == 1 {
					sum += w[j]
				}
			}
			for j := range p {
				if set>>j&1 == 1 {
					least = min(least, p[j]*sum/w[j])
				}
			}
			for i := range p {
				if set>>i&1 == 1 {
					want[i] = max(want[i], min(1, least))
				}
			}
		}
		for i, got := range Holm(p, given) {
			if math.Abs(got-want[i]) > 1e-9 {
				t.Fatalf("hypothesis %d of %d: corrected p is %v, want %v", i, len(p), got, want[i])
			}
		}
	}
}
