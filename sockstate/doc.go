// Package sockstate holds the vocabulary for a kernel's TCP sockets: connection
// states, the two sides of a load, a census of sockets by side and state, TCP_INFO,
// the kernel's counters, outcomes, and the Source interface that every observer
// implements. It is portable; the packages below it need Linux.
package sockstate
