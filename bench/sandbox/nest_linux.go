package sandbox

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"lastack/sockstate/netns"
)

// ehashKey is the size of the connection hash of namespaces made inside this one; with 0 they
// share the host's (tcp_set_hashinfo, Linux 6.1).
const ehashKey = "net.ipv4.tcp_child_ehash_entries"

// nest executes the program once more in a namespace inside this one, with the connection hash of
// the spec. It returns only if that fails; the process is then still in its namespace.
//
// The process stays the same: one thread moves, and its execve ends the other threads and makes its
// namespace the process's (de_thread). A second clone would need an additional process to forward
// signals and the exit code.
func nest(h *handoff) error {
	return netns.OnOwnThread(func() error {
		outer, err := netns.Current()
		if err != nil {
			return err
		}
		defer outer.Close()
		if err := checkFresh(h, outer); err != nil {
			return err
		}
		again := *h
		again.Outer = outer.ID()
		file, err := again.file()
		if err != nil {
			return err
		}
		defer file.Close()
		if err := askForHash(h.Spec.EhashEntries); err != nil {
			return err
		}
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return os.NewSyscallError("unshare", err)
		}
		// PDEATHSIG is per thread, and this new thread has none (copy_process).
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
			return os.NewSyscallError("prctl", err)
		}
		// Made close-on-exec again if execve fails.
		kept := append(pipes[:], int(file.Fd()))
		for _, fd := range kept {
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
				return os.NewSyscallError("fcntl", err)
			}
		}
		err = unix.Exec("/proc/self/exe", os.Args, envWith(os.Environ(), int(file.Fd())))
		for _, fd := range kept {
			unix.CloseOnExec(fd)
		}
		return os.NewSyscallError("execve", err)
	})
}

// askForHash gives namespaces made inside the calling thread's a connection hash of their own.
func askForHash(entries int) error {
	err := writeFile(procSys(ehashKey), strconv.Itoa(entries))
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%s: not in this kernel (Linux 6.1 has it)", ehashKey)
	}
	return err
}

// ownHash is the size of the connection hash of the calling thread's namespace, 0 if it shares the
// host's (proc_tcp_ehash_entries prints that as a negative number).
func ownHash() int {
	n, _ := strconv.Atoi(readTrimmed(procSys("net.ipv4.tcp_ehash_entries")))
	return max(n, 0)
}

// checkHash returns the smallest hash of the namespaces, and an error if it is smaller than want: without
// memory the kernel falls back to the shared one (inet_pernet_hashinfo_alloc).
func (s *Sandbox) checkHash(want int) (entries int, err error) {
	entries = math.MaxInt
	if err := s.inEach(func() error { entries = min(entries, ownHash()); return nil }); err != nil {
		return 0, err
	}
	if entries < want {
		return entries, fmt.Errorf("asked for %d entries, but the namespace has %d of its own", want, entries)
	}
	return entries, nil
}
