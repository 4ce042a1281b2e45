package drain

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"

	"lastack/bench/process"
)

// halt stops all processes of the server (SIGSTOP), so that it accepts nothing until goOn.
func (s *server) halt() error {
	pids, err := s.proc.Tree()
	if err != nil {
		return err
	}
	s.halted = pids
	if s.own() == nil {
		if err := s.guard(); err != nil {
			return err
		}
	}
	return s.proc.SignalAll(syscall.SIGSTOP)
}

// goOn continues the halted processes by number, since their parent may have ended.
func (s *server) goOn() error {
	var errs []error
	for _, pid := range s.halted {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil && !errors.Is(err, syscall.ESRCH) {
			errs = append(errs, &process.SignalError{PID: pid, Signal: syscall.SIGCONT, Err: err})
		}
	}
	s.halted = nil
	return errors.Join(errs...)
}

// guard continues another's server if this process is killed while the server is halted: a shell reads from a pipe, which ends with this
// process, and then sends SIGCONT.
func (s *server) guard() error {
	line := "read -r _; kill -CONT"
	for _, pid := range s.halted {
		line += fmt.Sprintf(" %d", pid)
	}
	c := exec.Command("/bin/sh", "-c", line+" 2>/dev/null")
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // no key of a terminal reaches it
	hold, err := c.StdinPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return fmt.Errorf("guard the server while it is halted: %w", err)
	}
	s.release = func() {
		_ = hold.Close() // it then sends one more SIGCONT, which does nothing
		_ = c.Wait()
	}
	return nil
}
