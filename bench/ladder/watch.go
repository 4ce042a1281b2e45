package ladder

import (
	"net/netip"
	"slices"
	"time"

	"lastack/sockstate"
)

// Watch is what was seen of a connection.
type Watch struct {
	Client, Server netip.AddrPort
	Packets        []Packet
	// Events are in the order in which they happened.
	Events []Event
	// Began are the states before the first event. A state of 0 is none: CLOSED.
	Began [sockstate.NumSides]sockstate.State
	// Kernel are each side's changes of state with the kernel's own times, in their order; nil without a trace.
	Kernel [sockstate.NumSides][]Change
	// Trace is on, or off and why.
	Trace string
	// Unseen is set if no packets could be seen.
	Unseen bool
	// Link is the client's link at which packets were seen; empty: the relay between both ends saw them.
	Link string
	// Epoch is the wall clock's time at the zero of the events' clock.
	Epoch time.Time
	// End is when the watch ended, and Left what was left then of a minisocket of each side.
	End  int64
	Left [sockstate.NumSides]time.Duration
}

// Silent reports whether the server has sent nothing.
func (w *Watch) Silent() bool {
	return !slices.ContainsFunc(w.Packets, func(p Packet) bool { return p.from(w.Client) == sockstate.Server })
}

// SentAgain reports whether a sender has sent data or a FIN again so soon after the first time. Of SYNs there are no probes.
func (w *Watch) SentAgain(within time.Duration) bool {
	type segment struct {
		side      sockstate.Side
		from, end uint32
	}
	sent := make(map[segment]int64)
	for i := range w.Events {
		e := &w.Events[i]
		if e.Kind != Sent {
			continue
		}
		p := &w.Packets[e.Packet]
		s := segment{p.from(w.Client), p.Seq, p.next()}
		if s.from == s.end || p.Flags.Has(RST) || p.Flags.Has(SYN) {
			continue
		}
		at, again := sent[s]
		if again && e.At-at < int64(within) {
			return true
		}
		sent[s] = e.At
	}
	return false
}

// Change is a change of a full socket's state, as the kernel traced it: what goes from FIN_WAIT_2 or CLOSING to CLOSED may be in TIME_WAIT.
type Change struct {
	At       int64
	Old, New sockstate.State
}

// Event is something that happened.
type Event struct {
	// At is in nanoseconds, on the clock of clock.Now.
	At   int64
	Kind Kind
	// Packet is the index of the packet of Sent, Arrived and Dropped.
	Packet int
	// Side is that of Called and Changed.
	Side sockstate.Side
	Call Call
	// States are those of both sides after it.
	States [sockstate.NumSides]sockstate.State
}

// Kind is what an event is.
type Kind uint8

// The kinds of events.
const (
	// Sent is a packet that its sender has sent; Arrived is when the other side has processed it, Dropped when the network has lost it.
	Sent Kind = iota
	Arrived
	Dropped
	// Replayed is a packet that the network delivers once more. Arrived follows.
	Replayed
	// Called is a system call of a program.
	Called
	// Changed is a state that ended by time.
	Changed
)

// Call is a system call that explains what follows.
type Call uint8

// The calls.
const (
	// CallNone explains nothing.
	CallNone Call = iota
	// CallClose is close(), CallShutdown shutdown(SHUT_WR), CallLinger close() with SO_LINGER {1,n}, CallReset with SO_LINGER {1,0}, and
	// CallUnread is close() with data unread.
	CallClose
	CallShutdown
	CallLinger
	CallReset
	CallUnread
	// CallBindRefused is bind() to a port in TIME_WAIT without SO_REUSEADDR.
	CallBindRefused
)
