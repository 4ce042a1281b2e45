package observe

import (
	"fmt"
	"net/netip"

	"lastack/sockstate"
	"lastack/sockstate/netns"
)

// Unknown is the value of a gauge that this kernel or namespace does not have, or
// does not show to this user. It is never a measured value.
const Unknown = -1

// Config says what to observe.
type Config struct {
	// Namespaces are the network namespaces that the load's sockets are in, each once; a nil
	// entry is the calling thread's own. None at all means just that one. They may be closed
	// once New has returned. Other namespaces than the own need CAP_SYS_ADMIN (Namespace.Enter).
	Namespaces []*netns.NS
	// Filter selects the load's sockets. With no servers the census stays empty.
	Filter sockstate.Filter
	// Census is auto, or the name of a source; empty means auto.
	Census string
	// Sources are those to choose from, the best first; nil: Sources().
	Sources []Source
	// Tracer traces the load from New to StopTrace; nil: none.
	Tracer Tracer
	// ServerPID is the process that serves the load where that is not this one, or 0. It is
	// observed with all its descendants, for servers that fork workers.
	ServerPID int
}

// NamespaceTwiceError is a namespace that Config.Namespaces has twice: its sockets and
// counters would count double.
type NamespaceTwiceError struct{ ID string }

func (e *NamespaceTwiceError) Error() string {
	return fmt.Sprintf("network namespace %s is to be observed twice", e.ID)
}

// plain is the filter as the sources compare: IPv4-mapped addresses are IPv4, and no
// source tells a zone.
func plain(f sockstate.Filter) sockstate.Filter {
	servers := make([]netip.AddrPort, len(f.Servers))
	for i, s := range f.Servers {
		servers[i] = netip.AddrPortFrom(s.Addr().Unmap().WithZone(""), s.Port())
	}
	f.Servers = servers
	return f
}
