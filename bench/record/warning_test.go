package record

import "testing"

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
