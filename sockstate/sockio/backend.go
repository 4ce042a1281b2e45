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

// Named returns the backend called name, uring or epoll, whether or not the kernel allows it (ProbeRing).
func Named(name string) (Backend, error) {
	switch name {
	case "uring":
		return Backend{Name: "uring", New: NewUring}, nil
	case "epoll":
		return Backend{Name: "epoll", New: NewEpoll, Descriptors: true}, nil
	}
	return Backend{}, fmt.Errorf("unknown engine %q", name)
}

// Choose returns the backend called name; auto takes the best that the kernel allows, and
// says in reason why it is not a better one. An error says why there is none of that name.
func Choose(name string) (b Backend, reason string, err error) {
	switch name {
	case "", "auto":
		b, _ := Named("uring")
		err := ProbeRing()
		if errors.Is(err, sockstate.ErrNeedsLinux) {
			return Backend{}, "", err
		} else if err != nil {
			b, _ = Named("epoll")
			return b, err.Error(), nil
		}
		return b, "", nil
	case "uring":
		b, _ := Named(name)
		return b, "", ProbeRing()
	}
	b, err = Named(name)
	return b, "", err
}
