package process

import "syscall"

// Contain says what keeps a process's descendants from outliving the run.
type Contain string

// The ways to contain.
const (
	// Auto is PIDNamespace if the host allows it and the program works in it, else Group.
	Auto Contain = "auto"
	// PIDNamespace ends with its init: the kernel then kills every process in it (pid_namespaces(7)). It needs CAP_SYS_ADMIN or a user
	// namespace around it. Root without that capability gets no user namespace, because a server could not change its user there. Processes
	// in it have other numbers than outside: a PID file means nothing outside, and a program that signals others by number must be started
	// beside them (Spec.Beside).
	PIDNamespace Contain = "pidns"
	// Group is a new session below a child subreaper (PR_SET_CHILD_SUBREAPER). It needs no privilege. A process can escape only if somebody
	// kills the reaper with SIGKILL: see errReaperKilled.
	Group Contain = "group"
)

// Exit is how a process ended.
type Exit struct {
	// Known is set if Code and Signal are known. Those of another's process can be read since Linux 6.15 (PIDFD_GET_INFO).
	Known bool
	// Code is the exit code of a process that ended by itself; 0 if Signal ended it.
	Code   int
	Signal syscall.Signal // 0: none
	// At is when the end was seen, on the clock of clock.Now.
	At int64
}
