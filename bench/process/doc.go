// Package process starts servers, signals them, knows who owns a listening socket, and leaves nothing behind.
package process

// Contain is how the descendants of a process are kept from outliving it.
type Contain string

// The ways to contain.
const (
	// Auto takes PIDNamespace where the host allows it, else Group.
	Auto Contain = "auto"
	// PIDNamespace ends with its init: the kernel kills all that is in it (pid_namespaces(7)).
	PIDNamespace Contain = "pidns"
	// Group is a process group of its own, and a child subreaper (PR_SET_CHILD_SUBREAPER) above it.
	Group Contain = "group"
)
