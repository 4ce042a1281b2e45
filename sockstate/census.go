package sockstate

import (
	"net/netip"
	"time"
)

// Tuple is a socket's two addresses.
type Tuple struct {
	Local, Remote netip.AddrPort
}

// Pair is a source address and a destination. Each connection of a pair occupies
// one local port of the source address until it leaves TIME_WAIT.
type Pair struct {
	Source      netip.Addr
	Destination netip.AddrPort
}

// Filter selects the sockets of one load: those with a server's address at either end.
// IPv4-mapped addresses are compared as IPv4.
type Filter struct {
	// Servers lists the addresses that the load connects to.
	Servers []netip.AddrPort
	// Since is when the load began. A TIME_WAIT entered before it belongs to another load. The zero
	// time matches all.
	Since time.Time
}

// timeWaitSlack is the tolerance for a TIME_WAIT's remaining time: its timer may fire late.
const timeWaitSlack = 100 * time.Millisecond

// Match is Side without the sockets that are older than the load.
func (f *Filter) Match(s *Socket) (side Side, ok bool) {
	if s.State == TimeWait && !f.Since.IsZero() && TimeWaitLength-s.Left > time.Since(f.Since)+timeWaitSlack {
		return 0, false
	}
	return f.Side(s.Tuple)
}

// Side returns the end of the load's connections that a socket is. A listener
// (remote port 0) is the server's. ok is false for a socket of another load.
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
// empty census. The kernel's hash table changes while a source walks it, so the counts
// of a busy host may be off by the sockets that moved meanwhile.
type Census struct {
	// Count is the number of sockets by side and state. Request sockets
	// (SYN received, handshake not finished) count as SynRecv.
	Count [NumSides][NumStates]int
	// FinWait2Mini is the number of minisockets in FinWait2: orphans that wait for the
	// peer's FIN under tcp_fin_timeout (timewait_sock with substate FIN_WAIT_2).
	FinWait2Mini [NumSides]int
	// NotAccepted is the number of connections in Established and CloseWait that are still in
	// the accept queue: full sockets without an inode on the server's side.
	NotAccepted int
	// Orphans is the number of full sockets past ESTABLISHED that no process holds.
	Orphans [NumSides]int
	// AcceptQueue and Backlog sum sk_ack_backlog and sk_max_ack_backlog over the listeners,
	// if the source reports them (sock_diag does).
	AcceptQueue, Backlog int
	// LongestLeft is the remaining time of the youngest TIME_WAIT, 0 without one. The resolution is
	// 10 ms for /proc/net/tcp and 1 ms for sock_diag.
	LongestLeft time.Duration
	// Ports is the number of local ports in use for each pair, TIME_WAIT included. Nil
	// until the first client socket is added.
	Ports map[Pair]int
}

// Socket is what a census needs to know of a socket.
type Socket struct {
	Tuple Tuple
	State State
	// Mini is set for timewait_sock minisockets, whose State is TIME_WAIT or FIN_WAIT_2.
	Mini bool
	// Inode is 0 for minisockets, orphans and connections not yet accepted.
	Inode uint64
	// Left is a minisocket's remaining time.
	Left time.Duration
	// AcceptQueue and Backlog are set for listeners, if the source knows them.
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

// Total is the number of sockets of a side, without listeners.
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
	// Seen is the number of sockets that the last Census received from the kernel, whatever their load.
	Seen() int
	Close() error
}
