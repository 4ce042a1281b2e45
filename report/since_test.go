package report

import "testing"

// TestSince tells points of time apart that are a millisecond apart, however late.
func TestSince(t *testing.T) {
	for s, want := range map[float64]string{
		0: "0 s", 0.0123: "+12.3 ms", -0.0005: "-500 µs", 0.9994: "+999 ms", 0.9996: "+1.000 s",
		1.2344: "+1.234 s", 1.2356: "+1.236 s", 12.345: "+12.345 s", -100.001: "-100.001 s", 3600: "+3600.000 s",
	} {
		if got := since(s); got != want {
			t.Errorf("since(%v) = %q, want %q", s, got, want)
		}
	}
}
