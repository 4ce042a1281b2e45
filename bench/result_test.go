package bench

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
)

// Counts of HTTP and of what was no reply come into the record.
func TestResultOfHTTP(t *testing.T) {
	g := loadgen.GroupResult{Latency: loadgen.Latencies{}}
	for i := range g.Latency {
		g.Latency[i] = record.NewHistogram()
	}
	g.Ledger.Statuses = sockstate.Statuses{1, 2, 3, 4, 5, 0}
	g.Ledger.Faults[sockstate.FaultTLS], g.Examples[sockstate.FaultTLS] = 7, "TLS, not plain HTTP"
	r, err := Result(&g, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int64{"invalid": 1, "1xx": 2, "2xx": 3, "3xx": 4, "4xx": 5}, r.HTTP); diff != "" {
		t.Errorf("http (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int64{"tls": 7}, r.ExchangeErrors); diff != "" {
		t.Errorf("exchange_errors (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"tls": "TLS, not plain HTTP"}, r.ExchangeExamples); diff != "" {
		t.Errorf("exchange_examples (-want +got):\n%s", diff)
	}
}

func TestTargetRate(t *testing.T) {
	open := func(from, to float64) loadgen.Group { return loadgen.Group{RateFrom: from, RateTo: to} }
	tests := []struct {
		name      string
		p         loadgen.Plan
		g         loadgen.Group
		scheduled int64
		want      float64
	}{
		{"closed loop", loadgen.Plan{Duration: time.Second}, loadgen.Group{Connections: 64}, 0, 0},
		{"one rate", loadgen.Plan{Duration: 10 * time.Second}, open(2000, 2000), 20_000, 2000},
		{"rising", loadgen.Plan{Duration: 10 * time.Second}, open(1000, 3000), 20_000, 2000},
		{"half of it a ramp", loadgen.Plan{Duration: 10 * time.Second, Ramp: 5 * time.Second}, open(2000, 2000), 15_000, 1500},
		{"until a count", loadgen.Plan{Count: 100}, open(2000, 2000), 100, 2000},
		{"until a count, at most", loadgen.Plan{Count: 100, Duration: time.Minute}, open(2000, 2000), 100, 2000},
		{"a plateau's opening", loadgen.Plan{}, loadgen.Group{RateFrom: 100, RateTo: 100, Connections: 10, Plateau: time.Second}, 10, 0},
	}
	for _, tt := range tests {
		if got := target(&tt.p, &tt.g, tt.scheduled); got != tt.want {
			t.Errorf("%s: %v/s, want %v", tt.name, got, tt.want)
		}
	}
}
