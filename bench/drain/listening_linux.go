package drain

import (
	"errors"
	"net/netip"
	"slices"

	"lastack/bench/process"
	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/sockdiag"
	"lastack/sockstate/sockio"
)

// queue lists the clients of connections that nobody has accepted.
func (s *server) queue() (queue, error) {
	clients := make(queue)
	filter := sockstate.Filter{Servers: []netip.AddrPort{s.addr}}
	err := s.diag.Each(&filter, func(one *sockdiag.Socket) {
		side, ok := filter.Side(one.Tuple)
		if ok && side == sockstate.Server && one.Inode == 0 && (one.State == sockstate.Established || one.State == sockstate.CloseWait) {
			clients[plainAddr(one.Tuple.Remote)] = true
		}
	})
	return clients, err
}

// queueLength is the number of connections in the accept queues, by the listeners' own count.
func (s *server) queueLength() (n int, err error) {
	now, err := process.Listening(s.diag, s.addr)
	if err != nil {
		return 0, err
	}
	old := isOneOf(s.listeners)
	for _, l := range now {
		if old(l) {
			n += l.AcceptQueue
		}
	}
	return n, nil
}

// isOneOf reports whether a listener is one of these sockets.
func isOneOf(some []process.Listener) func(process.Listener) bool {
	return func(l process.Listener) bool {
		return slices.ContainsFunc(some, func(o process.Listener) bool { return o.Inode == l.Inode })
	}
}

// oldListeners lists the listeners of before the signal that still exist. It reads the descriptors of all processes.
func (s *server) oldListeners() ([]process.Listener, error) {
	now, err := process.Listeners(s.diag, s.addr)
	old := isOneOf(s.listeners)
	return slices.DeleteFunc(now, func(l process.Listener) bool { return !old(l) }), err
}

// holding lists the processes that hold one of the listeners, of those that which selects.
func holding(some []process.Listener, which func(pid int) bool) (pids []int) {
	for _, l := range some {
		for _, pid := range l.Holders {
			if which(pid) && !slices.Contains(pids, pid) {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// listens reports whether a listener of the old server still exists, but not who holds it. It is cheap.
func (s *server) listens() (bool, error) {
	now, err := process.Listening(s.diag, s.addr)
	return slices.ContainsFunc(now, isOneOf(s.listeners)), err
}

// holders lists the processes of the old server that hold one of its listeners. unheld is set if no process holds one of them.
func (s *server) holders() (pids []int, unheld bool, err error) {
	now, err := s.oldListeners()
	if err != nil {
		return nil, false, err
	}
	old := slices.Clone(s.pids)
	if p := s.own(); p != nil {
		tree, err := p.Tree()
		if err != nil {
			return nil, false, err
		}
		old = append(old, tree...)
	}
	unheld = slices.ContainsFunc(now, func(l process.Listener) bool { return len(l.Holders) == 0 && l.Unreadable == 0 })
	return holding(now, func(pid int) bool { return slices.Contains(old, pid) }), unheld, nil
}

// stillHeld lists the processes that hold a listener of the server that has gone, without those known before.
func (s *server) stillHeld() []int {
	now, err := s.oldListeners()
	if err != nil {
		return nil // then it is not known
	}
	return holding(now, func(pid int) bool { return !slices.Contains(s.sharing, pid) })
}

// bindable tries to bind the port like a new server.
func (s *server) bindable() record.DrainPort {
	try := func(reuse bool) string {
		err := sockio.CanBind(s.addr, reuse)
		var e *sockio.Error
		switch {
		case err == nil:
			return record.DrainBound
		case errors.As(err, &e):
			return sockio.ErrnoName(e.Errno)
		}
		return err.Error()
	}
	return record.DrainPort{Plain: try(false), Reuse: try(true)}
}

// plainAddr is an address as in the journal.
func plainAddr(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
