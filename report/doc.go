// Package report shows a finished run, and a run as it goes: a record.Run as text for
// people (100 columns, no colours) or as JSON for programs, and a stream of record.Interval as
// one row each. It reads nothing but bench/record, so that a saved record shows exactly as a live one, on
// any operating system and in any time zone.
package report
