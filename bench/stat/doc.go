// Package stat has the statistics that bench/compare and bench/sweep share. Medians, their intervals and the U test are those of
// golang.org/x/perf/benchmath.
package stat
