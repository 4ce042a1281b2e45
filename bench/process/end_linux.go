package process

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// endTimeout bounds the time until what was killed has ended.
const endTimeout = 10 * time.Second

// End kills what is left of an own process and its descendants and waits until it is gone; Exited and Gone are closed
// then. Of another's it lets go, and kills nothing. It may be called more than once; nothing can be asked of the process
// afterwards but how it ended and what it said. The error is an *EndError: it comes when a process cannot die, and as
// errReaperKilled when some may have escaped.
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
	p.forget(p.out.close)
	if len(left) > 0 {
		err = errors.Join(fmt.Errorf("they live %v after SIGKILL: %w", p.patience, os.ErrDeadlineExceeded), err)
	}
	if err != nil {
		return &EndError{Left: numbers(left), Err: err}
	}
	return p.orphaned
}

// endRest kills what the reaper has not ended, and then the reaper. It returns what still lives: then it spares the reaper, so that nothing
// escapes it.
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
	p.signalReaper(unix.SIGKILL)
	_ = within(endTimeout, "the reaper", p.told) // it had nothing left to tell
	return nil
}

// LetGo gives up an own process that has exited, and kills nothing: what it has left running, as a hook leaves the daemon that
// it restarts, lives on as a child of init. What that writes to stdout and stderr is read for as long as this process
// lives; afterwards it is refused (EPIPE, SIGPIPE). Gone is closed, and End has nothing left to do.
//
// The error is errRunning if the process has not exited, and errInNamespace if what is left cannot outlive its PID
// namespace; nothing has been done then, and End is still to be called. It is an *EndError if the reaper did not end.
// Another's process is let go at any time.
func (p *Process) LetGo() error {
	switch {
	case !p.own:
		return p.End()
	case p.space != nil:
		return fmt.Errorf("process %d: %w", p.pid, errInNamespace)
	case p.running():
		return fmt.Errorf("process %d: %w", p.pid, errRunning)
	}
	p.ending.Do(func() { p.endErr = p.letGo() })
	return p.endErr
}

func (p *Process) letGo() error {
	_ = p.ch.send(request{LetGo: true}) // the reaper may have gone
	err := within(p.patience, "the reaper", p.child.ended)
	p.forget(p.out.release)
	if err != nil {
		return &EndError{Err: err}
	}
	return p.orphaned
}

// forget gives up the process and its reaper, and its output by leave. It closes gone if the reaper did not tell.
func (p *Process) forget(leave func()) {
	p.given.Store(true)
	p.ch.close()
	_ = p.handle.close()
	<-p.told
	leave()
	select {
	case <-p.gone:
	default:
		close(p.gone)
	}
}
