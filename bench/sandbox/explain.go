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
		if errors.Is(se.Err, syscall.ENOENT) && !se.OfValue() {
			explainAbsent(se, mode)
		}
		return err
	}
	if e, ok := errors.AsType[*Error](err); ok {
		e.Cause = likelyCause(e.step, mode, errnoOf(e.Err), readTrimmed)
	}
	return err
}

// explainAbsent says why a sandbox does not have a key.
func explainAbsent(e *SysctlError, mode Mode) {
	// The namespaces of other users do not show these (xfrm_sysctl_init, ipv6_route_sysctl_init).
	ofRoot := strings.HasPrefix(e.Sysctl.Key, "net.core.xfrm_") || strings.HasPrefix(e.Sysctl.Key, "net.ipv6.route.")
	seen := visible(e.Sysctl.Key)
	e.RootOnly = mode == User && seen && ofRoot
	e.HostWide = seen && !e.RootOnly
	// tcp_mem is the whole host's: only the initial namespace shows it (ipv4_table).
	e.Hidden = !seen && !visible("net.ipv4.tcp_mem")
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
