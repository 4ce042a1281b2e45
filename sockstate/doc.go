// Package sockstate is the vocabulary for what a kernel says about TCP sockets:
// connection states, the two sides of a load, a census of sockets by side and
// state, TCP_INFO, the kernel's counters, and the Source interface that every
// observer implements. It is portable; the observers below it need Linux.
package sockstate
