package capture

import (
	"net/netip"

	"lastack/sockstate/netns"
)

// Config says what to capture.
type Config struct {
	// Namespace is where the clients are; nil is the calling thread's.
	Namespace *netns.NS
	// Server is the address that clients connect to. It must be a single one, as packets bear it.
	Server netip.AddrPort
	// Filter says which of the segments from and to Server are captured; the zero value: those that open and end connections.
	Filter Filter
	// Link is the name of the link to listen on; empty is the one by which the route to Server leaves. It has to be
	// given where not all packets take that: in the server's own namespace, or with routes by source address.
	Link string
	// Max bounds the packets that are kept, of 40 bytes each (80 with the index); what is beyond it is counted in
	// Trace.Dropped. 0 is DefaultMax.
	Max int
}

// DefaultMax is enough for a minute of 15,000 connections/s.
const DefaultMax = 4 << 20
