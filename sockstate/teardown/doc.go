// Package teardown holds close policies as values: who closes a connection first
// and how, how the other side reacts to it, which paths through the TCP states and
// which kernel counters that predicts, and how it is done to a socket.
package teardown
