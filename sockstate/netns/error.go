// Package netns makes network namespaces and runs functions inside them.
package netns

import "fmt"

// Error is a failed system call on a network namespace. It wraps the errno.
type Error struct {
	// Call is the system call: unshare, setns, open or readlink.
	Call string
	// Namespace is the namespace's ID or the path to open; empty for one not yet made.
	Namespace string
	Err       error
}

func (e *Error) Error() string {
	if e.Namespace == "" {
		return fmt.Sprintf("network namespace: %s: %v", e.Call, e.Err)
	}
	return fmt.Sprintf("network namespace %s: %s: %v", e.Namespace, e.Call, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }
