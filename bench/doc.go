// Package bench runs a load against a server, observes both, and makes the run
// record.
//
//	setup.Setup -> Run:  observers' baseline > server > load > [settle] > counters > record
//	                              every interval: a snapshot of the load and a census
package bench
