package sockstate

import (
	"net/netip"
	"time"
)

// Tuple is the address pair of one socket, seen from that socket.
type Tuple struct {
	Local, Remote netip.AddrPort
}

// Pair is what a local port must be unique for: every connection of a pair
// occupies one local port of the source address until it leaves TIME_WAIT.
type Pair struct {
	Source      netip.Addr
	Destination netip.AddrPort
}

// Filter selects the sockets of one load: those that have one of the servers'
// addresses as an end. IPv4-mapped addresses are compared as IPv4.
type Filter struct {
	// Servers lists the addresses that the load connects to.
	Servers []netip.AddrPort
	// Since is when the load began: a TIME_WAIT that was entered before it is another's. The zero
	// time takes all.
	Since time.Time
}

// timeWaitSlack is how far off a TIME_WAIT's time left may be: its timer may fire late.
const timeWaitSlack = 100 * time.Millisecond

// Match tells which end of the load's connections s is, as Side does, and leaves out what
// is older than the load.
func (f *Filter) Match(s *Socket) (side Side, ok bool) {
	if s.State == TimeWait && !f.Since.IsZero() && TimeWaitLength-s.Left > time.Since(f.Since)+timeWaitSlack {
		return 0, false
	}
	return f.Side(s.Tuple)
}

// Side tells which end of the load's connections a socket is. Listeners
// (remote port 0) are reported as the server's. ok is false for a socket of
// another load.
func (f *Filter) Side(t Tuple) (side Side, ok bool) {
	for _, s := range f.Servers {
		if t.Remote == s {
			return Client, true
		}
		if t.Local == s {
			return Server, true
		}
		if t.Remote.Port() == 0 && t.Local.Port() == s.Port() && t.Local.Addr().IsUnspecified() {
			return Server, true
		}
	}
	return 0, false
}

// Census counts the sockets of one load at one instant. The zero value is an
// empty census. A source walks a hash table that changes under it, so counts of
// a busy host may be off by the sockets that moved during the walk.
type Census struct {
	// Count is the number of sockets by side and state. Request sockets
	// (SYN received, handshake not finished) count as SynRecv.
	Count [NumSides][NumStates]int
	// FinWait2Mini is the part of FinWait2 that are minisockets: orphans waiting
	// for the peer's FIN under tcp_fin_timeout (timewait_sock with substate
	// FIN_WAIT_2).
	FinWait2Mini [NumSides]int
	// NotAccepted is the part of Established and CloseWait that still stand in the
	// accept queue: full sockets without an inode on the server's side.
	NotAccepted int
	// Orphans is the number of full sockets, in a state after ESTABLISHED, that
	// no process holds any more.
	Orphans [NumSides]int
	// AcceptQueue and Backlog are the listeners' sums of sk_ack_backlog and
	// sk_max_ack_backlog, where the source reports them (sock_diag does).
	AcceptQueue, Backlog int
	// LongestLeft is the time that the youngest TIME_WAIT still has, to the resolution of the source
	// (10 ms for /proc/net/tcp, 1 ms for sock_diag); 0 without one.
	LongestLeft time.Duration
	// Ports counts the client's sockets of each pair: local ports in use, TIME_WAIT
	// included. Nil until the first client socket is added.
	Ports map[Pair]int
}

// Socket is one line of an observer, reduced to what a census needs.
type Socket struct {
	Tuple Tuple
	State State
	// Mini is set for timewait_sock minisockets, whose State is TIME_WAIT or FIN_WAIT_2.
	Mini bool
	// Inode is 0 for minisockets, orphans and connections not yet accepted.
	Inode uint64
	// Left is the time left of a minisocket.
	Left time.Duration
	// AcceptQueue and Backlog are set for listeners, where the source knows them.
	AcceptQueue, Backlog int
}

// Add counts a socket of the given side.
func (c *Census) Add(side Side, s *Socket) {
	state := s.State
	if state == NewSynRecv {
		state = SynRecv
	}
	c.Count[side][state]++
	switch {
	case state == Listen:
		c.AcceptQueue += s.AcceptQueue
		c.Backlog += s.Backlog
		return
	case state == TimeWait:
		c.LongestLeft = max(c.LongestLeft, s.Left)
	case state == FinWait2 && s.Mini:
		c.FinWait2Mini[side]++
	case s.Inode != 0 || state == SynRecv || state == SynSent:
	case side == Server && (state == Established || state == CloseWait):
		c.NotAccepted++
	case state != Established && state != Closed:
		c.Orphans[side]++
	}
	if side == Client && state != Closed {
		if c.Ports == nil {
			c.Ports = make(map[Pair]int)
		}
		c.Ports[Pair{s.Tuple.Local.Addr(), s.Tuple.Remote}]++
	}
}

// Reset empties the census and keeps its memory.
func (c *Census) Reset() {
	ports := c.Ports
	clear(ports)
	*c = Census{Ports: ports}
}

// Total is the number of sockets of a side, listeners not counted.
func (c *Census) Total(side Side) int {
	n := 0
	for s, k := range c.Count[side] {
		if State(s) != Listen {
			n += k
		}
	}
	return n
}

// Source takes a census. Implementations: procnet, sockdiag.
type Source interface {
	// Census adds the load's sockets to c. It is not safe for concurrent use.
	Census(f *Filter, c *Census) error
	// Seen is the number of sockets that the last Census received from the kernel, of any load.
	Seen() int
	Close() error
}
