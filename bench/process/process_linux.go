package process

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

// endTimeout bounds the time until what was killed has ended.
const endTimeout = 10 * time.Second

// Process is a server, one's own (Start) or another's (Attach). Its methods may be called concurrently.
type Process struct {
	own     bool
	pid     int
	reason  string
	started int64
	handle  *handle

	exited, gone chan struct{}
	exit         Exit // when exited is closed

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
	trouble  atomic.Pointer[string]

	given    atomic.Bool   // the channel ends because it was closed here
	patience time.Duration // of End: first with the reaper, then with what it has left
	ending   sync.Once
	endErr   error
}

// PID is the process's number in this process's PID namespace.
func (p *Process) PID() int { return p.pid }

// Own tells that the process was started here.
func (p *Process) Own() bool { return p.own }

// Contained is how the process's descendants are kept from outliving it, empty for one that is not one's own,
// and why that is not a PID namespace.
func (p *Process) Contained() (by Contain, reason string) {
	switch {
	case !p.own:
		return "", "it was not started by this run"
	case p.space != nil:
		return PIDNamespace, ""
	}
	return Group, p.reason
}

// Started is when the program was seen to be executed, on the clock of clock.Now; 0 for one that is not one's own.
func (p *Process) Started() int64 { return p.started }

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

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Exit is how it ended; it is zero until Exited is closed.
func (p *Process) Exit() Exit {
	select {
	case <-p.exited:
		return p.exit
	default:
		return Exit{}
	}
}

// Gone is closed when the last descendant of an own process has ended too, daemons that forked away included, or was let
// go. What descends from another's is not followed: Gone is closed with Exited.
func (p *Process) Gone() <-chan struct{} { return p.gone }

// Said is the end (16 KiB at most) of what an own process and its descendants have written to stdout and stderr.
func (p *Process) Said() string {
	if p.out == nil {
		return ""
	}
	return p.out.said()
}

// Tree lists the process and all its descendants that live, parents before children, by their numbers in /proc. Daemons
// that forked away from an own process are among them. It needs no privilege, unless /proc hides others' processes
// (hidepid).
func (p *Process) Tree() ([]int, error) {
	tree, err := p.tree()
	return numbers(tree), err
}

func (p *Process) tree() ([]one, error) {
	all, err := snapshot()
	if err != nil {
		return nil, err
	}
	return p.within(all), nil
}

// within is the tree in a snapshot.
func (p *Process) within(all []one) []one {
	if r := p.reaperPID(); r != 0 {
		return below(all, r)
	}
	i := slices.IndexFunc(all, func(o one) bool { return o.pid == p.pid })
	if i < 0 || !p.running() {
		return nil
	}
	return append([]one{all[i]}, below(all, p.pid)...)
}

// SignalAll sends a signal to the process and all its descendants, parents before children. Those that have ended
// meanwhile do not count. The error is a *SignalError for each that may not be signalled.
func (p *Process) SignalAll(sig syscall.Signal) error {
	tree, err := p.tree()
	errs := []error{err}
	for _, o := range tree {
		if err := o.signal(sig); err != nil && !errors.Is(err, unix.ESRCH) {
			errs = append(errs, &SignalError{PID: o.pid, Signal: sig, Own: isOwn(o.pid), Err: err})
		}
	}
	return errors.Join(errs...)
}

// running tells that the number is still the process's.
func (p *Process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// reaperPID is 0 when the reaper has nothing left.
func (p *Process) reaperPID() int {
	if !p.own {
		return 0
	}
	select {
	case <-p.told:
		return 0
	default:
	}
	if p.child != nil {
		return p.child.cmd.Process.Pid
	}
	return p.reaper.pid
}

// listen is told by the reaper and by the pidfd, which knows of the end first.
func (p *Process) listen() {
	defer close(p.told)
	ended := make(chan struct{})
	var at int64
	go func() {
		defer close(ended)
		if p.handle.wait() == nil {
			at = clock.Now()
		}
	}()
	var once sync.Once
	finish := func(e Exit) {
		once.Do(func() {
			<-ended
			if e.At = at; at == 0 {
				e.At = clock.Now()
			}
			p.exit = e
			close(p.exited)
		})
	}
	go func() {
		if <-ended; at != 0 {
			p.mindReaper(finish)
		}
	}()
	exited := false
	for {
		var r reply
		err := p.ch.receive(&r)
		switch {
		case r.Exit != nil && !exited:
			exited = true
			finish(exitOf(*r.Exit))
			continue
		case r.LetGo:
			return
		case r.Stuck:
			close(p.stuck)
			continue
		case err == nil && !r.Gone:
			continue
		case err == nil:
			close(p.gone)
			return
		}
		// Somebody has killed the reaper. The server dies with it (PDEATHSIG, which a set-user-ID program is without),
		// what forked away may not.
		if !exited && !p.given.Load() {
			_ = p.handle.signal(unix.SIGKILL) // it may have died already
		}
		if p.space == nil && !p.given.Load() {
			p.orphaned = p.endOrphans(!exited)
		}
		if !exited {
			finish(p.handle.exit())
		}
		return
	}
}

func exitOf(s syscall.WaitStatus) Exit {
	if s.Signaled() {
		return Exit{Known: true, Signal: s.Signal()}
	}
	return Exit{Known: true, Code: s.ExitStatus()}
}

// A reaper says within a moment how the server ended. One that is stopped does not.
const (
	reaperPoll   = 100 * time.Millisecond
	reaperAtMost = 5 * time.Second
)

// mindReaper sees to it that the end of a process, which its pidfd has told, is known soon, whatever its reaper does.
func (p *Process) mindReaper(finish func(Exit)) {
	clock := time.NewTicker(reaperPoll)
	defer clock.Stop()
	for limit := time.Now().Add(reaperAtMost); ; {
		select {
		case <-p.exited:
			return
		case <-p.told:
			return
		case <-clock.C:
		}
		p.wakeReaper()
		if time.Now().After(limit) {
			p.setTrouble("its reaper (process %d of lastack's own) did not say how it ended", p.reaperPID())
			finish(Exit{})
			return
		}
	}
}

// wakeReaper continues a reaper that somebody has stopped.
func (p *Process) wakeReaper() {
	pid := p.reaperPID()
	if pid == 0 || !stopped(pid) {
		return
	}
	p.setTrouble("somebody had stopped its reaper (process %d, of lastack's own) with SIGSTOP, without which its end is not known: it was continued, so that the end may be told late", pid)
	// Both fail only if it has ended.
	if p.child != nil {
		_ = p.child.cmd.Process.Signal(unix.SIGCONT)
	} else {
		_ = p.reaper.signal(unix.SIGCONT)
	}
}

func (p *Process) setTrouble(format string, args ...any) {
	p.trouble.Store(new(fmt.Sprintf(format, args...)))
}

// Trouble is what kept this process from knowing about an own one in time, empty if nothing did.
func (p *Process) Trouble() string {
	if s := p.trouble.Load(); s != nil {
		return *s
	}
	return ""
}

// End kills what is left of an own process and its descendants and waits until it is gone; Exited and Gone are closed
// then. Of another's it lets go, and kills nothing. It may be called more than once; nothing can be asked of the process
// afterwards but how it ended and what it said. The error is an *EndError: it comes when a process cannot die, and as
// ErrReaperKilled when some may have escaped.
func (p *Process) End() error {
	p.ending.Do(func() { p.endErr = p.end() })
	return p.endErr
}

func (p *Process) end() error {
	if !p.own {
		return p.handle.close()
	}
	// The reaper takes the end of what it is told for the order.
	_ = p.ch.conn.CloseWrite() // it may be gone
	var left []one
	select {
	case <-p.told:
	case <-p.stuck:
	case <-time.After(min(p.patience, reaperPoll)):
		if p.patience > 0 {
			p.wakeReaper()
		}
	}
	select {
	case <-p.told:
	case <-p.stuck:
		left = p.endRest()
	case <-time.After(p.patience): // the reaper does nothing
		left = p.endRest()
	}
	var err error
	if p.space != nil {
		err = p.space.leave()
		_ = p.reaper.close()
		if now, terr := p.tree(); terr == nil {
			left = now // the namespace takes it along, if this was its last user
		}
	} else if len(left) == 0 {
		err = within(endTimeout, "the reaper", p.child.ended)
	}
	p.given.Store(true)
	p.ch.close()
	_ = p.handle.close()
	<-p.told
	p.out.close()
	p.closeGone()
	if len(left) > 0 {
		err = errors.Join(fmt.Errorf("they live %v after SIGKILL: %w", p.patience, os.ErrDeadlineExceeded), err)
	}
	if err != nil {
		return &EndError{Left: numbers(left), Err: err}
	}
	return p.orphaned
}

// endRest kills what the reaper has not ended, and then the reaper. It returns what lives still: the reaper is spared then, so
// that it has not escaped.
func (p *Process) endRest() []one {
	for limit := time.Now().Add(p.patience); ; time.Sleep(time.Millisecond) {
		left, err := p.tree()
		if err == nil && len(left) == 0 {
			break
		}
		if time.Now().After(limit) {
			return left
		}
		for _, o := range left {
			_ = o.signal(unix.SIGKILL) // what lives is returned
		}
	}
	p.given.Store(true)
	// Both fail only if it has ended.
	if p.child != nil {
		_ = p.child.cmd.Process.Kill()
	} else {
		_ = p.reaper.signal(unix.SIGKILL)
	}
	_ = within(endTimeout, "the reaper", p.told) // it had nothing left to tell
	return nil
}

// LetGo gives up an own process that has exited, and kills nothing: what it has left running, as a hook leaves the daemon that
// it restarts, lives on as a child of init. What that writes to stdout and stderr is read for as long as this process
// lives; afterwards it is refused (EPIPE, SIGPIPE). Gone is closed, and End has nothing left to do.
//
// The error is ErrRunning if the process has not exited, and ErrInNamespace if what is left cannot outlive its PID
// namespace; nothing has been done then, and End is still to be called. It is an *EndError if the reaper did not end.
// Another's process is let go at any time.
func (p *Process) LetGo() error {
	switch {
	case !p.own:
		return p.End()
	case p.space != nil:
		return fmt.Errorf("process %d: %w", p.pid, ErrInNamespace)
	case p.running():
		return fmt.Errorf("process %d: %w", p.pid, ErrRunning)
	}
	p.ending.Do(func() { p.endErr = p.letGo() })
	return p.endErr
}

func (p *Process) letGo() error {
	_ = p.ch.send(request{LetGo: true}) // the reaper may have gone
	err := within(p.patience, "the reaper", p.child.ended)
	p.given.Store(true)
	p.ch.close()
	_ = p.handle.close()
	<-p.told
	p.out.release()
	p.closeGone()
	if err != nil {
		return &EndError{Err: err}
	}
	return p.orphaned
}

// closeGone is for when nobody is left that could tell.
func (p *Process) closeGone() {
	select {
	case <-p.gone:
	default:
		close(p.gone)
	}
}

// Attach holds a process that was started by somebody else. The error is an *AttachError: ESRCH if there is
// none. Whether it may be signalled Signal(0) tells. End lets go of it.
func Attach(pid int) (*Process, error) {
	if pid <= 0 {
		return nil, &AttachError{PID: pid, Err: unix.ESRCH}
	}
	seal()
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil, &AttachError{PID: pid, Err: err}
	}
	h, err := newHandle(fd)
	if err != nil {
		return nil, &AttachError{PID: pid, Err: err}
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
