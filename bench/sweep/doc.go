// Package sweep orders the runs of a grid of settings, and says which settings have an effect. It is pure: package grid has the runs.
//
// # Blocks
//
// Every cell runs once in each block, the base twice, in an order drawn anew (Order). What the machine does meanwhile, a block adds to all of its
// cells, so differences are taken inside blocks, and a drift from block to block cancels out (Fisher 1935, The Design of Experiments). The two
// runs of the base are an A/A pair: if they differ by more than one sweep in a hundred does by chance, something is wrong with the
// experiment, and nothing is claimed of that metric, or, if it is the first, of any.
//
// # What is compared
//
// One run gives one value of a metric; requests within a run are no samples, see package compare. Positive metrics are compared by their
// logarithms: a difference is a ratio, its interval never falls below -100 %, a factor of 40 is no outlier, and noise is mostly in
// proportion. A metric that is 0 or less in some run is compared by its values.
//
// The model is the additive one of blocks: value = cell + block + noise, fitted by least squares. If runs are missing, since a cell crashed, or
// the sweep was interrupted, the fit uses those that there are; cells that no block connects with the base have no difference to it. Then each
// question is a weighted sum of the cells' means whose weights add up to 0:
//
//   - a cell: against the base;
//   - a level of a factor: against the factor's first, averaged over all combinations of the other factors' levels;
//   - a pair of levels of two factors: what both do together beyond what each does by itself (their interaction).
//
// # How a difference is told from noise
//
// By Student's t. With five blocks a test by ranks or signs within one cell cannot reach 5 %, its smallest p is 2/32, let alone after a correction
// for tens of tests. Student's can, since all cells together tell how much runs of one cell differ: with nine cells and five blocks there
// are 37 degrees of freedom, not 4. That is right only if all are alike. A cell that is much noisier than the others is left out of the common
// spread, and a difference whose own blocks spread unlike what is common, less or more, is judged by its own. As a smaller spread
// may be chance, p is raised there (see estimate.p).
//
// All tests of a sweep, of all metrics, are one family, corrected by Holm's procedure (package stat): with a chance of 95 % nothing is claimed
// that is not so. Of several metrics the first has half of alpha, since the sweep is about that one. Values that are all the same are no
// hypothesis and cost the others nothing (Tarone 1990).
//
// Student's test trusts in noise that is close to normal. So nothing at all is claimed unless a randomisation test of the whole sweep agrees
// (gate): the schedule drew which run of a block was which cell's, and any other draw was as likely, so if no factor has an effect, its p
// is exact for all noise there is: heavy tails, drift, runs that resemble their neighbours. For the same reason no p is smaller than the
// share of draws that could be as extreme.
//
// The tests (simulated_test.go) replay noise recorded on two busy CPUs and worse: of 20,000 sweeps without an effect 1.4 % claim one (and of
// 50 true ones, of tcp_rfc1337 and tcp_fin_timeout under a load that resets its connections, none). A change by
// 5 % with 10 blocks is found in 98 % of sweeps and more where runs of one cell spread by 2 % (rate.completed and lifecycle.min of open loops), in
// 95 % where they spread by 3 %.
//
// Searches for a rate take minutes, so that there are one or two blocks, too few to shuffle. But each search has bounds: the rate below was sustained,
// the one above was not. A difference of rates found is claimed without the randomisation test, if no rates within the bounds of all searches of its
// cells could undo it (see differ.searched). What is apart, but by too few runs to be called a difference, is shown as that.
//
// The interval of a difference is that of its own test, at 95 %, by itself. The interval of a cell's median is that of order statistics
// (golang.org/x/perf/benchmath): it includes what differs from block to block. With fewer than six runs it is the range, with the confidence that
// the range has. A rate found by a search is not known better than the search was fine.
//
// A factor whose levels are numbers has a slope too, with an interval by a bootstrap of the cells' residuals (see slope.go): of simulated sweeps 93 to 96 %
// of those intervals hold the true slope. It is a description, and no claim.
//
// Rejected: the bootstrap over blocks, as five blocks have 126 different samples, whose intervals are too short; permuting whole runs for each test by
// itself (Westfall and Young 1993), which needs the effects of all others to be 0; a table of medians without a test.
package sweep
