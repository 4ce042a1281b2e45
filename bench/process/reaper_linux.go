package process

import (
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lastack/sockstate/clock"
)

// reaperPID is 0 if the reaper has ended, or has no child left.
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

// listen follows the reaper's messages and the pidfd, which reports the end first.
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
		// Somebody has killed the reaper. The server dies with it (PDEATHSIG, except a set-user-ID program); a daemon that forked away may
		// not.
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

// A reaper says at once how the server ended, unless it is stopped.
const (
	reaperPoll   = 100 * time.Millisecond
	reaperAtMost = 5 * time.Second
)

// mindReaper reports the end of a process soon after its pidfd has, even if the reaper does not answer.
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
	p.signalReaper(unix.SIGCONT)
}

// signalReaper signals the reaper. It fails only if the reaper has ended.
func (p *Process) signalReaper(sig syscall.Signal) {
	if p.child != nil {
		_ = p.child.cmd.Process.Signal(sig)
	} else {
		_ = p.reaper.signal(sig)
	}
}
