package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lastack/bench/record"
	"lastack/sockstate/netns"
)

// setupTimeout bounds the time until the child's report; making namespaces waits for
// locks that the whole host shares.
const setupTimeout = 30 * time.Second

// reportLimit bounds the report's size in bytes.
const reportLimit = 1 << 20

// Run executes this program once more, with the same arguments, inside a new
// sandbox, and returns its exit code when it has ended: 128+N if signal N ended it.
// The child shares stdin, stdout and stderr. It has a process group of its own, so
// that a key like Ctrl-C reaches the parent alone: the child gets SIGINT, SIGTERM,
// SIGQUIT, SIGHUP and SIGWINCH from here, each exactly as often as the parent does; before it has reported that the
// sandbox is on, SIGTERM stands for those that end a program.
// Stopping and continuing (Ctrl-Z) counts for both. SIGKILL of the parent kills the child.
//
// Where the sandbox does not come about, the error is a *SysctlError (the caller's
// user asked for something that cannot be) or an *Error (this host allows no sandbox),
// the status holds the reason, and nothing is left of it. ctx bounds the time until the
// sandbox is on, no longer: signals end what runs inside. If a signal comes
// before that, Run ends the child and returns 128+N, the reason Interrupted and no error.
//
// Run needs no privilege.
func Run(ctx context.Context, spec Spec) (exit int, status record.Sandbox, err error) {
	mode := spec.Mode
	if mode == "" {
		mode = bestMode()
	}
	off := func(err error) (int, record.Sandbox, error) {
		return 1, record.Sandbox{Mode: string(Off), Reason: err.Error()}, err
	}
	if err := spec.validate(); err != nil {
		return off(&Error{Step: StepSpec, Err: err})
	}

	signals := make(chan os.Signal, 16)
	signal.Notify(signals, forwarded()...)
	defer signal.Stop(signals)
	if spec.OnSignals != nil {
		spec.OnSignals()
	}

	c, err := start(spec, mode)
	if err != nil {
		return off(explain(err, mode))
	}
	defer c.reports.Close()

	status, err = c.awaitReport(ctx, signals)
	if err != nil {
		c.kill()
		<-c.ended
		if c.interrupted != 0 {
			return 128 + int(c.interrupted), record.Sandbox{Mode: string(Off), Reason: Interrupted}, nil
		}
		if died, ok := errors.AsType[*diedError](err); ok && died.code > 128 {
			// A signal, not this host, is why there is no sandbox.
			return died.code, record.Sandbox{Mode: string(Off), Reason: Interrupted}, nil
		}
		return off(explain(err, mode))
	}
	if spec.OnInside != nil {
		spec.OnInside()
	}
	for {
		select {
		case s := <-signals:
			c.forward(s)
		case <-c.ended:
			if c.state == nil {
				return 1, status, &LostError{Err: c.lost}
			}
			code := exitCode(c.state)
			if c.interrupted != 0 && code == 128+int(syscall.SIGTERM) { // it stood for that
				code = 128 + int(c.interrupted)
				status.Reason = Interrupted
			}
			return code, status, nil
		}
	}
}

// awaitReport returns the status if the sandbox is on.
func (c *child) awaitReport(ctx context.Context, signals <-chan os.Signal) (record.Sandbox, error) {
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	arrived := c.awaitArrival()
	// early came after the report was written and before it was read.
	var early []syscall.Signal
	for {
		select {
		case s := <-signals:
			switch sig := s.(syscall.Signal); sig {
			case syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGABRT, syscall.SIGXCPU:
				if c.hasArrived() {
					early = append(early, sig)
					continue
				}
				c.interrupted = sig
				// Until the child takes care of signals its runtime would answer some with a trace of all goroutines.
				s = syscall.SIGTERM
			}
			c.forward(s)
		case <-ctx.Done():
			return record.Sandbox{}, c.failed(ctx.Err())
		case <-arrived:
			status, err := c.readReport(ctx)
			for _, s := range early {
				if err != nil {
					c.interrupted = s
				} else {
					c.forward(s)
				}
			}
			return status, err
		}
	}
}

func (c *child) failed(err error) error { return &Error{Step: StepStart, Mode: c.mode, Err: err} }

// awaitArrival closes the channel when there is something to read of the report, or when no more can come. It reads nothing, so
// that hasArrived holds from then on.
func (c *child) awaitArrival() <-chan struct{} {
	arrived := make(chan struct{})
	go func() {
		if conn, err := c.reports.SyscallConn(); err == nil {
			_ = conn.Read(readable) // what is wrong with the pipe, reading it tells
		}
		close(arrived)
	}()
	return arrived
}

// hasArrived holds if the child has written its report: it may take care of its signals by now.
func (c *child) hasArrived() (yes bool) {
	if conn, err := c.reports.SyscallConn(); err == nil {
		_ = conn.Control(func(fd uintptr) { yes = readable(fd) }) // closed: no
	}
	return yes
}

func readable(fd uintptr) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return n > 0 && err == nil
}

// readReport reads what has arrived.
func (c *child) readReport(ctx context.Context) (record.Sandbox, error) {
	if at, ok := ctx.Deadline(); ok {
		if err := c.reports.SetReadDeadline(at); err != nil {
			return record.Sandbox{}, c.failed(err)
		}
	}
	var r report
	err := json.NewDecoder(io.LimitReader(c.reports, reportLimit)).Decode(&r)
	switch {
	case errors.Is(err, io.EOF):
		select {
		case <-c.ended: // now or soon: the pipe ends with the process
		case <-ctx.Done():
			return record.Sandbox{}, c.failed(ctx.Err())
		}
		return record.Sandbox{}, c.failed(c.died())
	case err != nil:
		return record.Sandbox{}, c.failed(err)
	case r.Failure != nil:
		return record.Sandbox{}, r.Failure.error(c.mode)
	}
	return r.Status, nil
}

// child is the sandbox's process, seen from the parent.
type child struct {
	cmd     *exec.Cmd
	mode    Mode
	reports *os.File
	// interrupted is the signal that was to end the child before its report, or 0.
	interrupted syscall.Signal
	ended       chan struct{}
	// Valid when ended is closed: how it ended, or why that cannot be told.
	state *os.ProcessState
	lost  error
}

// awaitEnd waits for the end of a child that waitid(2) would not wait for: this thread's end would be the child's too.
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

// lostPoll is how often a lost child is looked for.
const lostPoll = 20 * time.Millisecond

// start forks from a thread that lives as long as the child: the kernel sends
// PDEATHSIG when the forking thread ends (forget_original_parent), not the process.
func start(spec Spec, mode Mode) (*child, error) {
	fail := func(err error) (*child, error) { return nil, &Error{Step: StepHandoff, Mode: mode, Err: err} }
	host, err := netns.Current()
	if err != nil {
		return fail(err)
	}
	defer host.Close()
	r, w, err := os.Pipe()
	if err != nil {
		return fail(err)
	}
	defer w.Close()
	extra, free, closeExtra, err := inherited(spec.Inherit)
	if err != nil {
		_ = r.Close()
		return fail(err)
	}
	defer closeExtra()
	h := handoff{Parent: os.Getpid(), Report: free, Inherit: spec.Inherit, Host: host.ID(), Mode: mode, Spec: spec}
	file, err := h.file()
	if err != nil {
		_ = r.Close()
		return fail(err)
	}
	defer file.Close()

	c := &child{mode: mode, reports: r, ended: make(chan struct{}), cmd: &exec.Cmd{
		Path:       "/proc/self/exe",
		Args:       os.Args,
		Env:        envWith(os.Environ(), free+1),
		ExtraFiles: append(extra, w, file),
		Stdin:      os.Stdin,
		Stdout:     os.Stdout,
		Stderr:     os.Stderr,
		SysProcAttr: &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWNET,
			Pdeathsig:  syscall.SIGKILL,
			Setpgid:    true,
		},
	}}
	if mode == User {
		attr := c.cmd.SysProcAttr
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		// Capabilities survive exec for the user that is 0 inside.
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	}

	started := make(chan error)
	go func() {
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
	}()
	if err := <-started; err != nil {
		_ = r.Close()
		return nil, &Error{Step: StepNamespaces, Mode: mode, Err: err}
	}
	return c, nil
}

// inherited makes the files of exec.Cmd.ExtraFiles, the first of which is descriptor 3, such that each of fds keeps its number. What
// is put between them is closed. free is the number of what is appended.
func inherited(fds []int) (files []*os.File, free int, closeAll func(), err error) {
	files = make([]*os.File, slices.Max(append(fds, 2))-2)
	closeAll = func() {
		for _, f := range files {
			_ = f.Close() // a copy, or nil
		}
	}
	for _, fd := range fds {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			closeAll()
			return nil, 0, nil, os.NewSyscallError("fcntl", err)
		}
		files[fd-3] = os.NewFile(uintptr(dup), "inherited")
	}
	return files, 3 + len(files), closeAll, nil
}

// diedError is a child that ended before its report.
type diedError struct {
	how  string
	code int // as Run returns it
}

func (e *diedError) Error() string {
	return "the program ended before its sandbox was on (" + e.how + ")"
}

func (c *child) died() *diedError {
	if c.state == nil {
		return &diedError{how: c.lost.Error(), code: 1}
	}
	return &diedError{how: c.state.String(), code: exitCode(c.state)}
}

func (c *child) kill() { _ = c.cmd.Process.Kill() }

// explain adds to err what the host's settings tell.
func explain(err error, mode Mode) error {
	var se *SysctlError
	if errors.As(err, &se) {
		if errors.Is(se.Err, unix.ENOENT) {
			se.HostWide = visible(se.Sysctl.Key)
			// tcp_mem is the whole host's: the first namespace shows it (ipv4_table), and no other.
			se.Hidden = !se.HostWide && !visible("net.ipv4.tcp_mem")
		}
		return err
	}
	var e *Error
	if errors.As(err, &e) {
		e.Cause = likelyCause(e.Step, mode, errnoOf(e.Err), readTrimmed)
	}
	return err
}

// visible reports whether the caller's network namespace has a sysctl, or shows the whole host's.
func visible(key string) bool {
	_, err := os.Stat(procSys(key))
	return err == nil
}

func readTrimmed(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// bestMode is Root for whoever is root and has CAP_SYS_ADMIN in the initial user
// namespace. A user with that capability alone would lose it, or PDEATHSIG, at exec.
func bestMode() Mode {
	if !netns.InInitialUserNamespace() || os.Geteuid() != 0 {
		return User
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&hdr, &caps[0]); err != nil || caps[0].Effective&(1<<unix.CAP_SYS_ADMIN) == 0 {
		return User
	}
	return Root
}

func exitCode(s *os.ProcessState) int {
	if ws, ok := s.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return s.ExitCode()
}
