package main

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestSpread(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		name   string
		values []float64
		want   spread
	}{
		{"none", nil, spread{nan, nan, nan, 0}},
		{"only failures", []float64{nan, nan}, spread{nan, nan, nan, 0}},
		{"one", []float64{3}, spread{3, 3, 3, 1}},
		{"odd", []float64{5, 1, 3}, spread{3, 1, 5, 3}},
		{"even", []float64{4, 1, 3, 2}, spread{2.5, 1, 4, 4}},
		{"failures left out", []float64{nan, 4, nan, 2}, spread{3, 2, 4, 2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := slices.Clone(tt.values)
			if diff := cmp.Diff(tt.want, spreadOf(tt.values), cmpopts.EquateNaNs()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(before, tt.values, cmpopts.EquateNaNs()); diff != "" {
				t.Errorf("the values were changed: %s", diff)
			}
		})
	}
}

// TestRatiosArePaired: the machine halves its speed from one round to the next, and the ratio stays.
func TestRatiosArePaired(t *testing.T) {
	nan := math.NaN()
	got := ratios([]float64{20, 10, nan, 10}, []float64{10, 5, 5, nan, 7})
	if diff := cmp.Diff([]float64{2, 2, nan, nan}, got, cmpopts.EquateNaNs()); diff != "" {
		t.Error(diff)
	}
	if got := ratios([]float64{1}, []float64{0}); !math.IsNaN(got[0]) {
		t.Errorf("by zero: %v", got)
	}
}

// TestOrder: everybody once a round, and in 2 n rounds everybody first twice, and after everybody else.
func TestOrder(t *testing.T) {
	if diff := cmp.Diff([][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {0, 2, 1}, {2, 0, 1}, {1, 0, 2}},
		[][]int{order(3, 0), order(3, 1), order(3, 2), order(3, 3), order(3, 4), order(3, 5)}); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]int{{0, 1}, {1, 0}, {1, 0}, {0, 1}}, [][]int{order(2, 0), order(2, 1), order(2, 2), order(2, 3)}); diff != "" {
		t.Error(diff)
	}
	for n := range 9 {
		for round := range 9 {
			o := order(n, round)
			slices.Sort(o)
			for i := range o {
				if o[i] != i {
					t.Fatalf("order(%d, %d) is no permutation", n, round)
				}
			}
		}
	}
}
