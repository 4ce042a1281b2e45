// Package metric reads named numbers from a record: it is the one place that knows their names and units, and what a threshold on one
// of them means.
package metric
