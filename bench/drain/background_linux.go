package drain

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"lastack/bench/process"
)

// ready finds out which process to signal, who listens, and whether a signal may be sent. All of this can change at any time, so it is
// called again just before the signal. It takes some milliseconds.
func (s *server) ready(signal bool) error {
	if s.proc == nil {
		return nil
	}
	if err := s.follow(signal); err != nil {
		return err
	}
	now, err := process.Listeners(s.diag, s.addr)
	if err != nil {
		return err
	}
	if len(now) > 0 {
		s.listeners = now
	}
	if s.pids, err = s.proc.Tree(); err != nil {
		return err
	}
	if err = s.proc.Signal(0); !errors.Is(err, syscall.ESRCH) {
		return err
	}
	_, err = s.followEnded()
	return err
}

// followEnded is called when the process to signal has just ended, since it may have put its server into the background. It reports whether
// there is another process to signal.
func (s *server) followEnded() (bool, error) {
	ended := s.proc
	select {
	case <-ended.Exited():
	case <-time.After(endKnownAtMost):
	}
	err := s.follow(false)
	return s.proc != ended, err
}

// endKnownAtMost bounds the wait for a process's end to be known.
const endKnownAtMost = 10 * time.Second

// follow chooses the process that listens as the one to signal, if the started process has put its server into the background. That can
// happen at any time, so follow is called repeatedly. While the process lives, it acts only before the signal.
func (s *server) follow(signal bool) error {
	p := s.own()
	if p == nil || !hasEnded(s.proc) && (s.main != nil || !signal) {
		return nil
	}
	pid, daemon, err := s.background(p)
	if err != nil || daemon == nil {
		return err
	}
	if s.main != nil {
		_ = s.proc.End() // it lets go of one that has ended
	} else if !s.byHook { // the command knows whom to stop
		s.warnings.add("server: the command put itself into the background; process %d, which listens, is signalled: started in the foreground (nginx: -g 'daemon off;') there is no doubt who the server is", pid)
	}
	s.main, s.proc = p, daemon
	return nil
}

// looksAtMost bounds how often background reads /proc.
const looksAtMost = 3

// background finds the process that p has put into the background to listen; nil: there is none. It reads /proc again if it may have missed
// a process that forked meanwhile, as a daemon does, or if the process it found has ended since.
func (s *server) background(p *process.Process) (pid int, daemon *process.Process, err error) {
	for range looksAtMost {
		var now []process.Listener
		if now, err = process.Listeners(s.diag, s.addr); err != nil {
			return 0, nil, err
		}
		if pid, err = p.Daemon(now); err != nil {
			return 0, nil, err
		}
		if pid == 0 {
			if len(now) == 0 || !hasEnded(s.proc) {
				break
			}
			continue
		}
		if daemon, err = process.Attach(pid); !errors.Is(err, syscall.ESRCH) {
			return pid, daemon, err
		}
	}
	return 0, nil, nil
}

func hasEnded(p *process.Process) bool { return isClosed(p.Exited()) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// died says how the server ended too early; it is empty if the server lives. It reads the end first and looks for a process in the
// background afterwards, so that it cannot miss an end in between.
func (s *server) died() (string, error) {
	if s.proc == nil || !hasEnded(s.proc) {
		return "", nil
	}
	if moved, err := s.followEnded(); moved || err != nil {
		return "", err
	}
	stop := "the signal was sent"
	if s.byHook {
		stop = "the stop command was started"
	}
	how := fmt.Sprintf("the server ended before %s (%s)", stop, exitWords(s.proc.Exit()))
	if p := s.own(); p != nil {
		if pids, err := p.Tree(); err == nil && len(pids) > 0 {
			how += fmt.Sprintf(": it left process %s behind, of which none can be seen to listen on %v: want a command that stays in the foreground (nginx: -g 'daemon off;')", listed(pids), s.addr)
		}
	}
	return how, nil
}
