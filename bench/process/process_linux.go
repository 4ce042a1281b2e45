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

// held is what a process is held by.
type held struct {
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

	orphaned error // when told is closed: what came of the reaper's death

	given    atomic.Bool   // the channel ends because it was closed here
	patience time.Duration // of End: first with the reaper, then with what it has left
	ending   sync.Once
	endErr   error
}

// Signal sends a signal to the process alone; 0 asks only whether that would be allowed. The error is a
// *SignalError.
func (p *Process) Signal(sig syscall.Signal) error {
	if err := p.handle.signal(sig); err != nil {
		return &SignalError{PID: p.pid, Signal: sig, Own: isOwn(p.pid), Err: err}
	}
	return nil
}

// isOwn reports whether a process is seen to have this one's user.
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

// Attach holds a process that was started by somebody else. The error is an *attachError: ESRCH if there is
// none. Whether it may be signalled Signal(0) tells. End lets go of it.
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
	p := &Process{pid: pid, held: held{handle: h}, exited: make(chan struct{}), gone: make(chan struct{})}
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
