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
		"network":                   {{maxMisses, false, maxMisses}, {retryEvery - 1, false, 0}, {1, false, 1}, {10 * retryEvery, false, 10}},
		"network, then loopback":    {{maxMisses + retryEvery - 1, false, maxMisses}, {500, true, 500}},
		"a miss now and then":       {{maxMisses - 1, false, maxMisses - 1}, {1, true, 1}, {maxMisses - 1, false, maxMisses - 1}, {1, true, 1}},
		"loopback, then network":    {{100, true, 100}, {100, false, maxMisses}},
		"network, found once early": {{maxMisses, false, maxMisses}, {retryEvery, true, 1}, {maxMisses, false, maxMisses}, {1, false, 0}},
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
