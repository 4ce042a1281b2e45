package netns

import (
	"errors"
	"os"
	"runtime"
)

// File is the calling thread's network namespace; /proc/self/ns/net would be that of the
// thread-group leader.
const File = "/proc/thread-self/ns/net"

// NS is a network namespace, kept alive by an open descriptor. All methods may be
// called concurrently, and on a nil NS, which is the caller's namespace.
type NS struct {
	file *os.File
	id   string
}

// Current opens the network namespace of the calling thread. It needs no privilege. A
// goroutine that is not locked to its thread gets the process's namespace, provided
// that every thread that has left it is locked for life.
func Current() (*NS, error) {
	file, err := os.Open(File)
	if err != nil {
		return nil, &Error{Call: "open", Namespace: File, Err: errors.Unwrap(err)}
	}
	id, err := os.Readlink(File)
	if err != nil {
		_ = file.Close() // err matters more
		return nil, &Error{Call: "readlink", Namespace: File, Err: errors.Unwrap(err)}
	}
	return &NS{file, id}, nil
}

// New makes a network namespace. It needs CAP_SYS_ADMIN in the caller's user namespace
// (EPERM without; ENOSPC at user.max_net_namespaces). The namespace has the kernel's
// default sysctls, and its lo is down.
func New() (ns *NS, err error) {
	err = OnOwnThread(func() error {
		if err := unshare(); err != nil {
			return &Error{Call: "unshare", Err: err}
		}
		ns, err = Current()
		return err
	})
	return ns, err
}

// Enter moves the calling thread into the namespace (setns). The caller must have
// locked its goroutine to the thread for life: otherwise the thread would run other
// goroutines in the wrong namespace. It needs CAP_SYS_ADMIN in the caller's user
// namespace and in the one that owns ns.
func (ns *NS) Enter() error {
	if ns == nil {
		return nil
	}
	conn, err := ns.file.SyscallConn()
	if err != nil {
		return &Error{Call: "setns", Namespace: ns.id, Err: err}
	}
	// Control keeps a concurrent Close from freeing the number for another file. Control
	// itself fails only if the file is closed, with an error that has no public name.
	errno := os.ErrClosed
	_ = conn.Control(func(fd uintptr) { errno = setns(int(fd)) })
	if errno != nil {
		return &Error{Call: "setns", Namespace: ns.id, Err: errno}
	}
	return nil
}

// Do runs f inside the namespace, on a goroutine and thread of its own, and returns
// its error. Sockets that f opens belong to the namespace for good and may be used
// anywhere afterwards; goroutines that f starts run outside. On a nil NS it just calls
// f. It needs the privileges of Enter.
func (ns *NS) Do(f func() error) error {
	if ns == nil {
		return f()
	}
	return OnOwnThread(func() error {
		if err := ns.Enter(); err != nil {
			return err
		}
		return f()
	})
}

// errNoReturn is Do's error if f ends its goroutine (runtime.Goexit, which testing's
// FailNow calls).
var errNoReturn = errors.New("function in a network namespace ended its goroutine without returning")

// OnOwnThread runs f on a thread that runs nothing else and ends with f: the runtime ends
// a thread whose goroutine exits while locked to it. Returning to the first namespace
// instead could fail, and the thread could then not be reused.
//
// It is never the main thread, which cannot end, and whose namespace /proc/self/net and
// /proc/PID/ns/net show as the process's.
func OnOwnThread(f func() error) error {
	err := errNoReturn
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if onMainThread() {
			// This goroutine holds the main thread, so the next one gets another.
			defer runtime.UnlockOSThread()
			err = OnOwnThread(f)
			return
		}
		err = f()
	}()
	<-done
	return err
}

// InInitialUserNamespace reports whether the process is in the initial user namespace:
// capabilities in another one allow less.
func InInitialUserNamespace() bool {
	const procUserInitIno = "user:[4026531837]" // include/linux/proc_ns.h
	ns, err := os.Readlink("/proc/self/ns/user")
	return err == nil && ns == procUserInitIno
}

// ID is the namespace's name in /proc, like "net:[4026531840]". Two open namespaces are
// the same if their IDs are equal. It is empty for a nil NS.
func (ns *NS) ID() string {
	if ns == nil {
		return ""
	}
	return ns.id
}

// Fd is the descriptor, close-on-exec, valid until Close; -1 for a nil NS.
// The caller keeps ns reachable while it uses the number.
func (ns *NS) Fd() int {
	if ns == nil {
		return -1
	}
	return int(ns.file.Fd())
}

// Close releases the namespace. The kernel removes it with its last thread, descriptor
// and socket.
func (ns *NS) Close() error {
	if ns == nil {
		return nil
	}
	return ns.file.Close()
}
