package drain

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"lastack/bench/process"
)

// ready finds out who is to be signalled, who listens, and whether a signal may be sent. Much may have changed since the server was
// started: it is asked for the last time just before the signal, which takes some milliseconds.
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

// followEnded is for when the process to be signalled has ended just now: it may have put its server into the background. It reports
// whether there is another process to be signalled.
func (s *server) followEnded() (bool, error) {
	ended := s.proc
	select {
	case <-ended.Exited():
	case <-time.After(endKnownAtMost):
	}
	err := s.follow(false)
	return s.proc != ended, err
}

// endKnownAtMost is how long it may take until a process that has ended is known to have.
const endKnownAtMost = 10 * time.Second

// follow has the process signalled that listens, where the one that was started has put its server into the background. It may do
// so at any time, so that this is asked again and again; while the process lives, only before the signal.
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
		s.warnings = append(s.warnings, fmt.Sprintf("server: the command put itself into the background; process %d, which listens, is signalled: started in the foreground (nginx: -g 'daemon off;') there is no doubt who the server is", pid))
	}
	s.main, s.proc = p, daemon
	return nil
}

// looksAtMost is how often background reads /proc.
const looksAtMost = 3

// background finds who listens for p in the background; nil: nobody. Who forks while /proc is read may be missing with its child, as
// in a daemon's second fork, and who was found may have ended since: in both cases it looks again.
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

func hasEnded(p *process.Process) bool {
	select {
	case <-p.Exited():
		return true
	default:
		return false
	}
}

// died says how the server ended before it was to, empty if it lives. Its end is read first: whom it left in the background is looked
// for afterwards, so that it cannot end in between.
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
			how += fmt.Sprintf(": it left process %s behind, of which none can be seen to listen on %v: want a command that stays in the foreground (nginx: -g 'daemon off;')", numbers(pids), s.addr)
		}
	}
	return how, nil
}
