package process

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lastack/bench/host"
	"lastack/sockstate/clock"
)

// Spec is a program to start.
type Spec struct {
	// Args is the command. Args[0] is looked up in PATH unless it has a slash in it.
	Args []string
	// Contain is Auto if empty. A hook acts on others' processes and wants Group: see Hook.
	Contain Contain
	// Beside, if not nil, is an own process whose PID namespace this one shares, so that they see each other's numbers: for the second half
	// of a rolling restart, or "nginx -s reload". Contain is then ignored. The namespace lasts until both have been ended.
	Beside *Process
	// env is the environment, as KEY=VALUE; empty: this process's. LASTACK_* are left out.
	env []string
	// patience is how long the reaper tries to end what it has, and waits to be ended after that; 0: endTimeout.
	patience time.Duration
}

// Hook runs a shell command that acts on a server: on beside or, if that is nil, on another's.
func Hook(command string, beside *Process) Spec {
	return Spec{Args: []string{"/bin/sh", "-c", command}, Contain: Group, Beside: beside}
}

// Process is a server: an own one (Start), or another's (Attach). Its methods may be called concurrently.
type Process struct {
	own bool
	pid int
	// contain is how an own one is contained; reason is why not in a PID namespace.
	contain Contain
	reason  string

	exited, gone chan struct{}
	exit         Exit // when exited is closed
	trouble      atomic.Pointer[string]

	handle *handle

	// Of an own one:
	space  *space   // nil: not in a PID namespace
	ch     *channel // of its reaper
	child  *child   // the reaper, without a space
	reaper *handle  // the reaper, in a space
	out    *output
	told   chan struct{} // closed when the reaper has no more to say
	stuck  chan struct{} // closed when the reaper cannot end something
	mark   uint64        // RLIMIT_LOCKS of all that descends from it, 0 in a PID namespace

	orphaned error // valid when told is closed: what the death of the reaper led to

	given    atomic.Bool   // the channel ends because it was closed here
	patience time.Duration // of End: first with the reaper, then with what it has left
	ending   sync.Once
	endErr   error
}

// PID is the process's number in this process's PID namespace.
func (p *Process) PID() int { return p.pid }

// Own reports whether the process was started here.
func (p *Process) Own() bool { return p.own }

// Contained is how an own process is contained, and why not in a PID namespace. It is empty for another's.
func (p *Process) Contained() (by Contain, reason string) {
	if !p.own {
		return "", "it was not started by this run"
	}
	return p.contain, p.reason
}

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Exit is how it ended; it is zero until Exited is closed.
func (p *Process) Exit() Exit {
	if p.running() {
		return Exit{}
	}
	return p.exit
}

// running reports whether the number is still the process's.
func (p *Process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Gone is closed when an own process and all its descendants have ended or were let go, including daemons that forked away. The descendants
// of another's are not followed: Gone is closed with Exited.
func (p *Process) Gone() <-chan struct{} { return p.gone }

// Trouble is what delayed the news of an own process; it is empty if nothing did.
func (p *Process) Trouble() string {
	if s := p.trouble.Load(); s != nil {
		return *s
	}
	return ""
}

func (p *Process) setTrouble(format string, args ...any) {
	p.trouble.Store(new(fmt.Sprintf(format, args...)))
}

// Signal sends a signal to the process alone; 0 only asks whether that is allowed. The error is a *SignalError.
func (p *Process) Signal(sig syscall.Signal) error {
	if err := p.handle.signal(sig); err != nil {
		return &SignalError{PID: p.pid, Signal: sig, Own: isOwn(p.pid), Err: err}
	}
	return nil
}

// isOwn reports whether a process has the user of this one.
func isOwn(pid int) bool {
	var s unix.Stat_t
	return unix.Stat(fmt.Sprintf("/proc/%d", pid), &s) == nil && int(s.Uid) == os.Geteuid()
}

// Said is the end (16 KiB at most) of what an own process and its descendants have written to stdout and stderr.
func (p *Process) Said() string {
	if p.out == nil {
		return ""
	}
	return p.out.said()
}

// Attach opens a process that somebody else has started. The error is an *attachError: ESRCH if there is none. Signal(0) reports whether it
// may be signalled. End lets go of it.
func Attach(pid int) (*Process, error) {
	if pid <= 0 {
		return nil, &attachError{PID: pid, Err: unix.ESRCH}
	}
	host.SealDescriptors()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, &attachError{PID: pid, Err: err}
	}
	h, err := newHandle(fd)
	if err != nil {
		return nil, &attachError{PID: pid, Err: err}
	}
	p := &Process{pid: pid, handle: h, exited: make(chan struct{}), gone: make(chan struct{})}
	go func() {
		if h.wait() != nil {
			return // let go
		}
		at := clock.Now()
		p.exit = h.exit()
		p.exit.At = at
		close(p.exited)
		close(p.gone)
	}()
	return p, nil
}
