package sandbox

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"lastack/sockstate/netns"
)

// ehashKey is what a namespace asks for on behalf of those that are made inside of it; 0: they
// share the host's connection hash (tcp_set_hashinfo, Linux 6.1).
const ehashKey = "net.ipv4.tcp_child_ehash_entries"

// nest executes the program once more in a namespace inside of this one, which has the connection
// hash that the spec asks for. It returns only when that fails, and the process is then where it was.
//
// The process stays the same to its parent: one thread moves, and the execve of a thread ends the
// others and makes its namespace the process's (de_thread). A second clone would need a third process to
// pass signals and the exit code on.
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
		// It is the thread's own, and the thread that is to survive has none yet (copy_process).
		if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
			return os.NewSyscallError("prctl", err)
		}
		// Where execve fails, they are this process's again.
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

// askForHash gives the namespaces that are made inside of the calling thread's a hash of their own.
func askForHash(entries int) error {
	err := writeFile(procSys(ehashKey), strconv.Itoa(entries))
	if errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("%s: not in this kernel (it came with Linux 6.1)", ehashKey)
	}
	return err
}

// ownHash is the size of the connection hash of the calling thread's namespace, 0 if it shares the
// host's (proc_tcp_ehash_entries prints that as a negative number).
func ownHash() int {
	n, _ := strconv.Atoi(readTrimmed(procSys("net.ipv4.tcp_ehash_entries")))
	return max(n, 0)
}

// checkHash returns the size of the hash that each namespace has of its own, and an error where it is less
// than was asked for: the kernel falls back to the shared one when it lacks memory (inet_pernet_hashinfo_alloc).
func (s *Sandbox) checkHash(want int) (entries int, err error) {
	for i, ns := range s.namespaces() {
		var have int
		if err := ns.Do(func() error { have = ownHash(); return nil }); err != nil {
			return 0, err
		}
		if i == 0 || have < entries {
			entries = have
		}
	}
	if entries < want {
		return entries, fmt.Errorf("asked for %d entries, and the namespace has %d of its own", want, entries)
	}
	return entries, nil
}
