package process

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// endTimeout bounds the wait for killed processes to end.
const endTimeout = 10 * time.Second

// End kills what is left of an own process and its descendants, and waits until they are gone; then Exited and Gone are closed. It lets go
// of another's process and kills nothing. It may be called more than once. Afterwards only Exit and Said can be used. The error is an
// *EndError: a process cannot be killed, or, with errReaperKilled, some may have escaped.
func (p *Process) End() error {
	p.ending.Do(func() { p.endErr = p.end() })
	return p.endErr
}

func (p *Process) end() error {
	if !p.own {
		return p.handle.close()
	}
	// The end of its channel tells the reaper to end them.
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
			left = now // they end with the namespace, if this was its last user
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

// endRest kills what the reaper has not ended, and then the reaper. It returns what still lives; in that case it spares the reaper, so that
// nothing escapes it.
func (p *Process) endRest() []one {
	for limit, pause := time.Now().Add(p.patience), time.Millisecond; ; pause = sleepLonger(pause) {
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
	_ = within(endTimeout, "the reaper", p.told) // it has nothing left to say
	return nil
}

// LetGo gives up an own process that has exited, and kills nothing: what it has left running, like a daemon that a hook restarts, lives on
// as a child of init. Its stdout and stderr are read as long as this process lives; later writes fail (EPIPE, SIGPIPE). Gone is closed, and
// End has nothing left to do.
//
// The error is errRunning if the process has not exited, and errInNamespace if what is left cannot outlive its PID namespace; then nothing
// has been done, and End must still be called. It is an *EndError if the reaper did not end. Another's process can be let go at any time.
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

// forget gives up the process and its reaper, and its output by leave. It closes gone if the reaper has not.
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
