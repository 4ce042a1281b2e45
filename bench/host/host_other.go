//go:build !linux

package host

import (
	"context"
	"fmt"
	"io"
	"runtime"

	"go4.org/netipx"

	"lastack/sockstate"
)

func unsupported() error { return fmt.Errorf("%w (this is %s)", sockstate.ErrNeedsLinux, runtime.GOOS) }

// Read needs Linux.
func Read() (*Facts, error) { return nil, unsupported() }

// ReadCgroupUse reads nothing.
func ReadCgroupUse() CgroupUse { return CgroupUse{} }

// Workers is the number of CPUs.
func Workers() int { return runtime.NumCPU() }

// Probe needs Linux.
func Probe(context.Context, Options) (*Features, error) { return nil, unsupported() }

// Proof needs Linux.
func Proof(w io.Writer) int {
	fmt.Fprintln(w, unsupported())
	return 1
}

// CheckThreads finds no limit.
func CheckThreads(int64) error { return nil }

// Broadcasts returns the broadcast addresses that every host has.
func Broadcasts() *netipx.IPSet { return broadcastsOf(nil) }
