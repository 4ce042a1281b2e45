package record

import (
	"slices"
	"testing"
)

func TestOutcomes(t *testing.T) {
	names := OutcomeNames()
	if len(names) != 17 {
		t.Errorf("%d outcomes, want the 17 of the design", len(names))
	}
	for _, n := range names {
		if ClassOf(n) == ClassUnknown {
			t.Errorf("%s has no class", n)
		}
	}
	slices.Sort(names)
	if len(slices.Compact(names)) != 17 {
		t.Error("an outcome is listed twice")
	}
	if ClassOf("ECONNRESET") != ClassUnknown {
		t.Error("an error string is an outcome")
	}
}

func TestSplitWarning(t *testing.T) {
	tests := []struct{ in, key, text string }{
		{"latency.lag: p99 is 40 ms: the generator", "latency.lag", "p99 is 40 ms: the generator"},
		{"connections: some were capped", "connections", "some were capped"},
		{"the census: slow", "", "the census: slow"},
		{"sysctl: refused", "", "sysctl: refused"},
		{"plain", "", "plain"},
		{": x", "", ": x"},
	}
	for _, tt := range tests {
		if key, text := SplitWarning(tt.in); key != tt.key || text != tt.text {
			t.Errorf("%q: got %q, %q", tt.in, key, text)
		}
	}
}
