package capture

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Trace is the result of a Capture.
type Trace struct {
	// Packets are in order of time.
	Packets []Packet
	// Dropped is the number of packets that passed the filter and are missing: the ring was full, or Config.Max
	// reached.
	Dropped int64
	// Link is the name of the link.
	Link string
	// ClockError bounds the error of Packet.At from converting between two clocks.
	ClockError time.Duration
	// ClockStep is by how much the wall clock was set during the capture, the sum of steps in both directions. If it
	// is not 0, the times of packets up to about 20 ms before each step may be wrong by that.
	ClockStep time.Duration

	// byClient holds the packets of each client, in order of time, at spans[client].
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
	// Stable: packets of the same nanosecond stay in ring order.
	slices.SortStableFunc(packets, func(a, b Packet) int { return cmp.Compare(a.At, b.At) })
	t := &Trace{Packets: packets}
	t.index()
	return t
}

// index is a counting sort: it measures the spans, then fills them.
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

// Find returns the packets from and to a client's address between two times, inclusive, in order of time. Later
// connections reuse a client's port, hence the times. The caller must not change the result. It costs a map lookup
// and a binary search.
func (t *Trace) Find(client netip.AddrPort, from, to int64) []Packet {
	s := t.spans[clientKey{client.Addr().As16(), client.Port()}]
	all := t.byClient[s.begin:s.end]
	i, _ := slices.BinarySearchFunc(all, from, func(p Packet, at int64) int { return cmp.Compare(p.At, at) })
	all = all[i:]
	// Find the first packet later than to.
	i, _ = slices.BinarySearchFunc(all, to, func(p Packet, at int64) int {
		if p.At <= at {
			return -1
		}
		return 1
	})
	return all[:i:i]
}
