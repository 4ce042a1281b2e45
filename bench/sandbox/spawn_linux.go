package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
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

// bestMode is the mode that this process can make.
func bestMode() Mode {
	if host.MakesSandboxAsRoot() {
		return Root
	}
	return User
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
	c.release = func() { suspended.remove(c) }
	return c, nil
}

// forking is held while a process is made. In a user namespace it waits, before it executes this program, for its parent to write its IDs to a pipe. Two
// that wait at once hold each other's pipes open (syscall.forkExec lets threads fork at the same time), so that if the parent is killed
// then, neither sees the end of its pipe, and both would wait forever: PDEATHSIG is not set yet.
var forking sync.Mutex

// live is the forking thread.
func (c *child) live(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	forking.Lock()
	err := c.cmd.Start()
	forking.Unlock()
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
