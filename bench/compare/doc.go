// Package compare says what differs between two sets of records, how sure that is, and what may be the cause. It is pure: records in, a
// Comparison out, which JSON keeps; package report shows it.
//
// # What is compared
//
// A metric of the registry (package metric) has a value for each run, or for each try of a drain; those are the samples. Requests within a
// run are no samples: they share a host, a moment and a schedule, so that a million of them say little about the next run.
//
// # How a difference is told from noise
//
// By the exact Mann-Whitney U test (Mann and Whitney 1947; golang.org/x/perf/benchmath), which assumes nothing about how values spread. The
// interval of a difference is what the same test does not reject (Hodges and Lehmann 1963; Bauer 1972, Constructing confidence sets using rank
// statistics; Hollander, Wolfe and Chicken, Nonparametric Statistical Methods, 4.3), so that interval and p agree. The difference itself is
// that of the medians, which a reader can check; Row.Shift is the estimate that belongs to the interval.
//
// No metric is below 0, so a page shows ratios: the same interval of the values' logarithms, taken back. It is never below -100 %, and as the test
// sees only the order of values, which logarithms keep, it leaves out 0 exactly if the other one does. Rejected: the bounds of the difference over
// A's median, which said [-1230%, +5476%] of a latency that some runs of A had ten times higher.
//
// A table of a hundred rows would show five differences of nothing at 5 %, so p is corrected (Holm 1979, A simple sequentially rejective
// multiple test procedure): with a chance of at least 95 % no row of a table that compares the same with the same is called different. That
// has a price. With five runs a side the smallest p is 2/252 = 0.0079, and no row of forty could ever be called different, however large
// the difference. So the table is not one family of equals. Six metrics are primary, named here beforehand and not after a look at the
// values: they share 96 % of alpha, the others 4 %, by the weights of Holm's procedure. Five runs are then enough for the six,
// 0.05*0.96/6 = 0.0080. From seven or eight runs on the others get as large a share as they need to be decided, at most half. The weights
// keep the guarantee for the whole table, under any dependence between metrics, since they depend on no value.
// A metric that no arrangement of its values could tell from noise, like one that is 0 in all runs but one, is no hypothesis and costs the
// others nothing (Tarone 1990, A modified Bonferroni method for discrete data): that depends on the values of both sides together only.
//
// Rejected: correcting each family by itself, which doubles the false alarms; testing the others only once a primary metric differs, which
// hides a change of theirs alone; permuting whole runs (Westfall and Young 1993), which is stronger, but has the same bound at five runs a side.
//
// A row has both p-values. Undecided marks a row whose sides do not overlap, but with too few runs to be called different; Family.Need says how
// many it takes. A minimum is among the primary metrics: what else runs on a host only adds to a time, so that the minimum is
// disturbed the least (Chen and Revels 2016, Robust benchmarking in noisy environments).
//
// The guarantee is for runs that could have been swapped. If all of A were measured before B, a drift of the host is a difference too, so
// that is a finding, not_interleaved.
//
// A value that is a lower bound only, as a percentile is when requests had no reply in time, must differ at both ends of what it may be.
//
// # Thresholds
//
// A threshold takes the medians of both sides, and noise does not fail it: one that allows B to be worse, like lifecycle.p99<+5%, is missed if the
// medians miss it and the U test, one-sided at 5 %, says that B is worse at all; any other if that test excludes every difference that meets it. So a
// gate fails on the same build in at most 5 of 100 cases. Either way it says where the difference may be. Several thresholds of one comparison are
// corrected by Holm's procedure, so that any of them fails on the same build in at most 5 of 100 cases; if the runs are too few for that, each is tested
// at the least level that they reach, and Test.Thresholds says how many it takes. Rejected: asking whether the excess over the bound is
// more than noise, too, which let a slowdown of 10 % pass a bound of 5 % wherever runs differ by a few percent.
//
// With fewer than three runs a side there is no such test, and the medians decide. Of what should not happen and is counted, like lost requests, a
// threshold takes the mean, without allowance: one loss in five runs is one.
//
// # One run a side
//
// Nothing is known about noise then, so nothing is called different. A Shift describes the two histograms: some percentiles of both, as far
// as ten values are beyond them, and where the distributions are farthest apart (Kolmogorov's distance). It has no p: that of the
// Kolmogorov-Smirnov test assumes independent samples, see above.
//
// # Why
//
// Every setting of the records is compared, see settings. One that has no value in common between the sides may be a cause, and is listed in
// the order of places. One that differs within a side cannot be told from the side's spread: it is a finding, mixed_side, and the side is
// compared as it is. Different kinds, close policies and load models are refused, between the sides and within one, see likenesses.
package compare
