package trace

import (
	"net/netip"

	"lastack/sockstate/netns"
)

// Config says what to trace.
type Config struct {
	// Servers are the addresses that the load connects to. Only their ports matter.
	Servers []netip.AddrPort
	// Namespaces are those of the load's sockets, as few as possible; nil entries and an empty list mean the calling thread's.
	Namespaces []*netns.NS
	// Sockets and TimeWaits are how many sockets the trace can follow at once; 0: DefaultSockets. Those beyond are counted in
	// Lost.
	Sockets, TimeWaits int
}

// DefaultSockets is how many sockets a trace follows at once if Config does not say.
const DefaultSockets = 1 << 18
