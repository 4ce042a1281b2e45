package host

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lastack/sockstate/netns"
)

// A host whose namespace cannot be named is read all the same.
func TestIdentify(t *testing.T) {
	var f Facts
	f.identify(func(name string) (string, error) {
		return "", &os.PathError{Op: "readlink", Path: name, Err: unix.EACCES}
	})
	if d := cmp.Diff(Facts{NetNS: "not read", Unread: []string{netns.File + ": permission denied"}}, f); d != "" {
		t.Error(d)
	}
}
