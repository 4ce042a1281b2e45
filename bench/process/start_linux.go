package process

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"lastack/bench/host"
)

// Start starts a program. The error is a *startError if the program could not be executed, and a *containError if a required PID namespace
// cannot be made.
//
// The program has a new session, no terminal, /dev/null as its input and no other descriptor. It has this process's user, network
// namespace, limits (except RLIMIT_LOCKS, see newMark) and environment (without LASTACK_*). Its output is always read; Said returns the end
// of it. The caller must call End. If this process ends before, in whatever way, the program is killed with all its descendants.
//
// For an ordinary user PIDNamespace means a user namespace, where set-user-ID and file capabilities have no effect (user_namespaces(7)).
// Auto does not choose it for a program with one of these, but cannot know what a shell calls.
func Start(spec Spec) (*Process, error) {
	if isInit() {
		// main has not called Main, and would start itself for ever.
		return nil, &startError{Args: spec.Args, Call: "start its reaper", Err: errors.New("main must call process.Main")}
	}
	path, err := lookUp(spec)
	if err != nil {
		return nil, err
	}
	host.SealDescriptors() // otherwise a server could hold open a listener, or a pipe whose end somebody waits for
	s, reason, err := spec.space(path)
	if err != nil {
		return nil, err
	}
	p, err := launch(spec, path, s)
	if err != nil {
		if s != nil {
			_ = s.leave() // err is what matters
		}
		return nil, err
	}
	p.reason = reason
	return p, nil
}

// cleanEnv leaves out lastack's messages to its own children, as a server may be another lastack.
func cleanEnv(env []string) []string {
	return slices.DeleteFunc(env, func(v string) bool { return strings.HasPrefix(v, envPrefix) })
}

const envPrefix = "LASTACK_"

// lookUp finds the program, and reports errors that are known without starting anything.
func lookUp(spec Spec) (string, error) {
	fail := func(call string, err error) (string, error) {
		return "", &startError{Args: spec.Args, Call: call, Err: err}
	}
	if len(spec.Args) == 0 || spec.Args[0] == "" {
		return fail(callExec, unix.ENOENT)
	}
	for _, s := range slices.Concat(spec.Args, spec.env) {
		if strings.ContainsRune(s, 0) {
			return fail(callExec, unix.EINVAL)
		}
	}
	if strings.Contains(spec.Args[0], "/") {
		return spec.Args[0], nil // execve tells
	}
	path, err := exec.LookPath(spec.Args[0])
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return fail(callExec, unix.ENOENT)
	case err != nil:
		return fail("look it up in PATH", err)
	}
	return path, nil
}

// bare is the errno in err, or err if there is none.
func bare(err error) error {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno
	}
	return err
}

// space is the PID namespace for the program, already entered; nil: none, and reason says why.
func (spec *Spec) space(path string) (s *space, reason string, err error) {
	if b := spec.Beside; b != nil {
		if b.space == nil {
			return nil, b.reason, nil
		}
		if !b.space.enter() {
			return nil, "", &containError{Call: "start beside another", Err: errors.New("that one has been ended")}
		}
		return b.space, "", nil
	}
	switch spec.Contain {
	case Group:
		return nil, "a process group was asked for", nil
	case PIDNamespace:
		s, err := newSpace()
		return s, "", err
	}
	if why := needsInitialUser(path); why != "" {
		return nil, why, nil
	}
	if s, err = newSpace(); err != nil {
		return nil, err.Error(), nil
	}
	return s, "", nil
}

// needsInitialUser says why the program does not work in a user namespace; it is empty if it does.
func needsInitialUser(path string) string {
	if os.Geteuid() == 0 {
		return "" // newSpace makes no user namespace
	}
	if p, err := procfs.Self(); err == nil {
		if s, err := p.NewStatus(); err == nil && s.CapAmb != 0 {
			return "lastack was given ambient capabilities, which have no effect in a user namespace"
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return ""
	}
	if info.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 {
		return filepath.Base(path) + " is set-user-ID, which has no effect in a user namespace"
	}
	if n, err := unix.Getxattr(path, "security.capability", nil); err == nil && n > 0 {
		return filepath.Base(path) + " has file capabilities, which have no effect in a user namespace"
	}
	return ""
}

// launch starts a reaper, in the space if that is not nil, which starts the program.
func launch(spec Spec, path string, s *space) (_ *Process, err error) {
	fail := func(call string, err error) (*Process, error) {
		return nil, &startError{Args: spec.Args, Call: call, Err: bare(err)}
	}
	p := &Process{
		own: true, contain: Group, exited: make(chan struct{}), gone: make(chan struct{}),
		space: s, patience: endTimeout, told: make(chan struct{}), stuck: make(chan struct{}),
	}
	if s != nil {
		p.contain = PIDNamespace
	}
	defer func() {
		if err != nil {
			p.discard()
		}
	}()
	ch, other, err := newPair()
	if err != nil {
		return fail("socketpair", err)
	}
	p.ch = ch
	defer other.Close()
	out, w, err := newOutput()
	if err != nil {
		return fail("pipe2", err)
	}
	p.out = out
	defer w.Close()

	if s != nil {
		p.reaper, err = s.reaper(other, w)
	} else {
		// When this process dies, SIGCONT wakes a reaper that somebody has stopped, so that it ends what it started.
		p.child, err = spawn([]string{reaperArg}, other, w, &syscall.SysProcAttr{Pdeathsig: unix.SIGCONT})
	}
	if err != nil {
		return fail("start its reaper", err)
	}
	// The only other end is the reaper's: the channel ends with it.
	_ = other.Close()

	if s == nil {
		p.mark = newMark()
	}
	env := cleanEnv((&exec.Cmd{Env: spec.env}).Environ())
	q := request{Path: path, Args: spec.Args, Env: env, Mark: p.mark, Patience: spec.patience}
	ch.patience(setupTimeout)
	if err := ch.send(q); err != nil {
		return fail("start its reaper", err)
	}
	var r reply
	if err := ch.receive(&r); err != nil {
		return fail("start its reaper", notUp(err))
	}
	if !r.Started {
		return fail(r.Call, r.Errno)
	}
	ch.patience(0)
	fds := ch.take(1)
	if fds == nil {
		return fail("start its reaper", errors.New("no pidfd came"))
	}
	if p.handle, err = newHandle(fds[0]); err != nil {
		return fail("read the pidfd", err)
	}
	p.pid = p.handle.pid
	go p.listen()
	return p, nil
}

// discard undoes a launch.
func (p *Process) discard() {
	if p.ch != nil {
		p.ch.close() // the reaper ends what it started, and itself
	}
	if p.child != nil {
		<-p.child.ended
	}
	if p.reaper != nil {
		_ = p.reaper.wait() // it cannot be closed yet
		_ = p.reaper.close()
	}
	if p.out != nil {
		p.out.close()
	}
	if p.handle != nil {
		_ = p.handle.close()
	}
}
