package model

import (
	"math"
	"testing"
)

// The offered loads are those of printed tables of Erlang's loss formula, which give them to three or four digits.
func TestErlangB(t *testing.T) {
	for _, tt := range []struct {
		n    int64
		a, b float64
	}{
		{1, 0.0101, 0.01},
		{2, 0.153, 0.01},
		{5, 1.361, 0.01},
		{10, 4.461, 0.01},
		{20, 12.03, 0.01},
		{50, 37.90, 0.01},
		{100, 84.06, 0.01},
		{1, 0.0526, 0.05},
		{2, 0.381, 0.05},
		{5, 2.218, 0.05},
		{10, 6.216, 0.05},
		{20, 15.25, 0.05},
		{50, 44.53, 0.05},
		{100, 95.24, 0.05},
		{10, 3.092, 0.001},
		{50, 32.51, 0.001},
		{100, 75.24, 0.001},
	} {
		if got := erlangB(tt.n, tt.a); math.Abs(got/tt.b-1) > 0.006 {
			t.Errorf("B(%d, %g) = %g, the table says %g", tt.n, tt.a, got, tt.b)
		}
	}
	// In closed form.
	for _, tt := range []struct {
		n    int64
		a, b float64
	}{{0, 3, 1}, {1, 1, 0.5}, {2, 1, 0.2}, {2, 2, 0.4}, {3, 0, 0}} {
		if got := erlangB(tt.n, tt.a); math.Abs(got-tt.b) > 1e-12 {
			t.Errorf("B(%d, %g) = %g, want %g", tt.n, tt.a, got, tt.b)
		}
	}
	// A naive sum of powers and factorials is infinite here. Under heavy load n of a get a place.
	if got := erlangB(64512, 645120); math.Abs(got-0.9) > 1e-4 {
		t.Errorf("B(64512, 645120) = %g, want about 0.9", got)
	}
	if got, want := erlangB(10_000, 10_000), math.Sqrt(2/(math.Pi*10_000)); math.Abs(got/want-1) > 0.01 {
		t.Errorf("B(n, n) = %g, want about sqrt(2/pi n) = %g", got, want)
	}
}

func TestErlangBGrows(t *testing.T) {
	last := 0.0
	for a := 1.0; a < 3000; a *= 1.3 {
		b := erlangB(500, a)
		if b < last || b > 1 || erlangB(501, a) > b {
			t.Errorf("B(500, %g) = %g after %g, B(501, %g) = %g", a, b, last, a, erlangB(501, a))
		}
		last = b
	}
}

// B(0) = 1, B(n) = a B(n-1) / (n + a B(n-1))
func TestErlangBRecursion(t *testing.T) {
	for _, n := range []int64{1, 3, 40, 500, 28_232} {
		for _, load := range []float64{0.9, 0.99, 1, 1.01, 1.2, 3, 100} {
			a, b := load*float64(n), 1.0
			for i := int64(1); i <= n; i++ {
				b = a * b / (float64(i) + a*b)
			}
			if got := erlangB(n, a); math.Abs(got-b) > 1e-12*b+1e-30 {
				t.Errorf("B(%d, %g) = %g, want %g", n, a, got, b)
			}
		}
	}
}
