package stat

import (
	"math"
	"testing"
)

// The bounds are those of tables.
func TestStudent(t *testing.T) {
	for _, tt := range []struct {
		tails float64
		df    int
		want  float64
	}{{0.05, 1, 12.7062}, {0.05, 4, 2.77645}, {0.01, 9, 3.24984}, {0.05, 30, 2.04227}, {0.001, 10, 4.58689}, {0.05, 100000, 1.95999}, {1, 3, 0}} {
		got := TBound(tt.tails, tt.df)
		if math.Abs(got-tt.want) > 1e-4 {
			t.Errorf("%v of t with %d: %v, want %v", tt.tails, tt.df, got, tt.want)
		}
		if p := TTails(-got, tt.df); math.Abs(p-tt.tails) > 1e-9 {
			t.Errorf("t %v with %d: p is %v", -got, tt.df, p)
		}
	}
	if p := TTails(1e6, 40); p <= 0 || p > 1e-100 {
		t.Errorf("far out: %v", p)
	}
	for _, tt := range []struct {
		f        float64
		df1, df2 int
		want     float64
	}{{5.3177, 1, 8, 0.95}, {3.4780, 4, 10, 0.95}, {1, 7, 7, 0.5}, {0, 3, 3, 0}, {math.Inf(1), 3, 3, 1}} {
		if got := FBelow(tt.f, tt.df1, tt.df2); math.Abs(got-tt.want) > 1e-4 {
			t.Errorf("F %v with %d and %d: %v, want %v", tt.f, tt.df1, tt.df2, got, tt.want)
		}
	}
	if TTails(math.Inf(-1), 3) != 0 || TTails(2, 0) != 1 || TTails(math.NaN(), 3) != 1 {
		t.Error("what is no t")
	}
}
