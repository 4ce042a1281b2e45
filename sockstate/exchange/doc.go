// Package exchange holds the bytes that a connection carries before it is closed, as
// values: none, an echo of fixed sizes, or HTTP/1.1 requests; both ends of each.
package exchange
