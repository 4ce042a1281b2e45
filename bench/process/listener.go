package process

import (
	"net/netip"
	"slices"

	"lastack/sockstate/sockdiag"
)

// Sockets lists the listeners of a network namespace: *sockdiag.Conn does.
type Sockets interface {
	Listeners(each func(*sockdiag.Socket)) error
}

// Listener is a socket that takes connections to an address.
type Listener struct {
	// Addr is what it is bound to: the address that was asked for, or a wildcard.
	Addr  netip.AddrPort
	Inode uint64
	// AcceptQueue is how many connections wait in it to be accepted, Backlog its limit.
	AcceptQueue, Backlog int
	// Shadowed is set while the kernel prefers another listener with a more specific address. When that is closed, this one takes over
	// (__inet_lookup_listener, compute_score).
	Shadowed bool
	// Holders are the processes that have it among their descriptors, in the order of their numbers in /proc. When the last of them has
	// closed it, connections are refused.
	Holders []int
	// Unreadable is the number of processes whose descriptors could not be read (another user's: EACCES), each of
	// which may be a holder too.
	Unreadable int

	v6Only bool
}

// Owning is the answer to whether a process owns a listener.
type Owning string

// The answers.
const (
	// Owner is a process that holds it, or of which a descendant does.
	Owner Owning = "owner"
	// Shared is an owner whose close has no effect: a process outside of its tree holds the same socket, like init for one that systemd
	// passed on, or the parent of a worker. Nobody is refused, and connections in the queue are not reset.
	Shared Owning = "shared"
	// NotOwner is one that certainly does not hold it.
	NotOwner Owning = "not_owner"
	// CannotTell is one whose descriptors, or a descendant's, may not be read.
	CannotTell Owning = "cannot_tell"
)

// Ownership says whether a process owns the listener of an address, and with whom.
type Ownership struct {
	Owner Owning
	// Holders are those of the process's tree that hold it: several after a fork.
	Holders []int
	// By are processes outside of its tree that hold it, with this one or instead. They may be unknown (Unreadable).
	By []int
	// Others are those outside that hold another listener which takes connections to the address now (SO_REUSEPORT), or
	// when this one is closed (Listener.Shadowed): the port may go on with them.
	Others []int
	// Master is the process above another's that holds the very same socket, and keeps it when this one ends: the master of a
	// worker. 0: none is known. A service manager is none. MasterName is its name as ps shows it.
	Master     int
	MasterName string
	// Activated is set if a service manager passed sockets to a process of the tree (LISTEN_PID, sd_listen_fds(3)). It usually keeps them;
	// By tells whether it does, unless it is Unreadable.
	Activated bool
	// Unreadable is the number of processes, of those that may be among By and Others, that could not be read.
	Unreadable int
}

// Listening lists the sockets of a network namespace that take connections to an address, those that the kernel prefers
// first. It needs no privilege, and costs a dump of all listeners. Holders and Unreadable are left out. The error
// is a *sockdiag.Error or a *sockdiag.ParseError.
func Listening(diag Sockets, addr netip.AddrPort) ([]Listener, error) {
	all, err := allListeners(diag)
	if err != nil {
		return nil, err
	}
	return taking(all, addr), nil
}

func allListeners(diag Sockets) ([]Listener, error) {
	var all []Listener
	err := diag.Listeners(func(s *sockdiag.Socket) {
		all = append(all, Listener{Addr: s.Tuple.Local, Inode: s.Inode, AcceptQueue: s.AcceptQueue, Backlog: s.Backlog, v6Only: s.V6Only})
	})
	return all, err
}

// rank is how much the kernel prefers the listener for connections to addr; 0: it takes none.
func (l *Listener) rank(addr netip.AddrPort) int {
	own, to := l.Addr.Addr(), addr.Addr().Unmap().WithZone("")
	switch {
	case l.Addr.Port() != addr.Port():
		return 0
	case own == to:
		return 3
	case own == netip.IPv4Unspecified() && to.Is4(), own == netip.IPv6Unspecified() && to.Is6():
		return 2
	case own == netip.IPv6Unspecified() && !l.v6Only:
		return 1
	}
	return 0
}

// taking selects those that take connections to addr, the preferred first.
func taking(all []Listener, addr netip.AddrPort) []Listener {
	ls := slices.DeleteFunc(all, func(l Listener) bool { return l.rank(addr) == 0 })
	slices.SortStableFunc(ls, func(a, b Listener) int { return b.rank(addr) - a.rank(addr) })
	for i := range ls {
		ls[i].Shadowed = ls[i].rank(addr) < ls[0].rank(addr)
	}
	return ls
}

// judge is Owns on what was read: the process's tree, which of its processes hold which listener, and whether all could be read.
func judge(ls []Listener, tree []int, held map[uint64][]int, readable bool) Ownership {
	add := func(to *[]int, pids []int) {
		*to = append(*to, pids...)
		slices.Sort(*to)
		*to = slices.Compact(*to)
	}
	var o Ownership
	var instead []int
	for _, l := range ls {
		o.Unreadable = max(o.Unreadable, l.Unreadable)
		outside := slices.DeleteFunc(slices.Clone(l.Holders), func(pid int) bool { return slices.Contains(tree, pid) })
		switch {
		case l.Shadowed:
			add(&o.Others, outside)
		case len(held[l.Inode]) > 0:
			add(&o.Holders, held[l.Inode])
			add(&o.By, outside)
		default:
			add(&instead, outside)
		}
	}
	switch {
	case len(o.Holders) > 0:
		o.Owner = Owner
		if len(o.By) > 0 {
			o.Owner = Shared
		}
		add(&o.Others, instead)
	case !readable:
		o.Owner, o.By = CannotTell, instead
	default:
		o.Owner, o.By = NotOwner, instead
	}
	return o
}
