// Package host finds out what this host is and what it allows. Read reads its limits,
// sysctls and privileges, Probe tries each kernel feature for real, and Judge, a pure
// function, says what both mean for a load.
//
// Nothing here changes the host: Probe writes only in a temporary network namespace.
//
// To add a fact, add a field to Facts and read it in facts_linux.go; a feature that must be tried belongs in probe_linux.go. Judge says
// what it means, bench.RecordHost copies what a record keeps, and setup.Resolve decides by what setup.Facts holds.
package host
