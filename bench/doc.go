// Package bench composes experiments: a load, a server and the observers around
// them, in a sandbox or not, into a run record.
//
//	setup.Setup -> Run:  observers' baseline > server > load > [settle] > counters > record
//	                              every interval: a snapshot of the load and a census
package bench
