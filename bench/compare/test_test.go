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
		if got := need(Alpha * tt.share / float64(tt.metrics)); got != tt.want {
			t.Errorf("%d metrics with %v of alpha need %d a side, want %d", tt.metrics, tt.share, got, tt.want)
		}
	}
}

// The interval and the test agree: the interval leaves out 0 if p is at most Alpha, if no values are equal. The limits of n = 5 are those of
// tables of the Wilcoxon-Mann-Whitney interval: the 3rd and the 23rd of 25 differences.
func TestInterval(t *testing.T) {
	if got := outsideOf(5, 5, Alpha/2); got != 3 {
		t.Errorf("5 and 5: limit %d, want 3", got)
	}
	if got := outsideOf(3, 3, Alpha/2); got != 0 {
		t.Errorf("3 and 3: limit %d, want none", got)
	}
	if exact, normal := outsideOf(50, 50, Alpha/2), outsideOf(51, 51, Alpha/2); normal < exact || normal > exact+70 {
		t.Errorf("limits %d of the exact distribution, %d of the next by the normal one", exact, normal)
	}
	r := rand.New(rand.NewPCG(5, 5))
	for range 300 {
		a, b := make([]float64, 4+r.IntN(5)), make([]float64, 4+r.IntN(5))
		for i := range a {
			a[i] = r.NormFloat64()
		}
		for i := range b {
			b[i] = 1 + r.NormFloat64()
		}
		lo, hi := make(intervals).interval(a, b)
		if lo == nil || hi == nil {
			t.Fatalf("%d and %d have no interval", len(a), len(b))
		}
		if p := uTest(a, b); (p <= Alpha) != (*lo > 0 || *hi < 0) {
			t.Errorf("%v and %v: p is %v, interval %v to %v", a, b, p, *lo, *hi)
		}
	}
}
