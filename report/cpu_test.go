package report

import (
	"strings"
	"testing"

	"lastack/bench/record"
)

// Ticks of 10 ms are no shares of a run of 6 ms.
func TestCPUOfAShortRun(t *testing.T) {
	for _, tt := range []struct {
		elapsed float64
		shares  bool
	}{{0.00614, false}, {0.199, false}, {0.2, true}, {10, true}} {
		r := record.Run{}
		r.Pressure.CPU = record.CPU{CPUs: 2, ElapsedS: tt.elapsed, GeneratorS: 0.004, GeneratorBusiest: 0.5, SystemS: 0.01, UserS: 0.02}
		out := words(t, cpu(&r))
		if got := strings.Contains(out, " %"); got != tt.shares {
			t.Errorf("%v s: shares %v, want %v:\n%s", tt.elapsed, got, tt.shares, out)
		}
		if got := strings.Contains(out, "too short to tell shares"); got == tt.shares {
			t.Errorf("%v s: called too short %v:\n%s", tt.elapsed, got, out)
		}
		r.Observer.Census, r.Observer.Cost = "diag", record.Cost{Samples: 2, CPUS: 0.0018, LongestMs: 2.8}
		out = words(t, observer(&r))
		if got := strings.Contains(out, "of the machine"); got != tt.shares {
			t.Errorf("%v s: the observer's share told %v, want %v:\n%s", tt.elapsed, got, tt.shares, out)
		}
	}
}
