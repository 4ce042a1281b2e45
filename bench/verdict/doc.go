// Package verdict says what bound a run, whether the result is a statement about the target, and what would help: a pure function of
// one record, on any operating system.
package verdict
