package sockio

import (
	"errors"
	"fmt"

	"lastack/sockstate"
)

// Backend is an implementation of Loop.
type Backend struct {
	// Name is the value of --engine.
	Name string
	New  func(Config) (Loop, error)
	// Descriptors is set if each socket takes a descriptor of the process: RLIMIT_NOFILE then
	// bounds the sockets of all loops together.
	Descriptors bool
}

// BackendNames lists the names that Choose accepts.
func BackendNames() []string { return []string{"auto", "uring", "epoll"} }

// Named returns the backend called name, uring or epoll. It does not ask whether the kernel allows it (ProbeRing).
func Named(name string) (Backend, error) {
	switch name {
	case "uring":
		return Backend{Name: "uring", New: openUring}, nil
	case "epoll":
		return Backend{Name: "epoll", New: NewEpoll, Descriptors: true}, nil
	}
	return Backend{}, fmt.Errorf("unknown engine %q", name)
}

// Choose returns the backend called name. For auto it is the best one that the kernel allows;
// reason then says why it is not a better one. The error says why the named one cannot be used.
func Choose(name string) (b Backend, reason string, err error) {
	auto := name == "" || name == "auto"
	if auto {
		name = "uring"
	}
	if b, err = Named(name); err != nil || name != "uring" {
		return b, "", err
	}
	if err = ProbeRing(); err != nil && auto && !errors.Is(err, sockstate.ErrNeedsLinux) {
		b, _ = Named("epoll")
		return b, err.Error(), nil
	}
	return b, "", err
}
