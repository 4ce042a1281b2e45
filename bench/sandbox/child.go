package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// child is a cell's process, seen from its parent.
type child struct {
	cmd     *exec.Cmd
	mode    Mode
	control *os.File
	events  *os.File
	stderr  excerpt
	// oomKills is the count before the start.
	oomKills int64

	// release is called when the process has ended.
	release  func()
	stopOnce sync.Once
	why      atomic.Pointer[error] // why this process killed it
	watching sync.WaitGroup

	ended chan struct{}
	// Valid once ended is closed: how it ended, or why that is unknown.
	state *os.ProcessState
	lost  error
}

// watch stops the process when ctx is over, and kills it after grace.
func (c *child) watch(ctx context.Context, grace time.Duration) {
	if ctx.Done() == nil {
		return
	}
	c.watching.Go(func() {
		select {
		case <-ctx.Done():
			c.stop()
		case <-c.ended:
			return
		}
		if grace == 0 {
			return
		}
		late := time.NewTimer(grace)
		defer late.Stop()
		select {
		case <-late.C:
			c.kill(fmt.Errorf("it did not stop within %v: %w", grace, context.Cause(ctx)))
		case <-c.ended:
		}
	})
}

// stop tells the process to stop, if it has not ended.
func (c *child) stop() {
	c.stopOnce.Do(func() { _, _ = c.control.Write([]byte{1}) })
}

// kill ends the process, and notes why unless it is nil.
func (c *child) kill(why error) {
	if why != nil && !c.hasEnded() {
		c.why.CompareAndSwap(nil, &why)
	}
	_ = c.cmd.Process.Kill() // it may have ended
}

// finish ends a process that has closed its pipe or written garbage. A process normally ends shortly after its pipe.
func (c *child) finish(bad error) {
	if bad == nil {
		select {
		case <-c.ended:
		case <-time.After(finishAtMost):
			bad = errors.New("it closed its pipe before it had sent a result")
		}
	}
	c.kill(bad)
}

// finishAtMost is how long a process may take to end after its pipe.
const finishAtMost = 5 * time.Second

func (c *child) hasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// wait returns when nothing is left of the child.
func (c *child) wait() {
	<-c.ended
	c.watching.Wait()
	c.release()
	c.close()
}

func (c *child) close() {
	// They may be closed already; nothing can be lost.
	_ = c.control.Close()
	_ = c.events.Close()
}

// died describes how the cell's process ended.
func (c *child) died() *DiedError {
	<-c.ended
	e := &DiedError{Stderr: c.stderr.String()}
	if why := c.why.Load(); why != nil {
		e.Err = *why
	}
	if c.state == nil {
		e.Err = errors.Join(e.Err, c.lost)
		return e
	}
	e.Code = c.state.ExitCode()
	if ws, ok := c.state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.Signal = ws.Signal()
		e.OutOfMemory = e.Signal == syscall.SIGKILL && e.Err == nil && oomKills() > c.oomKills
	}
	return e
}

// oomKills is how many processes the OOM killer has killed, in control groups too (__oom_kill_process); 0 if
// unknown.
func oomKills() int64 {
	b, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "oom_kill "); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			return n
		}
	}
	return 0
}
