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
	// Fresh is the age below which a TIME_WAIT counts in PortUse.Entered.
	Fresh time.Duration
	// Reuse is what connect does with TIME_WAITs in the client's namespace, for PortUse.Reusable.
	Reuse Reuse
}

// NumAges is the length of an array indexed by a TIME_WAIT's age in seconds.
const NumAges = int(TimeWaitLength/time.Second) + 1

// timeWaitSlack is the tolerance for a TIME_WAIT's remaining time: its timer may fire late.
const timeWaitSlack = 100 * time.Millisecond

// earlier reports whether a socket is of before the load.
func (f *Filter) earlier(s *Socket) bool {
	return s.State == TimeWait && !f.Since.IsZero() && s.age() > time.Since(f.Since)+timeWaitSlack
}

// Limits compares a TIME_WAIT's remaining time.
type Limits struct {
	// Below Earlier it was entered before the load, above Fresh it counts in PortUse.Entered, and below Reusable it is old enough for
	// PortUse.Reusable.
	Earlier, Fresh, Reusable time.Duration
}

// Limits are the filter's limits at this instant, for a source that counts elsewhere than in Census.Add.
func (f *Filter) Limits() Limits {
	l := Limits{Fresh: TimeWaitLength - f.Fresh, Reusable: TimeWaitLength - f.Reuse.Delay}
	if !f.Since.IsZero() {
		l.Earlier = TimeWaitLength - time.Since(f.Since) - timeWaitSlack
	}
	return l
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
	// 10 ms for /proc/net/tcp, 1 ms for sock_diag, and a tick of the kernel (1/CONFIG_HZ) for eBPF.
	LongestLeft time.Duration
	// Ages counts the TIME_WAITs by age, in whole seconds. The last counts those whose 60 s are over and whose timer has not fired yet.
	Ages [NumSides][NumAges]int
	// Ports is the use of local ports by pair. Nil until the first client socket is added. A pair whose ports
	// are free again may remain.
	Ports map[Pair]*PortUse
}

// PortUse counts the local ports of a pair.
type PortUse struct {
	// Open is the number of the load's sockets in any state but TIME_WAIT, TimeWait of those in it.
	Open, TimeWait int
	// Reusable is the part of TimeWait whose ports connect would take over now, Entered the part that is younger than
	// Filter.Fresh.
	Reusable, Entered int
	// Earlier is the number of TIME_WAITs of before the load. They are not counted anywhere else.
	Earlier int
}

// InUse is the number of ports that the load has.
func (u PortUse) InUse() int { return u.Open + u.TimeWait }

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

// age is how long ago a TIME_WAIT was entered; 60 s for a while at its end, see TimeWaitLasts.
func (s *Socket) age() time.Duration { return TimeWaitLength - s.Left }

// Add counts a socket, if it is of the load.
func (c *Census) Add(f *Filter, s *Socket) {
	side, ok := f.Side(s.Tuple)
	if !ok {
		return
	}
	if f.earlier(s) {
		if side == Client {
			c.use(s).Earlier++
		}
		return
	}
	c.add(side, s)
	if side != Client || s.State == Closed {
		return
	}
	u := c.use(s)
	if s.State != TimeWait {
		u.Open++
		return
	}
	u.TimeWait++
	if s.age() < f.Fresh {
		u.Entered++
	}
	if f.Reuse.takes(s) {
		u.Reusable++
	}
}

// AddUse adds to the use of a pair's ports.
func (c *Census) AddUse(p Pair, u PortUse) {
	all := c.useOf(p)
	all.Open += u.Open
	all.TimeWait += u.TimeWait
	all.Reusable += u.Reusable
	all.Entered += u.Entered
	all.Earlier += u.Earlier
}

// use is the use of ports of a client socket's pair.
func (c *Census) use(s *Socket) *PortUse { return c.useOf(Pair{s.Tuple.Local.Addr(), s.Tuple.Remote}) }

func (c *Census) useOf(p Pair) *PortUse {
	u := c.Ports[p]
	if u == nil {
		if c.Ports == nil {
			c.Ports = make(map[Pair]*PortUse)
		}
		u = new(PortUse)
		c.Ports[p] = u
	}
	return u
}

func (c *Census) add(side Side, s *Socket) {
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
		c.Ages[side][min(max(s.age(), 0)/time.Second, TimeWaitLength/time.Second)]++
	case state == FinWait2 && s.Mini:
		c.FinWait2Mini[side]++
	case s.Inode != 0 || state == SynRecv || state == SynSent:
	case side == Server && (state == Established || state == CloseWait):
		c.NotAccepted++
	case state != Established && state != Closed:
		c.Orphans[side]++
	}
}

// Reset empties the census and keeps its memory.
func (c *Census) Reset() {
	for _, u := range c.Ports {
		*u = PortUse{}
	}
	*c = Census{Ports: c.Ports}
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

// Source takes a census. Implementations: trace, sockdiag, procnet.
type Source interface {
	// Census adds the load's sockets to c. It is not safe for concurrent use.
	Census(f *Filter, c *Census) error
	// Seen is the number of sockets that the last Census received from the kernel, or that its program in the kernel looked at, whatever
	// their load.
	Seen() int
	Close() error
}
