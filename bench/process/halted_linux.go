package process

import (
	"slices"

	"github.com/prometheus/procfs"
)

// Halted reports whether the process and all its descendants have acted on a SIGSTOP, with all their threads. The signal
// comes back before that: a thread that is woken by something else in between does what that is first, and a SIGCONT takes
// away a SIGSTOP that nobody has acted on (prepare_signal).
func (p *Process) Halted() (bool, error) {
	tree, err := p.tree()
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(tree, one.runs), nil
}

// stopped reports whether a process is stopped by a signal.
func stopped(pid int) bool {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return false
	}
	s, err := p.Stat()
	return err == nil && s.State == "T"
}

// runs reports whether a thread of the process is not stopped; one that has ended has none.
func (o one) runs() bool {
	threads, err := procfs.AllThreads(o.pid)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(threads, func(t procfs.Proc) bool {
		s, err := t.Stat()
		return err == nil && s.State != "T" && s.State != "t" && s.State != "Z" && s.State != "X"
	})
}
