// Package teardown holds close policies as values: who closes a connection first
// and how, how the other side reacts to it, which paths through the TCP states and
// which kernel counters that predicts, and how it is done to a socket.
//
// To add a close policy, give it a How and its name in policy.go, what it predicts in predict.go, and what it does to a socket in apply.go.
// The command line, help, records and accounting take it from there.
package teardown
