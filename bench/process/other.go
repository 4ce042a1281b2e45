//go:build !linux

package process

import (
	"net/netip"
	"syscall"

	"lastack/sockstate"
)

type held struct{}

// IsInit is false.
func IsInit() bool { return false }

// RunInit does nothing.
func RunInit() int { return 1 }

// Start needs Linux.
func Start(Spec) (*Process, error) { return nil, sockstate.ErrNeedsLinux }

// Attach needs Linux.
func Attach(int) (*Process, error) { return nil, sockstate.ErrNeedsLinux }

// Signal needs Linux.
func (*Process) Signal(syscall.Signal) error { return sockstate.ErrNeedsLinux }

// Said is empty.
func (*Process) Said() string { return "" }

// Tree needs Linux.
func (*Process) Tree() ([]int, error) { return nil, sockstate.ErrNeedsLinux }

// End does nothing.
func (*Process) End() error { return nil }

// LetGo does nothing.
func (*Process) LetGo() error { return nil }

// SignalAll needs Linux.
func (*Process) SignalAll(syscall.Signal) error { return sockstate.ErrNeedsLinux }

// Halted needs Linux.
func (*Process) Halted() (bool, error) { return false, sockstate.ErrNeedsLinux }

// Owns needs Linux.
func (*Process) Owns([]Listener) (Ownership, error) { return Ownership{}, sockstate.ErrNeedsLinux }

// Daemon needs Linux.
func (*Process) Daemon([]Listener) (int, error) { return 0, sockstate.ErrNeedsLinux }

// Listeners needs Linux.
func Listeners(Sockets, netip.AddrPort) ([]Listener, error) { return nil, sockstate.ErrNeedsLinux }

// Ports needs Linux.
func Ports(Sockets, []int) ([]netip.AddrPort, error) { return nil, sockstate.ErrNeedsLinux }

// Owners finds none.
func Owners([]int, []uint64) map[uint64]int { return nil }
