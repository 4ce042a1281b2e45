// Package verify measures what a plan predicts. It runs the plan's load in sandboxes, with few local ports so that they run out within
// minutes, and puts what was measured beside what package model predicts of the same experiment:
//
//	model.Input (of the plan) ---+
//	                             +-- Resolve --> Setup (two experiments) -- Run --> record.CapacityVerified
//	setup.Facts (of the host) ---+
//
// Two experiments run side by side. One is below the first limit, for long enough that its populations are steady: they are averaged over the
// samples from then on. One is above it: when it is reached, what rate is left, and what a run's verdict calls it, without any help of the
// model.
//
// Before these, each alone, some measure what one host does: the rate with 1 to 64 connections at once, of which the last tells the CPU time of
// a lifecycle and all together how the rate grows (model.FitScaling), and the descriptors and the memory of connections that are held.
//
// An experiment has one source address, one target, and a part of the ports and of tcp_max_tw_buckets. What a plan needs is proportional to
// pairs of addresses, so that the residuals hold for many of them too, except for the CPU time.
package verify
