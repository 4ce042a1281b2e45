// Package observe watches a load from outside: it chooses the source of the census, and
// reads the kernel's counters and gauges, the CPU time of load and server, and its own cost.
//
//	            New: which source works in these namespaces?
//	                 |
//	Sample ----------+-- census: sock_diag, or /proc/net/tcp     every interval
//	                 +-- gauges: sockstat, fds, conntrack ...
//	Counters, CPU, PSI, Slabs: cumulative, read before and after
//
// Files of a network namespace are opened inside it, so any thread may read them.
//
// To add an observer: one that counts sockets implements sockstate.Source and has a line in Sources, before the worse ones. One that
// traces events implements Tracer, as BPF does, and bench passes it to StartTrace. Counters and gauges are read in counters.go and gauges_linux.go.
package observe
