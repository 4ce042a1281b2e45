package observe

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lastack/sockstate/netns"
)

// Where the namespace's file cannot be opened, the observer of this process's own lacks its name alone.
func TestIdentify(t *testing.T) {
	hidden := func(name string) (string, error) {
		return "", &os.PathError{Op: "readlink", Path: name, Err: unix.EACCES}
	}
	var n namespace
	if err := n.identify(nil, hidden); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]string{netns.File: "permission denied"}, n.unread); d != "" || n.id != "this network namespace" {
		t.Errorf("%q, unread: %s", n.id, d)
	}
	if err := n.identify(&netns.NS{}, hidden); !errors.Is(err, unix.EACCES) {
		t.Errorf("a namespace that was entered: %v", err)
	}
	here, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	if err := n.identify(nil, os.Readlink); err != nil || n.id != here.ID() {
		t.Errorf("%q, %v; want %s", n.id, err, here.ID())
	}
}
