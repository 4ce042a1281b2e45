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

// Names of the census, as --census spells them.
const (
	CensusAuto = "auto" // diag where it works, else proc, else off
	CensusDiag = "diag"
	CensusProc = "proc"
	CensusOff  = "off" // what Source returns when auto found none
)

// Config says what to observe.
type Config struct {
	// Namespaces are the network namespaces that the load's sockets are in, each once; a nil
	// entry is the calling thread's own. None at all means just that one. They may be closed
	// once New has returned. Other namespaces than the own need CAP_SYS_ADMIN (Namespace.Enter).
	Namespaces []*netns.NS
	// Filter selects the load's sockets. With no servers the census stays empty.
	Filter sockstate.Filter
	// Census is auto, diag or proc; empty means auto.
	Census string
	// ServerPID is the process that serves the load where that is not this one, or 0. It is
	// observed with all its descendants, for servers that fork workers.
	ServerPID int
}

// CensusError is a census that was asked for and cannot be had.
type CensusError struct {
	Census string
	// Err is nil for a name that does not exist.
	Err error
}

func (e *CensusError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("census %q: want %s, %s or %s", e.Census, CensusAuto, CensusDiag, CensusProc)
	}
	return fmt.Sprintf("census %s does not work here (%s takes another): %v", e.Census, CensusAuto, e.Err)
}

func (e *CensusError) Unwrap() error { return e.Err }

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
