package process

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"time"
)

// Contain is how the descendants of a process are kept from outliving it.
type Contain string

// The ways to contain.
const (
	// Auto is PIDNamespace if the host allows it and the program works in it, else Group.
	Auto Contain = "auto"
	// PIDNamespace ends with its init: the kernel kills all that is in it (pid_namespaces(7)). It needs CAP_SYS_ADMIN or a user namespace
	// around it. Root without that capability gets no user namespace, as a server could not change its user there. Processes in it have
	// their own numbers: a PID file means nothing outside, and a program that signals others by number must be started beside them
	// (Spec.Beside).
	PIDNamespace Contain = "pidns"
	// Group is a session of its own below a child subreaper (PR_SET_CHILD_SUBREAPER). It needs no privilege. A process can escape only if
	// somebody kills the reaper with SIGKILL: see errReaperKilled.
	Group Contain = "group"
)

// Spec is a program to start.
type Spec struct {
	// Args is the command. Args[0] is looked up in PATH unless it has a slash in it.
	Args []string
	// Contain is Auto if it is empty. A hook, which acts on processes that are not its own, wants Group: see Hook.
	Contain Contain
	// Beside, if not nil, is an own process whose PID namespace this one shares, so that both see each other's numbers: the second half
	// of a rolling restart, "nginx -s reload". Contain is ignored then. The namespace lasts until both have been ended.
	Beside *Process
	// env is the environment, as KEY=VALUE; empty: this process's. LASTACK_* are left out.
	env []string
	// patience is how long the reaper tries to end what it has, and waits to be ended after that; 0: endTimeout.
	patience time.Duration
}

// Hook runs a command line by a shell that acts on a server: on beside, or, if that is nil, on one that is not the run's own.
func Hook(command string, beside *Process) Spec {
	return Spec{Args: []string{"/bin/sh", "-c", command}, Contain: Group, Beside: beside}
}

// Exit is how a process ended.
type Exit struct {
	// Known is set if Code and Signal are known. Of a process that is not one's own they can be read since Linux 6.15 (PIDFD_GET_INFO).
	Known bool
	// Code is the exit code of a process that ended by itself; 0 if Signal ended it.
	Code   int
	Signal syscall.Signal // 0: none
	// At is when the end was seen, on the clock of clock.Now.
	At int64
}

// Process is a server, one's own (Start) or another's (Attach). Its methods may be called concurrently.
type Process struct {
	own bool
	pid int
	// contain is how an own one is kept, reason why that is not a PID namespace.
	contain Contain
	reason  string

	exited, gone chan struct{}
	exit         Exit // when exited is closed
	trouble      atomic.Pointer[string]
	held
}

// PID is the process's number in this process's PID namespace.
func (p *Process) PID() int { return p.pid }

// Own tells that the process was started here.
func (p *Process) Own() bool { return p.own }

// Contained is how the process's descendants are kept from outliving it, empty for one that is not one's own,
// and why that is not a PID namespace.
func (p *Process) Contained() (by Contain, reason string) {
	if !p.own {
		return "", "it was not started by this run"
	}
	return p.contain, p.reason
}

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Exit is how it ended; it is zero until Exited is closed.
func (p *Process) Exit() Exit {
	if p.running() {
		return Exit{}
	}
	return p.exit
}

// running tells that the number is still the process's.
func (p *Process) running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Gone is closed when the last descendant of an own process has ended too, daemons that forked away included, or was let
// go. What descends from another's is not followed: Gone is closed with Exited.
func (p *Process) Gone() <-chan struct{} { return p.gone }

// Trouble is what kept this process from knowing about an own one in time, empty if nothing did.
func (p *Process) Trouble() string {
	if s := p.trouble.Load(); s != nil {
		return *s
	}
	return ""
}

func (p *Process) setTrouble(format string, args ...any) {
	p.trouble.Store(new(fmt.Sprintf(format, args...)))
}
