package socktest

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// Guard compares goroutines and descriptors after the test, and what it cleans up, with
// those before.
func Guard(t *testing.T) {
	t.Helper()
	// The runtime's poller opens its descriptors once, with the first that it watches.
	if r, w, err := os.Pipe(); err == nil {
		_, _ = r.Close(), w.Close()
	}
	before := openFds(t)
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() {
		if t.Failed() {
			return // what failed may have left something, and is the thing to tell
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
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil { // not the directory's own
			fds = append(fds, e.Name()+":"+to)
		}
	}
	return fds
}
