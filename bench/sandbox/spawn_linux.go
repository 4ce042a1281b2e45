package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lastack/bench/host"
	"lastack/sockstate/netns"
)

// The descriptors of a cell's process, beside the null device and its stderr.
const (
	controlFd = 3 + iota // a byte means stop; EOF means that the parent has ended
	eventsFd             // messages
	handoffFd
)

var pipes = [...]int{controlFd, eventsFd}

// child is a cell's process, seen from its parent.
type child struct {
	cmd     *exec.Cmd
	mode    Mode
	control *os.File
	events  *os.File
	stderr  excerpt
	// oomKills is the count before the start.
	oomKills int64

	stopOnce sync.Once
	why      atomic.Pointer[error] // why this process killed it
	watching sync.WaitGroup

	ended chan struct{}
	// Valid once ended is closed: how it ended, or why that is unknown.
	state *os.ProcessState
	lost  error
}

// spawn starts a cell's process from a thread that lives as long as the cell: the kernel sends PDEATHSIG when the forking thread
// ends, not its process (forget_original_parent).
func spawn(h *handoff) (*child, error) {
	fail := func(step step, err error) (*child, error) { return nil, &Error{step: step, Mode: h.Mode, Err: err} }
	if os.Getenv(envName) != "" {
		// Each cell would start another, without end.
		return fail(stepHandoff, errors.New("this process is a cell's itself: main must call sandbox.Main first"))
	}
	own, err := netns.Current()
	if err != nil {
		return fail(stepHandoff, err)
	}
	defer own.Close()
	h.Parent, h.Host = os.Getpid(), own.ID()
	file, err := h.file()
	if err != nil {
		return fail(stepHandoff, err)
	}
	defer file.Close()
	control, w, err := os.Pipe()
	if err != nil {
		return fail(stepHandoff, err)
	}
	defer control.Close()
	r, events, err := os.Pipe()
	if err != nil {
		_ = w.Close() // nothing was written
		return fail(stepHandoff, err)
	}
	defer events.Close()
	host.SealDescriptors()

	c := &child{mode: h.Mode, control: w, events: r, oomKills: oomKills(), ended: make(chan struct{})}
	c.cmd = &exec.Cmd{
		Path:       "/proc/self/exe",
		Args:       []string{os.Args[0], "cell", h.Job}, // not os.Args, which may hold a secret: ps shows it
		Env:        envWith(os.Environ(), handoffFd),
		ExtraFiles: []*os.File{control, events, file},
		Stderr:     &c.stderr,
		WaitDelay:  time.Second, // another process may hold its stderr
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWNET,
			Pdeathsig:  syscall.SIGKILL,
			Setpgid:    true, // Ctrl-C goes to this process only
		},
	}
	if h.Mode == User {
		attr := c.cmd.SysProcAttr
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		// Capabilities survive exec only for user 0 inside.
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}
	started := make(chan error)
	go c.live(started)
	if err := <-started; err != nil {
		c.close()
		return fail(stepNamespaces, err)
	}
	suspended.add(c)
	return c, nil
}

// live is the forking thread.
func (c *child) live(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := c.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	if err := c.cmd.Wait(); c.cmd.ProcessState == nil {
		c.lost = err
		c.awaitEnd()
	}
	c.state = c.cmd.ProcessState
	close(c.ended)
}

// lostPoll is the polling interval of awaitEnd.
const lostPoll = 20 * time.Millisecond

// awaitEnd polls for the end of a process for which waitid(2) failed: if this thread ended first, PDEATHSIG would kill it.
func (c *child) awaitEnd() {
	for pid := c.cmd.Process.Pid; ; time.Sleep(lostPoll) {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			if errors.Is(unix.Kill(pid, 0), unix.ESRCH) {
				return
			}
			continue
		}
		// pid (name) state; the name may hold anything.
		if _, state, ok := strings.Cut(string(b[strings.LastIndexByte(string(b), ')')+1:]), " "); !ok || strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X") {
			return
		}
	}
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
	suspended.remove(c)
	c.close()
}

func (c *child) close() {
	// They may be closed already; nothing can be lost.
	_ = c.control.Close()
	_ = c.events.Close()
}
