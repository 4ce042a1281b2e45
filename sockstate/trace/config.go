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

// CensusConfig says what a census has room for, and where it counts.
type CensusConfig struct {
	// Namespaces are those whose sockets it counts; they may be closed once it is open. A nil entry is that of the calling thread, also of each Census;
	// an empty list means just that one.
	Namespaces []*netns.NS
	// Servers and Pairs are how many servers' addresses a filter has at most, and how many pairs of a local address and a server the
	// sockets. Of each there is room for at least a few: fewServers, fewPairs.
	Servers, Pairs int
}

const (
	fewServers = 8
	fewPairs   = 1 << 16 // those of earlier loads are there for a minute too
)

// DefaultSockets is how many sockets a trace follows at once if Config does not say.
const DefaultSockets = 1 << 18
