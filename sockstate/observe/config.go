package observe

import (
	"fmt"
	"net/netip"

	"lastack/sockstate"
	"lastack/sockstate/netns"
)

// Unknown is the value of a gauge that this kernel or namespace lacks, or hides from
// this user. It is never a measured value.
const Unknown = -1

// Config says what to observe.
type Config struct {
	// Namespaces are the network namespaces of the load's sockets, each once. A nil entry is
	// the calling thread's own; an empty list means just that one. They may be closed once New
	// has returned. Entering another namespace needs CAP_SYS_ADMIN (netns.NS.Enter).
	Namespaces []*netns.NS
	// Filter selects the load's sockets. Without servers the census stays empty.
	Filter sockstate.Filter
	// Census is auto, or the name of a source; empty means auto.
	Census string
	// Sockets is about how many sockets there will be at once, TIME_WAIT included: auto takes a source that takes long to open only
	// for many (Source.From).
	Sockets int64
	// Pairs is about how many pairs of a local address and a server they have. 0: not known, and few.
	Pairs int
	// Sources are the sources to choose from, the best first; nil: Sources().
	Sources []Source
	// ServerPID is the server's process if it is another one, or 0. It is observed with all its
	// descendants, as servers fork workers.
	ServerPID int
}

// namespaceTwiceError is a namespace listed twice in Config.Namespaces: its sockets and
// counters would count double.
type namespaceTwiceError struct{ ID string }

func (e *namespaceTwiceError) Error() string {
	return fmt.Sprintf("network namespace %s is listed twice", e.ID)
}

// plain converts the filter's addresses to the sources' form: IPv4-mapped ones to IPv4,
// and without a zone.
func plain(f sockstate.Filter) sockstate.Filter {
	servers := make([]netip.AddrPort, len(f.Servers))
	for i, s := range f.Servers {
		servers[i] = netip.AddrPortFrom(s.Addr().Unmap().WithZone(""), s.Port())
	}
	f.Servers = servers
	return f
}
