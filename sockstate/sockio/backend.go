package sockio

import (
	"errors"
	"fmt"

	"lastack/sockstate"
)

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
func BackendNames() []string { return []string{"auto", "uring", "epoll"} }

// Choose returns the backend called name; auto takes the best that the kernel allows, and
// says in reason why it is not a better one. An error says why there is none of that name.
func Choose(name string) (b Backend, reason string, err error) {
	uring := Backend{Name: "uring", New: NewUring}
	epoll := Backend{Name: "epoll", New: NewEpoll, Descriptors: true}
	switch name {
	case "", "auto":
		err := ProbeRing()
		if errors.Is(err, sockstate.ErrNeedsLinux) {
			return Backend{}, "", err
		} else if err != nil {
			return epoll, err.Error(), nil
		}
		return uring, "", nil
	case "uring":
		return uring, "", ProbeRing()
	case "epoll":
		return epoll, "", nil
	}
	return Backend{}, "", fmt.Errorf("unknown engine %q", name)
}
