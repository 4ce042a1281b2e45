//go:build !linux

package host

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"go4.org/netipx"

	"lastack/sockstate"
)

func unsupported() error { return fmt.Errorf("%w (this is %s)", sockstate.ErrNeedsLinux, runtime.GOOS) }

// Read needs Linux.
func Read() (*Facts, error) { return nil, unsupported() }

// Probe needs Linux.
func Probe(context.Context, string) (*Features, error) { return nil, unsupported() }

// Proof does nothing.
func Proof() {}

// CheckThreads finds no limit.
func CheckThreads(int64) error { return nil }

// Broadcasts returns the broadcast addresses that every host has.
func Broadcasts() *netipx.IPSet { return broadcastsOf(nil) }

// ReserveSpace does nothing.
func ReserveSpace(*os.File, int) error { return nil }

// CheckPrivileges finds nothing.
func CheckPrivileges() error { return nil }

// KeepCapabilities does nothing.
func KeepCapabilities(...[]string) {}

// WithoutCapabilities calls f.
func WithoutCapabilities(f func() error) error { return f() }
