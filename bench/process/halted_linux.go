package process

import (
	"slices"

	"github.com/prometheus/procfs"
)

// Halted reports whether all threads of the process and its descendants have acted on a SIGSTOP. kill returns before that: a thread woken
// by something else handles that first, and a SIGCONT removes a SIGSTOP that is still pending (prepare_signal).
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
