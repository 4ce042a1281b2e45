// Package observe watches a load from outside: it chooses the source of the census, and
// reads the kernel's counters and gauges, the CPU time of those who take part, and what all
// this costs.
//
//	            New: which source works in these namespaces?
//	                 |
//	Sample ----------+-- census: sock_diag, or /proc/net/tcp     every interval
//	                 +-- gauges: sockstat, fds, conntrack ...
//	Counters, CPU, PSI, Slabs: cumulative, read before and after
//
// What belongs to a network namespace is read through descriptors opened inside it, so
// that it is the right namespace's whichever thread reads.
//
// To add an observer: one that counts sockets is a line in Sources, before those that are worse, and implements sockstate.Source; one that
// traces what happens implements Tracer, and bench.Run hands it to New; what is cumulative or a gauge is read in counters.go and gauges_linux.go.
package observe
