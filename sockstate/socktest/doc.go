// Package socktest helps tests with real sockets: network namespaces, listeners in them, and
// a check for leaked goroutines and descriptors. Only tests import it.
package socktest
