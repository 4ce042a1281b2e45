package process

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// startError means that a program did not start. It wraps the errno.
type startError struct {
	Args []string
	// Call is what failed: execve (ENOENT, EACCES, ENOEXEC, ...), clone, or a step before.
	Call string
	Err  error
}

func (e *startError) Error() string {
	return fmt.Sprintf("cannot start %q: %s: %v%s", strings.Join(e.Args, " "), e.Call, e.Err, e.remedy())
}

func (e *startError) remedy() string {
	if e.Call != callExec || len(e.Args) == 0 {
		return ""
	}
	name := e.Args[0]
	switch {
	case errors.Is(e.Err, syscall.ENOENT) && !strings.Contains(name, "/"):
		return fmt.Sprintf(" (there is no %s in PATH)", name)
	case errors.Is(e.Err, syscall.ENOENT):
		return fmt.Sprintf(" (there is no %s, or not the interpreter that it names)", name)
	case errors.Is(e.Err, syscall.EACCES):
		return fmt.Sprintf(" (%s is no file that may be executed: chmod +x?)", name)
	case errors.Is(e.Err, syscall.ENOEXEC):
		return " (no program: a script needs #! in its first line)"
	}
	return ""
}

func (e *startError) Unwrap() error { return e.Err }

// callExec is startError.Call if the program itself was refused.
const callExec = "execve"

// containError says why there is no PID namespace. It wraps the errno.
type containError struct {
	// Call is what the kernel refused.
	Call string
	Err  error
	// Cause is the likely reason; empty if unknown.
	Cause string
}

func (e *containError) Error() string {
	s := fmt.Sprintf("no PID namespace: %s: %v", e.Call, e.Err)
	if e.Cause != "" {
		s += ": " + e.Cause
	}
	return s
}

func (e *containError) Unwrap() error { return e.Err }

// attachError means that Attach failed. It wraps the errno: ESRCH if there is no such process.
type attachError struct {
	PID int
	Err error
}

func (e *attachError) Error() string {
	switch {
	case errors.Is(e.Err, syscall.ESRCH), e.PID <= 0:
		return fmt.Sprintf("there is no process %d", e.PID)
	case errors.Is(e.Err, syscall.EINVAL), errors.Is(e.Err, syscall.ENOENT):
		return fmt.Sprintf("%d is a thread, not a process: give the process's number (Tgid in /proc/%d/status)", e.PID, e.PID)
	case errors.Is(e.Err, syscall.ENOSYS):
		return fmt.Sprintf("process %d: pidfd_open: %v (it needs Linux 5.3, or a seccomp filter forbids it)", e.PID, e.Err)
	}
	return fmt.Sprintf("process %d: pidfd_open: %v", e.PID, e.Err)
}

func (e *attachError) Unwrap() error { return e.Err }

// SignalError means that a signal was not sent. It wraps the errno: EPERM if it is not allowed, ESRCH if the process has ended.
type SignalError struct {
	PID    int
	Signal syscall.Signal
	// Own is set if the process belongs to this user: then EPERM has another reason.
	Own bool
	Err error
}

func (e *SignalError) Error() string {
	switch {
	case errors.Is(e.Err, syscall.EPERM) && e.Own:
		return fmt.Sprintf("no permission to signal process %d, though it is this user's: a seccomp filter or a security policy forbids kill: run outside of it, or stop the server by a command (--stop)", e.PID)
	case errors.Is(e.Err, syscall.EPERM):
		return fmt.Sprintf("no permission to signal process %d: it belongs to another user (run as that user, or as root)", e.PID)
	case errors.Is(e.Err, syscall.ESRCH):
		return fmt.Sprintf("process %d has ended", e.PID)
	}
	if e.Signal == 0 { // asks only whether it may be signalled
		return fmt.Sprintf("whether process %d may be signalled could not be asked: %v: %s", e.PID, e.Err, allowKill)
	}
	return fmt.Sprintf("%s could not be sent to process %d: %v: %s", SignalName(e.Signal), e.PID, e.Err, allowKill)
}

// allowKill is what to do if something other than permissions refuses a signal.
const allowKill = "a seccomp filter or a security policy may forbid kill: run outside of it, or stop the server by a command (--stop)"

func (e *SignalError) Unwrap() error { return e.Err }

// Why LetGo refuses.
var (
	errRunning     = errors.New("it has not exited, and only what has exited is let go: wait for it, or end it")
	errInNamespace = errors.New("what it has left cannot outlive its PID namespace: start it with Contain Group")
)

// errReaperKilled is EndError.Err if somebody has killed the reaper (Contain Group). End has killed the processes that it recognized: by
// the mark (see newMark), and by the server's session if the server lived until then. It does not find the others.
var errReaperKilled = errors.New("somebody has killed the server's reaper, so that processes of the server may have escaped: " +
	"look for them with ps, and leave lastack-reaper alone")

// EndError means that End could not end everything.
type EndError struct {
	// Left lists the processes that still lived when End gave up; it is empty if End knows of none.
	Left []int
	Err  error
}

func (e *EndError) Error() string {
	if len(e.Left) == 0 {
		return e.Err.Error()
	}
	return fmt.Sprintf("processes are left behind: %v: %v", e.Left, e.Err)
}

func (e *EndError) Unwrap() error { return e.Err }
