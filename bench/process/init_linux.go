package process

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// argv[0] of this program as init and as a reaper. ps shows these names, so they have at most 15 bytes.
const (
	initArg   = "lastack-init"
	reaperArg = "lastack-reaper"
)

// inUserNamespace is init's argument in a user namespace, where it has capabilities only to set that up.
const inUserNamespace = "userns"

// channelFd is the descriptor of their channel.
const channelFd = 3

// initEnv keeps them small, as they do next to nothing.
var initEnv = []string{"GOMAXPROCS=1", "GOGC=25"}

// Main does the work of an init or a reaper and exits, if Start has executed this process to be one. main calls it before it does anything
// else.
func Main() {
	if isInit() {
		os.Exit(serve())
	}
}

func isInit() bool { return os.Args[0] == initArg || os.Args[0] == reaperArg }

// serve returns the exit code. Everything else is reported through the channel.
func serve() int {
	// PDEATHSIG of a child follows the thread that forked it.
	runtime.LockOSThread()
	_ = os.WriteFile("/proc/self/comm", []byte(os.Args[0]), 0) // for ps; harmless if it stays "exe"
	withstand()
	ch, err := newChannel(channelFd)
	if err != nil {
		return fail(err)
	}
	defer ch.close()
	if os.Args[0] == initArg {
		return runInit(ch)
	}
	return runReaper(ch)
}

func fail(err error) int {
	fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[0], err)
	return 1
}

// withstand survives signals that the server sends to its parent, or to all processes (kill(-1)). It catches them, because the server would
// inherit an ignored signal (execve(2)).
func withstand() {
	caught := make(chan os.Signal, 1) // never read: what does not fit is dropped
	for s := syscall.Signal(1); s < 65; s++ {
		switch s {
		case unix.SIGKILL, unix.SIGSTOP, unix.SIGCHLD, unix.SIGURG, unix.SIGPROF,
			unix.SIGSEGV, unix.SIGBUS, unix.SIGFPE, unix.SIGILL, unix.SIGTRAP, unix.SIGABRT:
			continue
		}
		if !signal.Ignored(s) { // nohup applies to the server too
			signal.Notify(caught, s)
		}
	}
}

// runInit is PID 1 of a namespace: it starts reapers, and reaps what they leave. It ends with its channel, and the namespace ends with it.
func runInit(ch *channel) int {
	mountProc()
	if len(os.Args) > 1 && os.Args[1] == inUserNamespace {
		if err := dropCapabilities(); err != nil {
			return fail(err)
		}
	}
	children := make(chan os.Signal, 1)
	signal.Notify(children, unix.SIGCHLD)
	go func() {
		for range children {
			for reapOne() {
			}
		}
	}()
	if err := ch.send(reply{Init: true}); err != nil {
		return fail(err)
	}
	for {
		var q request
		if ch.receive(&q) != nil {
			return 0
		}
		fds := ch.take(2)
		if fds == nil {
			return fail(errors.New("a request without descriptors"))
		}
		_, err := start(ch, "/proc/self/exe", []string{reaperArg}, &syscall.ProcAttr{
			Env:   initEnv,
			Files: []uintptr{0, uintptr(fds[1]), uintptr(fds[1]), uintptr(fds[0])},
			Sys:   &syscall.SysProcAttr{Setpgid: true}, // as spawn does
		})
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
		if err != nil {
			return fail(err)
		}
	}
}

// mountProc mounts a /proc that shows the namespace's own numbers, on which ps, pidof and pkill rely. If that is refused, as in containers
// that hide parts of /proc (mount_too_revealing), the outer /proc stays.
func mountProc() {
	// First keep the mount from propagating out.
	if unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, "") == nil {
		_ = unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "") // see above
	}
}

// dropCapabilities leaves no capabilities to programs that this thread executes. Dropping the inheritable ones drops the ambient ones too
// (capabilities(7)).
func dropCapabilities() error {
	h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return os.NewSyscallError("capset", unix.Capset(&h, &none[0]))
}

// reapOne reaps a child, and reports whether there was one.
func reapOne() bool {
	pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil)
	return pid > 0 || errors.Is(err, unix.EINTR)
}

// start starts a program, and sends its pidfd, or why it did not start; then pid is 0.
func start(ch *channel, path string, args []string, attr *syscall.ProcAttr) (pid int, err error) {
	pidfd := -1
	attr.Sys.PidFD = &pidfd
	pid, err = syscall.ForkExec(path, args, attr)
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return 0, ch.send(reply{Call: callExec, Errno: errno})
	case err != nil:
		return 0, err
	case pidfd < 0:
		_ = unix.Kill(pid, unix.SIGKILL)
		return 0, ch.send(reply{Call: "clone(CLONE_PIDFD)", Errno: unix.ENOSYS})
	}
	defer unix.Close(pidfd)
	return pid, ch.send(reply{Started: true}, pidfd)
}

// runReaper starts one server, and waits for it and all its descendants.
func runReaper(ch *channel) int {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fail(os.NewSyscallError("prctl(PR_SET_CHILD_SUBREAPER)", err))
	}
	var q request
	if ch.receive(&q) != nil {
		return 0 // the process that wanted it has gone
	}
	if q.Mark != 0 {
		// If this fails and the reaper is killed, only processes in the server's session are found.
		_ = unix.Setrlimit(unix.RLIMIT_LOCKS, &unix.Rlimit{Cur: q.Mark, Max: q.Mark})
	}
	server, err := start(ch, q.Path, q.Args, &syscall.ProcAttr{
		Env: q.Env, Files: []uintptr{0, 1, 2},
		// A new session, so that no terminal and none of its keys reach it.
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL},
	})
	if err != nil {
		return fail(err) // the server, if it runs, dies with this thread
	}
	if server == 0 {
		return 0
	}
	patience := cmp.Or(q.Patience, endTimeout)
	done := make(chan reply, 2)
	go func() {
		reapAll(ch, server)
		done <- reply{Gone: true}
	}()
	go func() {
		var q request
		if ch.receive(&q) == nil && q.LetGo {
			done <- reply{LetGo: true}
			return
		}
		// The channel has ended, so what was started must end.
		if !endDescendants(patience) {
			_ = ch.send(reply{Stuck: true})
			// The process that started this has the same time again to end it, and says what it could not. After that, and not at the same
			// moment, the kernel kills the server (PDEATHSIG), which no filter forbids.
			time.Sleep(2 * patience)
			done <- reply{}
		}
	}()
	// The server dies with this thread, which therefore waits.
	_ = ch.send(<-done) // perhaps nobody listens any more
	return 0
}

// reapAll reports the server's end, and returns when no child is left.
func reapAll(ch *channel, server int) {
	for {
		var status syscall.WaitStatus
		switch pid, err := syscall.Wait4(-1, &status, 0, nil); {
		case err == syscall.EINTR:
		case err != nil: // ECHILD
			return
		case pid == server:
			_ = ch.send(reply{Exit: &status})
		}
	}
}
