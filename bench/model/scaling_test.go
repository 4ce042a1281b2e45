package model

import (
	"math"
	"testing"

	"lastack/bench/record"
)

// A fit finds the coefficients that made the rates, and its interval holds the peak when the rates are a bit off.
func TestFitScaling(t *testing.T) {
	levels := func(f usl, off float64, at ...int) (all []record.ScalingLevel) {
		for i, n := range at {
			all = append(all, record.ScalingLevel{Connections: n, PerS: f.at(float64(n)) * (1 + off*float64(i%3-1))})
		}
		return all
	}
	at := []int{1, 2, 4, 8, 16, 32, 64}
	for _, tt := range []struct {
		name   string
		truth  usl
		off    float64
		within float64 // of the peak
		beyond bool
	}{
		{"contention and coherency", usl{5000, 0.1, 0.002}, 0, 1e-6, false},
		{"contention alone", usl{5000, 0.2, 0}, 0, 1e-6, true},
		{"linear", usl{100, 0, 0}, 0, 1e-6, true},
		{"a bit off", usl{5000, 0.1, 0.002}, 0.02, 0.05, false},
	} {
		got, ok := FitScaling(levels(tt.truth, tt.off, at...))
		if !ok {
			t.Errorf("%s: no fit", tt.name)
			continue
		}
		_, want := tt.truth.peak(128)
		if math.Abs(got.Peak.Value/want-1) > tt.within || want < got.Peak.Lo*(1-1e-9) || want > got.Peak.Hi*(1+1e-9) || got.Beyond != tt.beyond {
			t.Errorf("%s: peak %+v at %d (beyond: %t), want %v", tt.name, got.Peak, got.PeakAt, got.Beyond, want)
		}
		if c := got.Contention; c < 0 || c > 1 || got.Coherency < 0 || got.Coherency > 1 || got.PeakAt > 128 {
			t.Errorf("%s: %+v", tt.name, got)
		}
	}
	// Superlinear rates have no coefficients below 0.
	if got, ok := FitScaling(levels(usl{100, -0.01, 0}, 0, at...)); !ok || got.Contention != 0 || got.Coherency != 0 {
		t.Errorf("superlinear: %+v", got)
	}
	few := levels(usl{5000, 0.1, 0.002}, 0, 1, 2, 4, 8, 8, 16)
	if got, ok := FitScaling(few); ok {
		t.Errorf("five levels are enough: %+v", got)
	}
}
