package sandbox

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"lastack/sockstate/netns"
)

// explain adds the likely cause to err, from the host's settings.
func explain(err error, mode Mode) error {
	var se *SysctlError
	if errors.As(err, &se) {
		if errors.Is(se.Err, unix.ENOENT) {
			se.HostWide = visible(se.Sysctl.Key)
			// tcp_mem is the whole host's: only the initial namespace shows it (ipv4_table).
			se.Hidden = !se.HostWide && !visible("net.ipv4.tcp_mem")
		}
		return err
	}
	var e *Error
	if errors.As(err, &e) {
		e.Cause = likelyCause(e.step, mode, errnoOf(e.Err), readTrimmed)
	}
	return err
}

// visible reports whether the caller's network namespace has a sysctl, or shows the whole host's.
func visible(key string) bool {
	_, err := os.Stat(procSys(key))
	return err == nil
}

func readTrimmed(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

// bestMode is Root for root with CAP_SYS_ADMIN in the initial user namespace. Another user
// with that capability would lose it, or PDEATHSIG, at exec.
func bestMode() Mode {
	if !netns.InInitialUserNamespace() || os.Geteuid() != 0 {
		return User
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&hdr, &caps[0]); err != nil || caps[0].Effective&(1<<unix.CAP_SYS_ADMIN) == 0 {
		return User
	}
	return Root
}
