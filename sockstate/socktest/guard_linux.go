package socktest

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// Guard fails the test if, after its cleanups, it has left goroutines or descriptors behind.
func Guard(t *testing.T) {
	t.Helper()
	// The runtime's poller opens its own descriptors at the first use: have that behind us.
	if r, w, err := os.Pipe(); err == nil {
		_, _ = r.Close(), w.Close()
	}
	before := openFds(t)
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		if t.Failed() {
			return // the failure matters more than what it left behind
		}
		goleak.VerifyNone(t, ignore)
		if after := openFds(t); len(after) > len(before) {
			t.Errorf("descriptors before: %v\nafter: %v", before, after)
		}
	})
}

func openFds(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var fds []string
	for _, e := range entries {
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil { // ReadDir's own is closed
			fds = append(fds, e.Name()+":"+to)
		}
	}
	return fds
}
