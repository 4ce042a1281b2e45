package socktest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/sockstate/netns"
	"lastack/sockstate/sockio"
)

// NewNamespace makes a network namespace with lo up and the sysctls set, each written like
// "net.ipv4.tcp_fin_timeout=5". It skips the test if CAP_SYS_ADMIN is missing.
func NewNamespace(t testing.TB, sysctls ...string) *netns.NS {
	t.Helper()
	ns, err := netns.New()
	if errors.Is(err, unix.EPERM) && !Capable(t, unix.CAP_SYS_ADMIN) {
		t.Skipf("CAP_SYS_ADMIN is not in effect: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	err = ns.Do(func() error {
		if err := sockio.LoopbackUp(); err != nil {
			return err
		}
		for _, s := range sysctls {
			name, value, _ := strings.Cut(s, "=")
			path := filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/"))
			if err := os.WriteFile(path, []byte(value), 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return ns
}

// Capable reports whether a capability (CAP_SYS_ADMIN and the like) is in effect.
func Capable(t testing.TB, c int) bool {
	t.Helper()
	runtime.LockOSThread() // another thread may end between open and read
	defer runtime.UnlockOSThread()
	b, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		t.Fatal(err)
	}
	var caps uint64
	for line := range strings.Lines(string(b)) {
		if _, err := fmt.Sscanf(line, "CapEff: %x", &caps); err == nil {
			break
		}
	}
	return caps&(1<<c) != 0
}
