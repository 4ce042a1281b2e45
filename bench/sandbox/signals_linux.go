package sandbox

import (
	"os"
	"os/signal"
	"syscall"
)

// forwarded lists the signals that Run takes care of. Those that whoever started us
// wants ignored (nohup, a shell without job control) stay ignored.
func forwarded() []os.Signal {
	list := []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGXCPU, syscall.SIGWINCH, syscall.SIGCONT}
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGTSTP} {
		if !signal.Ignored(s) {
			list = append(list, s)
		}
	}
	return list
}

// forward passes s on. A signal to a child that has just ended is lost rightly.
func (c *child) forward(s os.Signal) {
	if s != syscall.SIGTSTP {
		_ = c.cmd.Process.Signal(s)
		return
	}
	// The child is not in the terminal's foreground group, so it does not stop by
	// itself; it goes on with us, by the SIGCONT that makes us go on.
	_ = c.cmd.Process.Signal(syscall.SIGSTOP)
	_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
}
