package capture

import (
	"net/netip"

	"lastack/sockstate/netns"
)

// Config says what to capture.
type Config struct {
	// Namespace is the clients'; nil is the calling thread's.
	Namespace *netns.NS
	// Server is the address in the packets that clients send.
	Server netip.AddrPort
	// Filter selects among the segments from and to Server. The zero value selects those that open and end connections.
	Filter Filter
	// Link is the name of the link to capture on; empty is the link of the route to Server. It is needed if some
	// packets take another: in the server's own namespace, or with routes by source address.
	Link string
	// Max bounds the number of kept packets, of 40 bytes each (80 with the index). Trace.Dropped counts the others.
	// 0 means 4,194,304, enough for a minute of 15,000 connections/s.
	Max int
}

const defaultMax = 4 << 20
