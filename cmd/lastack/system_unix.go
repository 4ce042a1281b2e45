//go:build unix

package main

import (
	"os"
	"syscall"
)

// What output.go and signals.go need of the system beyond package os.

// noFollow has an open fail with ELOOP for a symbolic link.
const noFollow = syscall.O_NOFOLLOW

// mayWrite is access(2), which waits for nobody where an open of a pipe would.
func mayWrite(path string) error { return syscall.Access(path, 2 /* W_OK */) }

// duplicate is descriptor fd of this process under a number of its own, as the file that holds it closes it.
func duplicate(fd int, name string) (*os.File, error) {
	if _, err := syscall.Write(fd, nil); err != nil { // EBADF for one that is open for reading only
		return nil, err
	}
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	dup, err := syscall.Dup(fd)
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	syscall.CloseOnExec(dup)
	return os.NewFile(uintptr(dup), name), nil
}

// lockedElsewhere locks f, and reports whether another program has done so (flock).
func lockedElsewhere(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == syscall.EWOULDBLOCK
}

// flush is what a close would say: a file system in user space that does not know fsync (fuse_fsync takes that for success) says
// there that a write failed, as NFS does. Each close of a descriptor asks (filp_flush), so that f stays open to be mended.
func flush(f *os.File) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var cerr error
	err = c.Control(func(fd uintptr) {
		if dup, err := syscall.Dup(int(fd)); err == nil { // else f's own close tells
			cerr = os.NewSyscallError("close", syscall.Close(dup))
		}
	})
	if err != nil {
		return err
	}
	return cerr
}

// ownerOf is the user and the group of a file.
func ownerOf(st os.FileInfo) (uid, gid int, ok bool) {
	s, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(s.Uid), int(s.Gid), true
}

// The signals to a process that reached a limit of its own: of CPU time, and of a file's size.
const (
	cpuLimitSignal  = syscall.SIGXCPU
	sizeLimitSignal = syscall.SIGXFSZ
)
