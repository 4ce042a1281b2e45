// Package teardown holds close policies as values: who closes a connection first
// and how, and how the other side reacts. It predicts the paths through the TCP states
// and the kernel counters, and applies a policy to a socket.
//
// To add a close policy, add a How with its name in policy.go, its prediction in predict.go, and its operations in apply.go.
// The command line, help, records and accounting follow from these.
package teardown
