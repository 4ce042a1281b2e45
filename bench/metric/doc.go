// Package metric reads named numbers from a record: it is the one place that knows their names and units, and what a threshold on one
// of them means.
//
// To add a metric, add it to the list of its subject: run.go and latency.go have those of runs, drain.go those of drains. Thresholds,
// spreads over tries, completion and lastack help metrics then know it.
package metric
