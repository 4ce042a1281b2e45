package sandbox

import (
	"net/netip"
	"sync"

	"lastack/bench/record"
	"lastack/sockstate/netns"
)

// Sandbox is a tested sandbox, seen from inside.
type Sandbox struct {
	Mode     Mode
	Topology Topology
	// Client is this process's namespace. Server is the same value with Lo, and
	// another namespace with Veth. Both are closed after the job.
	Client, Server *netns.NS
	// Router is between both, nil without one. It has the ends of a Relay.
	Router *netns.NS
	// ServerAddr4 and ServerAddr6 are the server's addresses; a listener on the
	// unspecified address serves them too. ServerAddr6 is invalid without IPv6.
	ServerAddr4, ServerAddr6 netip.Addr
	// ClientAddr6 is the source address that the kernel chooses; invalid without IPv6.
	ClientAddr6 netip.Addr
	// ClientRange4 contains addresses that the client can bind.
	ClientRange4 netip.Prefix
	// Status is the sandbox's entry in the run record.
	Status record.Sandbox

	// ends are the links that packets arrive on: one with Lo, two with Veth, by sockstate.Side.
	ends []end

	orphans []*orphanCleaner // one per namespace

	mu     sync.Mutex
	closed bool
}

// end is a link of the sandbox, in its namespace.
type end struct {
	ns   *netns.NS
	link string
}
