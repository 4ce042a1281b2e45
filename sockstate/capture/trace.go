package capture

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Trace is what a Capture saw.
type Trace struct {
	// Packets are in the order of time.
	Packets []Packet
	// Dropped is the number of packets that passed the filter and are not here: the ring was full, or Config.Max
	// reached.
	Dropped int64
	// Link is the name of the link that was listened on.
	Link string
	// ClockError bounds the error that Packet.At has from the reading of two clocks.
	ClockError time.Duration
	// ClockStep is by how much the wall clock was set during the capture, steps in both directions added up. If it is
	// not 0, the packets of some 20 ms before each step may be wrong by that.
	ClockStep time.Duration

	// byClient holds the packets in the order of time for each client, at the span of its key.
	byClient []Packet
	spans    map[clientKey]span
}

// clientKey is an address and port; netip.AddrPort has a pointer.
type clientKey struct {
	addr [16]byte
	port uint16
}

type span struct{ begin, end uint32 }

// NewTrace makes a trace of packets, which it sorts by time.
func NewTrace(packets []Packet) *Trace {
	// Stable: packets of the same nanosecond stay in the order of the ring.
	slices.SortStableFunc(packets, func(a, b Packet) int { return cmp.Compare(a.At, b.At) })
	t := &Trace{Packets: packets}
	t.index()
	return t
}

// index sorts by counting: the spans are measured first, then filled.
func (t *Trace) index() {
	counts := make(map[clientKey]uint32)
	for i := range t.Packets {
		counts[t.Packets[i].key()]++
	}
	t.spans = make(map[clientKey]span, len(counts))
	t.byClient = make([]Packet, len(t.Packets))
	next := uint32(0)
	for i := range t.Packets {
		k := t.Packets[i].key()
		s, ok := t.spans[k]
		if !ok {
			s = span{next, next}
			next += counts[k]
		}
		t.byClient[s.end] = t.Packets[i]
		s.end++
		t.spans[k] = s
	}
}

func (p *Packet) key() clientKey { return clientKey{p.Client, p.ClientPort} }

// Find returns the packets from and to a client's address from one time to another, both included, in the order of
// time. A client's port is used again by later connections, hence the times. The caller must not
// change what is returned. It costs one look-up, and a binary search among the packets of that address.
func (t *Trace) Find(client netip.AddrPort, from, to int64) []Packet {
	s := t.spans[clientKey{client.Addr().As16(), client.Port()}]
	all := t.byClient[s.begin:s.end]
	i, _ := slices.BinarySearchFunc(all, from, func(p Packet, at int64) int { return cmp.Compare(p.At, at) })
	all = all[i:]
	// The first that is later than to: one that equals to is before it.
	i, _ = slices.BinarySearchFunc(all, to, func(p Packet, at int64) int {
		if p.At <= at {
			return -1
		}
		return 1
	})
	return all[:i:i]
}
