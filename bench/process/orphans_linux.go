package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// markKey is the variable whose value is one process's and its descendants' alone.
const markKey = "LASTACK_PROCESS"

// endOrphans kills what the death of the reaper has left to init, as far as it is surely the process's. session tells
// that the process lived when the reaper died: only then is its number surely not another session's by now. The
// error is an *EndError in any case.
func (p *Process) endOrphans(session bool) error {
	ours := func(o *one) bool {
		return session && o.session == p.pid || marked(o.pid, p.mark)
	}
	e := &EndError{Err: ErrReaperKilled}
	// What was forked while one round looked is met in the next.
	quiet := 0
	for limit := time.Now().Add(p.patience); quiet < 2; time.Sleep(time.Millisecond) {
		all, err := snapshot()
		if err != nil {
			e.Err = fmt.Errorf("%w (%w)", ErrReaperKilled, err)
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

// marked reports whether the process was started with the variable. What another user runs, or hides (prctl PR_SET_DUMPABLE),
// cannot be read.
func marked(pid int, variable string) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	if err != nil {
		return false
	}
	for v := range bytes.SplitSeq(b, []byte{0}) {
		if string(v) == variable {
			return true
		}
	}
	return false
}
