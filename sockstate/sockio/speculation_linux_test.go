package sockio

import "testing"

func TestEarliness(t *testing.T) {
	type look struct {
		times int
		over  bool // what each look finds
		looks int  // how many of so many are worthwhile
	}
	tests := map[string][]look{
		"loopback":                  {{1000, true, 1000}},
		"network":                   {{earlyMisses, false, earlyMisses}, {earlySkips - 1, false, 0}, {1, false, 1}, {10 * earlySkips, false, 10}},
		"network, then loopback":    {{earlyMisses + earlySkips - 1, false, earlyMisses}, {500, true, 500}},
		"a miss now and then":       {{earlyMisses - 1, false, earlyMisses - 1}, {1, true, 1}, {earlyMisses - 1, false, earlyMisses - 1}, {1, true, 1}},
		"loopback, then network":    {{100, true, 100}, {100, false, earlyMisses}},
		"network, found once early": {{earlyMisses, false, earlyMisses}, {earlySkips, true, 1}, {earlyMisses, false, earlyMisses}, {1, false, 0}},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			var e speculation
			for i, step := range steps {
				looks := 0
				for range step.times {
					if !e.worthwhile() {
						continue
					}
					looks++
					if got := e.note(step.over); got != step.over {
						t.Fatalf("note(%v) returned %v", step.over, got)
					}
				}
				if looks != step.looks {
					t.Errorf("step %d: looked %d times of %d; want %d", i, looks, step.times, step.looks)
				}
			}
		})
	}
}
