//go:build !linux

package sockio

import (
	"net/netip"
	"time"

	"lastack/sockstate"
)

// NewEpoll needs Linux.
func NewEpoll(Config) (Loop, error) { return nil, sockstate.ErrNeedsLinux }

// openUring needs Linux.
func openUring(Config) (Loop, error) { return nil, sockstate.ErrNeedsLinux }

// ProbeRing needs Linux.
func ProbeRing() error { return sockstate.ErrNeedsLinux }

// RingMemory is 0: there are no rings.
func RingMemory(int, int, int, bool) (rings int, bytes int64) { return 0, 0 }

// Listen needs Linux.
func Listen(netip.AddrPort, ListenConfig) (*Listener, error) { return nil, sockstate.ErrNeedsLinux }

// Close needs Linux.
func (l *Listener) Close() error { return sockstate.ErrNeedsLinux }

// PreferCPU needs Linux.
func (l *Listener) PreferCPU(int) error { return sockstate.ErrNeedsLinux }

// RefuseSYNs needs Linux.
func (l *Listener) RefuseSYNs() error { return sockstate.ErrNeedsLinux }

// DropSYNs needs Linux.
func (l *Listener) DropSYNs() error { return sockstate.ErrNeedsLinux }

// QueueLength needs Linux.
func (l *Listener) QueueLength() (int, error) { return 0, sockstate.ErrNeedsLinux }

// AwaitDelivery needs Linux.
func AwaitDelivery() error { return sockstate.ErrNeedsLinux }

// AllowedCPUs needs Linux.
func AllowedCPUs() ([]int, error) { return nil, sockstate.ErrNeedsLinux }

// SetAffinity needs Linux.
func SetAffinity(int) error { return sockstate.ErrNeedsLinux }

// ThreadID is 0 where it is not known.
func ThreadID() int { return 0 }

// SchedShortSlice does nothing.
func SchedShortSlice() {}

// SchedBatch does nothing.
func SchedBatch() {}

// LocalPorts needs Linux.
func LocalPorts() (ports *PortSet, lo, hi uint16, err error) {
	return nil, 0, 0, sockstate.ErrNeedsLinux
}

// NarrowsPorts needs Linux.
func NarrowsPorts() bool { return false }

// MayBeICMP needs Linux.
func MayBeICMP(Errno) bool { return false }

// IsLocal needs Linux.
func IsLocal(netip.Addr) bool { return false }

// ThreadCPU is 0 where it is not known.
func ThreadCPU() int64 { return 0 }

// ProcessCPU is 0 where it is not known.
func ProcessCPU() int64 { return 0 }

// ThreadRun is 0 where it is not known.
func ThreadRun() (ran, waited int64, ok bool) { return 0, 0, false }

// Suspended is 0 where it is not known.
func Suspended() time.Duration { return 0 }
