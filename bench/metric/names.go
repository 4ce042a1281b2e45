package metric

import (
	"slices"

	"lastack/sockstate"
)

// latencyLeaves are what a latency has.
var latencyLeaves = []string{"min", "mean", "p50", "p90", "p95", "p99", "p999", "max", "count"}

// MetricNames lists what a threshold of a run may name, less what is open: other percentiles and the kernel's counters.
func MetricNames() []string {
	names := []string{"failed_ratio"}
	for _, name := range sockstate.LatencyNames() {
		for _, leaf := range latencyLeaves {
			names = append(names, name+"."+leaf)
		}
	}
	for _, f := range families() {
		for _, l := range f.leaves {
			names = append(names, f.name+"."+l.name)
		}
	}
	for _, class := range sockstate.StatusClassNames() {
		names = append(names, httpPrefix+class)
	}
	for _, o := range sockstate.LoadOutcomeNames() {
		names = append(names, "outcomes."+o)
	}
	return slices.DeleteFunc(names, func(name string) bool { _, _, ok := lookupMetric(name); return !ok })
}

// DrainMetricNames lists what a threshold of a drain may name.
func DrainMetricNames() []string {
	var names []string
	for _, m := range drainMetrics() {
		names = append(names, m.name)
	}
	for _, name := range []string{"connect", "exchange"} {
		for _, leaf := range latencyLeaves {
			names = append(names, name+"."+leaf)
		}
	}
	return names
}
