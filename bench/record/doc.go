// Package record holds the run record: everything that a run found, as types and
// a codec. It is the only seam between measuring and showing: it imports nothing
// of lastack but vocabulary, and needs neither Linux nor I/O, so that a saved record renders anywhere
// exactly as a live one.
//
// Keys are a contract (schema lastack.run/v1): added freely, never renamed.
// Times are seconds or microseconds as the key's suffix says.
//
// To add what a run finds, add a field to the type of its subject. Package bench (result.go, assemble.go, pressure.go, RecordHost) or
// bench/drain (record.go) fills it; bench/metric, bench/verdict and report read it. What can bind a run is a name in limit.go.
package record
