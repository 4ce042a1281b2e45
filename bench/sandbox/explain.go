package sandbox

import (
	"errors"
	"os"
	"strings"
	"syscall"
)

// explain adds the likely cause to err, from the host's settings.
func explain(err error, mode Mode) error {
	if se, ok := errors.AsType[*SysctlError](err); ok {
		if errors.Is(se.Err, syscall.ENOENT) {
			se.HostWide = visible(se.Sysctl.Key)
			// tcp_mem is the whole host's: only the initial namespace shows it (ipv4_table).
			se.Hidden = !se.HostWide && !visible("net.ipv4.tcp_mem")
		}
		return err
	}
	if e, ok := errors.AsType[*Error](err); ok {
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
