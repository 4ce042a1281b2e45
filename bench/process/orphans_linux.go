package process

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// newMark is a value of RLIMIT_LOCKS that is one process's and its descendants' alone. The kernel has not looked at that limit since
// 2.4.25 (getrlimit(2)), fork and execve keep it, and everybody may read and lower it: a variable of the environment could be
// seen by the user's command, and a program that clears its environment would be without. 0, which marks nothing, where
// the limit is too low to choose one.
func newMark() uint64 {
	var lim unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_LOCKS, &lim) != nil || lim.Max < 1<<40 {
		return 0
	}
	// Not negative for who reads it as a signed number.
	top := min(lim.Max, 1<<62)
	return top/2 + rand.Uint64N(top/2)
}

// endOrphans kills what the death of the reaper has left to init, as far as it is surely the process's. session tells
// that the process lived when the reaper died: only then is its number surely not another session's by now. The
// error is an *EndError in any case.
func (p *Process) endOrphans(session bool) error {
	ours := func(o *one) bool {
		return session && o.session == p.pid || marked(o.pid, p.mark)
	}
	e := &EndError{Err: errReaperKilled}
	// What was forked while one round looked is met in the next.
	quiet := 0
	for limit := time.Now().Add(p.patience); quiet < 2; time.Sleep(time.Millisecond) {
		all, err := snapshot()
		if err != nil {
			e.Err = fmt.Errorf("%w (%w)", errReaperKilled, err)
			return e
		}
		e.Left = nil
		for _, o := range all {
			if !ours(&o) {
				continue
			}
			e.Left = append(e.Left, o.pid)
			_ = o.signal(unix.SIGKILL) // if it lives on it is met again
		}
		if quiet++; len(e.Left) > 0 {
			quiet = 0
		}
		if time.Now().After(limit) {
			break
		}
	}
	return e
}

// marked reports whether the process has the mark, and so was started by who was given it.
func marked(pid int, mark uint64) bool {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return false
	}
	lim, err := p.Limits()
	return err == nil && mark != 0 && lim.FileLocks == mark
}
