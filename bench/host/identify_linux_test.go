package host

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lastack/sockstate/netns"
)

// A host whose namespace cannot be named is read all the same.
func TestIdentify(t *testing.T) {
	var f Facts
	f.identify(func() (*netns.NS, error) {
		return nil, &netns.Error{Call: "open", Namespace: netns.File, Err: unix.EACCES}
	})
	if d := cmp.Diff(Facts{NetNS: "not read", Unread: []string{netns.File + ": permission denied"}}, f); d != "" {
		t.Error(d)
	}
}
