package sandbox

import (
	"net/netip"
	"sync"

	"lastack/bench/record"
	"lastack/sockstate/netns"
)

// Sandbox is the inside of a sandbox that has proved itself.
type Sandbox struct {
	Mode     Mode
	Topology Topology
	// Client is the namespace of this process. Server is the same value with Lo,
	// another namespace with Veth. Both are closed after the job.
	Client, Server *netns.NS
	// ServerAddr4 and ServerAddr6 are the server's addresses; a listener on the
	// unspecified address has them too. ServerAddr6 is invalid where the kernel has no IPv6.
	ServerAddr4, ServerAddr6 netip.Addr
	// ClientAddr6 is what the kernel chooses as source; invalid where it has no IPv6.
	ClientAddr6 netip.Addr
	// ClientRange4 can be bound to at the client, every address of it.
	ClientRange4 netip.Prefix
	// ClientRange6 likewise, invalid unless Range6 was among the Sources asked for.
	ClientRange6 netip.Prefix
	// Status is what the run record says about the sandbox.
	Status record.Sandbox

	// ends are the links that packets arrive on: one with Lo; with Veth two, by sockstate.Side.
	ends []end

	orphans []*orphanage // of each namespace

	mu         sync.Mutex
	blackholes int
	closed     bool
}

// end is a link of the sandbox, in its namespace.
type end struct {
	ns   *netns.NS
	link string
}
