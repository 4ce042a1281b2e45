// Package record holds the run record: the types of everything that a run found, and
// a codec. It is the only interface between measuring and reporting. It is portable
// and does no I/O, so that a saved record looks the same anywhere.
//
// Keys are a contract (schema lastack.run/v1): they are added freely, never renamed.
// Times are in seconds or microseconds, as the key's suffix says.
//
// To add something that a run finds, add a field to the type of its subject. Package bench (result.go, assemble.go, pressure.go, RecordHost)
// or bench/drain (record.go) fills it; bench/metric, bench/verdict and report read it. limit.go names what can limit a run.
package record
