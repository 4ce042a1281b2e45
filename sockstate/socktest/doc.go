// Package socktest is what the tests of several packages need around real sockets: network
// namespaces, listeners in them, and a guard against goroutines and descriptors left
// behind. Only tests import it.
package socktest
