package compare

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"testing"
)

// permuted is the U test by its definition: twice the share of all splits of the values whose U is as far on that side.
func permuted(a, b []float64) float64 {
	all := append(append([]float64{}, a...), b...)
	u := func(mask uint) float64 {
		n := 0.0
		for i := range all {
			for j := range all {
				if mask>>i&1 == 1 && mask>>j&1 == 0 {
					switch {
					case all[i] > all[j]:
						n++
					case all[i] == all[j]:
						n += 0.5
					}
				}
			}
		}
		return n
	}
	got := u(1<<len(a) - 1)
	below, above, splits := 0, 0, 0
	for mask := range uint(1) << len(all) {
		if bits.OnesCount(mask) == len(a) {
			splits++
			if u(mask) <= got {
				below++
			}
			if u(mask) >= got {
				above++
			}
		}
	}
	return min(1, 2*float64(min(below, above))/float64(splits))
}

func TestUTestIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 40 {
		a, b := make([]float64, 2+r.IntN(4)), make([]float64, 2+r.IntN(4))
		for _, s := range [][]float64{a, b} {
			for i := range s {
				s[i] = float64(r.IntN(6)) // with equal values
			}
		}
		if got, want := uTest(a, b), permuted(a, b); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v and %v: p is %v, want %v", a, b, got, want)
		}
	}
}

// Six primary metrics can be told from noise with 5 runs a side, all with 8: what the help says.
func TestNeed(t *testing.T) {
	for _, tt := range []struct {
		share   float64
		metrics int
		want    int
	}{{1 - secondaryShare, 6, 5}, {mostSecondary, 40, 7}, {mostSecondary, 150, 8}, {1, 1, 4}, {1, 6, 5}} {
		if got := need(alpha * tt.share / float64(tt.metrics)); got != tt.want {
			t.Errorf("%d metrics with %v of alpha need %d a side, want %d", tt.metrics, tt.share, got, tt.want)
		}
	}
}
