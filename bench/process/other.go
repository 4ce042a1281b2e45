//go:build !linux

package process

import (
	"errors"
	"net/netip"
	"syscall"
)

// ErrUnsupported is what starting and attaching return elsewhere.
var ErrUnsupported = errors.New("a server's process needs Linux")

// Process is the Linux version's.
type Process struct{}

// IsInit is false.
func IsInit() bool { return false }

// RunInit does nothing.
func RunInit() int { return 1 }

// Start needs Linux.
func Start(Spec) (*Process, error) { return nil, ErrUnsupported }

// Attach needs Linux.
func Attach(int) (*Process, error) { return nil, ErrUnsupported }

// PID is 0.
func (*Process) PID() int { return 0 }

// Own is false.
func (*Process) Own() bool { return false }

// Contained is empty.
func (*Process) Contained() (by Contain, reason string) { return "", ErrUnsupported.Error() }

// Started is 0.
func (*Process) Started() int64 { return 0 }

// Signal needs Linux.
func (*Process) Signal(syscall.Signal) error { return ErrUnsupported }

// Exited is nil.
func (*Process) Exited() <-chan struct{} { return nil }

// Exit is unknown.
func (*Process) Exit() Exit { return Exit{} }

// Gone is nil.
func (*Process) Gone() <-chan struct{} { return nil }

// Said is empty.
func (*Process) Said() string { return "" }

// Trouble is empty.
func (*Process) Trouble() string { return "" }

// Tree needs Linux.
func (*Process) Tree() ([]int, error) { return nil, ErrUnsupported }

// End does nothing.
func (*Process) End() error { return nil }

// LetGo does nothing.
func (*Process) LetGo() error { return nil }

// SignalAll needs Linux.
func (*Process) SignalAll(syscall.Signal) error { return ErrUnsupported }

// Halted needs Linux.
func (*Process) Halted() (bool, error) { return false, ErrUnsupported }

// Owns needs Linux.
func (*Process) Owns([]Listener) (Ownership, error) { return Ownership{}, ErrUnsupported }

// Daemon needs Linux.
func (*Process) Daemon([]Listener) (int, error) { return 0, ErrUnsupported }

// Name is empty.
func Name(int) string { return "" }

// Listening needs Linux.
func Listening(Sockets, netip.AddrPort) ([]Listener, error) { return nil, ErrUnsupported }

// Listeners needs Linux.
func Listeners(Sockets, netip.AddrPort) ([]Listener, error) { return nil, ErrUnsupported }

// Ports needs Linux.
func Ports(Sockets, []int) ([]netip.AddrPort, error) { return nil, ErrUnsupported }

// Owners finds none.
func Owners([]int, []uint64) map[uint64]int { return nil }
