// Package loadgen generates the load: a Plan of groups, each a population of TCP
// connections with its own load model, exchange and close policy, becomes a Result
// in which every connection is accounted for.
package loadgen
