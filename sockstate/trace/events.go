package trace

import "lastack/sockstate"

// Event is one change of a TCP socket's state, as the tracepoint inet_sock_set_state has it: TIME_WAIT is the CLOSED of a socket in FIN_WAIT_2
// or CLOSING, and what a minisocket does is not among them.
type Event struct {
	// At is on CLOCK_MONOTONIC in nanoseconds (bpf_ktime_get_ns).
	At int64
	// Namespace is the index of that of Watch.
	Namespace int
	Old, New  sockstate.State
}

// MaxEvents is how many events a watch holds. Those after them are lost, and Events.Read says how many.
const MaxEvents = 1024
