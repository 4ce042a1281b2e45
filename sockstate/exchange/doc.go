// Package exchange holds what a connection says before it is closed, as values:
// nothing, an echo of fixed sizes, or HTTP/1.1 requests; both ends of each.
package exchange
