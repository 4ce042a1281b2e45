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
	controlFd = 3 + iota // a byte is the word to stop; its end is that of the process that started the cell
	eventsFd             // messages
	handoffFd
)

var pipes = [...]int{controlFd, eventsFd}

// child is a cell's process, seen from the one that started it.
type child struct {
	cmd     *exec.Cmd
	mode    Mode
	control *os.File
	events  *os.File
	said    said
	// oomKills is from before the start.
	oomKills int64

	stopOnce sync.Once
	why      atomic.Pointer[error] // this process killed it, and this is why
	watching sync.WaitGroup

	ended chan struct{}
	// Valid when ended is closed: how it ended, or why that cannot be told.
	state *os.ProcessState
	lost  error
}

// spawn starts a cell's process from a thread that lives as long as that: the kernel sends PDEATHSIG when the thread ends that forked
// (forget_original_parent), not the process.
func spawn(h *handoff) (*child, error) {
	fail := func(step step, err error) (*child, error) { return nil, &Error{step: step, Mode: h.Mode, Err: err} }
	if os.Getenv(envName) != "" {
		// What it starts would start it again, without end.
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
		Stderr:     &c.said,
		WaitDelay:  time.Second, // whoever else has its stderr
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWNET,
			Pdeathsig:  syscall.SIGKILL,
			Setpgid:    true, // Ctrl-C is for this process
		},
	}
	if h.Mode == User {
		attr := c.cmd.SysProcAttr
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		// Capabilities survive exec for the user that is 0 inside.
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

// live is the thread that forks.
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

// lostPoll is the interval at which awaitEnd looks.
const lostPoll = 20 * time.Millisecond

// awaitEnd waits for the end of a process that waitid(2) would not wait for: this thread's end would be the process's too.
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

// watch tells the process to stop when ctx is over, and kills it after the grace.
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

// stop has no effect on one that has ended.
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

// finish ends a process that writes no more, or bad things: its pipe ends a little before itself.
func (c *child) finish(bad error) {
	if bad == nil {
		select {
		case <-c.ended:
		case <-time.After(finishAtMost):
			bad = errors.New("it closed its pipe before it had handed in a result")
		}
	}
	c.kill(bad)
}

// finishAtMost is how long a process may take to end when its pipe has.
const finishAtMost = 5 * time.Second

func (c *child) hasEnded() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// wait returns when nothing is left of it.
func (c *child) wait() {
	<-c.ended
	c.watching.Wait()
	suspended.remove(c)
	c.close()
}

func (c *child) close() {
	// They may be closed already, and nothing is written to a file.
	_ = c.control.Close()
	_ = c.events.Close()
}
