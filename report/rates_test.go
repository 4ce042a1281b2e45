package report

import (
	"strings"
	"testing"

	"lastack/bench/record"
)

// Those that were held when the last connection had been opened are completed, and no failing.
func TestRateOfHeld(t *testing.T) {
	run := record.Run{LoadS: 5, Result: record.Result{
		Connections: record.Connections{Scheduled: 1000, Attempted: 1000, Opened: 1000, Completed: 1000},
		Rate:        record.Rate{OpenedPerS: 200, CompletedPerS: 168, TargetPerS: 200},
	}}
	for _, tt := range []struct {
		name      string
		completed int64
		perS      float64
		want      string
	}{
		{"160 held to the end", 1000, 168, "completed 168.0/s while connections were opened; 160 more after that"},
		{"a few on their way", 1000, 199, "completed 199.0/s 99.50 %"},
		{"160 failed", 840, 168, "completed 168.0/s 84.00 %"},
	} {
		run.Connections.Completed, run.Rate.CompletedPerS = tt.completed, tt.perS
		if got := words(t, rates(&run)); !strings.Contains(got, tt.want) {
			t.Errorf("%s: want %q in\n%s", tt.name, tt.want, got)
		}
	}
}
