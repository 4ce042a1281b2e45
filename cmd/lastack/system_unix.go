//go:build unix

package main

import (
	"os"
	"syscall"
)

// What output.go and signals.go need from the system beyond package os.

// noFollow makes an open fail with ELOOP for a symbolic link.
const noFollow = syscall.O_NOFOLLOW

// mayWrite is access(2), which does not block on a pipe as an open would.
func mayWrite(path string) error { return syscall.Access(path, 2 /* W_OK */) }

// duplicate returns a file with a copy of descriptor fd, so that closing the file leaves fd open.
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

// flush returns the error that a close of f would, and leaves f open, so that the caller can still restore its content. NFS, and a FUSE
// file system without fsync (which fuse_fsync takes for success), report a failed write only on close (filp_flush), and every close
// of a copy of the descriptor asks for that.
func flush(f *os.File) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var cerr error
	err = c.Control(func(fd uintptr) {
		if dup, err := syscall.Dup(int(fd)); err == nil { // else f's own close reports it
			cerr = os.NewSyscallError("close", syscall.Close(dup))
		}
	})
	if err != nil {
		return err
	}
	return cerr
}

func ownerOf(st os.FileInfo) (uid, gid int, ok bool) {
	s, ok := st.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(s.Uid), int(s.Gid), true
}

// sizeLimitSignal is the signal to a process that reached its limit of a file's size.
const sizeLimitSignal = syscall.SIGXFSZ
