// Package server is the target: it accepts, takes its part of the exchange and of
// the teardown as configured, and keeps a ledger of its own.
package server
