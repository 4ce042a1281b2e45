package process

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lastack/sockstate/netns"
)

// space is a PID namespace with its init, for the processes that share it.
type space struct {
	init *child

	mu    sync.Mutex
	ch    *channel
	users int
}

// child is a child of this program.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{}
}

// spawn executes this program as init or reaper, by the arguments, with the file as its channel.
//
// It gets a process group, so that a terminal's keys do not reach it, but no session: that would be a separate task group
// (sched_autogroup_create_attach), which may get no CPU for seconds beside a busy one. This process would be blocked too: the thread that
// forks sleeps until the child has called execve (CLONE_VFORK) and keeps its P, so the next garbage collection waits for it, and every
// goroutine for that.
func spawn(args []string, ch, out *os.File, attr *syscall.SysProcAttr) (*child, error) {
	attr.Setpgid = true
	c := &child{ended: make(chan struct{}), cmd: &exec.Cmd{
		Path: "/proc/self/exe", Args: args, Env: initEnv,
		ExtraFiles: []*os.File{ch}, SysProcAttr: attr,
	}}
	if out != nil {
		c.cmd.Stdout, c.cmd.Stderr = out, out
	}
	started := make(chan error, 1)
	go func() {
		// The kernel sends PDEATHSIG when the thread that forked ends (forget_original_parent), so it waits.
		var forked bool
		_ = netns.OnOwnThread(func() error {
			err := c.cmd.Start()
			forked = err == nil
			started <- err
			if forked {
				_ = c.cmd.Wait() // how it ended does not matter: its channel reports, or does not
			}
			return nil
		})
		close(c.ended)
	}()
	if err := <-started; err != nil {
		<-c.ended
		return nil, err
	}
	return c, nil
}

// newSpace makes a PID namespace, and a mount namespace for a /proc that shows its numbers. The error is
// a *containError.
func newSpace() (*space, error) {
	s, err := trySpace(&syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS})
	if !errors.Is(err, unix.EPERM) {
		return s, err
	}
	if os.Geteuid() == 0 {
		if e, ok := errors.AsType[*containError](err); ok {
			e.Cause = "root without CAP_SYS_ADMIN, or a seccomp filter, as in most containers"
		}
		return nil, err
	}
	return trySpace(&syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS | unix.CLONE_NEWUSER,
		// Files and peers see the same user.
		UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}},
		// For mount: otherwise execve drops it, as the user is not 0. Init does not pass it on.
		AmbientCaps: []uintptr{unix.CAP_SYS_ADMIN},
	})
}

func trySpace(attr *syscall.SysProcAttr) (*space, error) {
	call, args := "clone(CLONE_NEWPID|CLONE_NEWNS)", []string{initArg}
	if attr.Cloneflags&unix.CLONE_NEWUSER != 0 {
		args = append(args, inUserNamespace)
		call = "clone(CLONE_NEWPID|CLONE_NEWNS|CLONE_NEWUSER)"
	}
	attr.Pdeathsig = unix.SIGKILL
	ch, other, err := newPair()
	if err != nil {
		return nil, &containError{Call: "socketpair", Err: err}
	}
	init, err := spawn(args, other, nil, attr)
	_ = other.Close()
	if err != nil {
		ch.close()
		return nil, &containError{Call: call, Err: bare(err), Cause: likelyCause(err)}
	}
	s := &space{init: init, ch: ch, users: 1}
	var r reply
	ch.patience(setupTimeout)
	if err := ch.receive(&r); err != nil || !r.Init {
		_ = s.end() // err is what matters
		return nil, &containError{Call: "start its init", Err: notUp(err)}
	}
	return s, nil
}

// notUp says why a channel ended before its first message.
func notUp(err error) error {
	return fmt.Errorf("the program that was executed did not answer (does its main call process.Main?): %w", err)
}

func likelyCause(err error) string {
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return "a sysctl, AppArmor or a seccomp filter denies it (lastack doctor tells more)"
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EUSERS):
		return "user.max_pid_namespaces, user.max_mnt_namespaces or user.max_user_namespaces is reached"
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
		return "this kernel is built without PID or user namespaces"
	}
	return ""
}

// reaper makes init start a reaper for the other end of a channel.
func (s *space) reaper(ch, out *os.File) (*handle, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ch.patience(setupTimeout)
	if err := s.ch.send(request{}, int(ch.Fd()), int(out.Fd())); err != nil {
		return nil, err
	}
	var r reply
	if err := s.ch.receive(&r); err != nil {
		return nil, err
	}
	fds := s.ch.take(1)
	if !r.Started || fds == nil {
		return nil, os.NewSyscallError(r.Call, r.Errno)
	}
	return newHandle(fds[0])
}

// enter adds a user; it is false if the last one has left.
func (s *space) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users == 0 {
		return false
	}
	s.users++
	return true
}

// leave ends the namespace with its last user. The error is os.ErrDeadlineExceeded's.
func (s *space) leave() error {
	s.mu.Lock()
	s.users--
	last := s.users == 0
	s.mu.Unlock()
	if !last {
		return nil
	}
	return s.end()
}

// end kills everything in the namespace. Init is reaped last (zap_pid_ns_processes).
func (s *space) end() error {
	defer s.ch.close()
	_ = s.init.cmd.Process.Kill() // it may have ended
	return within(endTimeout, "init of the PID namespace", s.init.ended)
}

// within waits for something to end; the error says that it did not.
func within(limit time.Duration, what string, ended <-chan struct{}) error {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case <-ended:
		return nil
	case <-t.C:
		return fmt.Errorf("%s has not ended in %v: %w", what, limit, os.ErrDeadlineExceeded)
	}
}
