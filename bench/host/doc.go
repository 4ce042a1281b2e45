// Package host says what this host is and what it allows: its limits, sysctls,
// privileges and kernel features, each feature tried for real, and what that means
// for a load. Facts are read (Read), features are tried (Probe), and both are judged
// by a pure function (Judge); Check does all three.
//
// Nothing here changes the host: what has to be written to be tried is written in a
// network namespace made for it and gone afterwards.
//
// To add a fact, add a field to Facts and read it in facts_linux.go; a feature that must be tried goes to probe_linux.go. Judge says what
// it means, bench.RecordHost copies what a record keeps, and setup.Resolve decides by what setup.Facts holds.
package host
