package sockio

import "fmt"

// NamespaceError is a failed system call on a network namespace. It wraps the errno.
type NamespaceError struct {
	// Call is the system call: unshare, setns, open or fstat.
	Call string
	// Namespace is the namespace's ID, or the path that was to be opened; empty for one not yet made.
	Namespace string
	Err       error
}

func (e *NamespaceError) Error() string {
	if e.Namespace == "" {
		return fmt.Sprintf("network namespace: %s: %v", e.Call, e.Err)
	}
	return fmt.Sprintf("network namespace %s: %s: %v", e.Namespace, e.Call, e.Err)
}

func (e *NamespaceError) Unwrap() error { return e.Err }
