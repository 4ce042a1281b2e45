package host

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lastack/sockstate/sockio"
)

// A host whose namespace cannot be named is read all the same.
func TestIdentify(t *testing.T) {
	var f Facts
	f.identify(func() (*sockio.Namespace, error) {
		return nil, &sockio.NamespaceError{Call: "open", Namespace: sockio.NamespaceFile, Err: unix.EACCES}
	})
	if d := cmp.Diff(Facts{NetNS: "not read", Unread: []string{sockio.NamespaceFile + ": permission denied"}}, f); d != "" {
		t.Error(d)
	}
}
