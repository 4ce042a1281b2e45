package sockio

import "fmt"

// Backend is a way of driving sockets.
type Backend struct {
	// Name is as --engine spells it.
	Name string
	New  func(Config) (Loop, error)
	// Descriptors is set where each socket takes a descriptor of the process, so that
	// RLIMIT_NOFILE bounds the sockets of all loops together.
	Descriptors bool
}

// BackendNames lists what Choose takes.
func BackendNames() []string { return []string{"auto", "epoll"} }

// Choose returns the backend called name; auto takes the best that the kernel allows, and
// says in reason why it is not a better one.
func Choose(name string) (b Backend, reason string, err error) {
	switch name {
	case "", "auto", "epoll":
		return Backend{Name: "epoll", New: NewEpoll, Descriptors: true}, "", nil
	}
	return Backend{}, "", fmt.Errorf("unknown engine %q", name)
}
