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

// queue lists the clients of the connections that nobody has accepted.
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

// queueLength is the number of connections in the accept queues, as the listeners say.
func (s *server) queueLength() (n int, err error) {
	now, err := process.Listening(s.diag, s.addr)
	if err != nil {
		return 0, err
	}
	for _, l := range now {
		if s.isOld(l) {
			n += l.AcceptQueue
		}
	}
	return n, nil
}

// isOld reports whether a listener is one that the server had before the signal.
func (s *server) isOld(l process.Listener) bool {
	return slices.ContainsFunc(s.listeners, func(o process.Listener) bool { return o.Inode == l.Inode })
}

// listens reports whether a listener of the old server still exists. It costs little, and does not tell who holds it.
func (s *server) listens() (bool, error) {
	now, err := process.Listening(s.diag, s.addr)
	return slices.ContainsFunc(now, s.isOld), err
}

// holders lists the processes of the old server that hold one of its listeners; unheld is set if a listener exists that no process
// holds. It reads the descriptors of all processes.
func (s *server) holders() (pids []int, unheld bool, err error) {
	now, err := process.Listeners(s.diag, s.addr)
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
	for _, l := range now {
		if !s.isOld(l) {
			continue
		}
		unheld = unheld || len(l.Holders) == 0 && l.Unreadable == 0
		for _, pid := range l.Holders {
			if slices.Contains(old, pid) && !slices.Contains(pids, pid) {
				pids = append(pids, pid)
			}
		}
	}
	return pids, unheld, nil
}

// stillHeld lists other processes that hold the listener of a server that is gone, less those that were known before.
func (s *server) stillHeld() []int {
	now, err := process.Listeners(s.diag, s.addr)
	if err != nil {
		return nil // then it is not known
	}
	var pids []int
	for _, l := range now {
		for _, pid := range l.Holders {
			if s.isOld(l) && !slices.Contains(s.sharing, pid) && !slices.Contains(pids, pid) {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// bindable tries to bind the port as a new server would.
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

// plainAddr is an address as the journal has it.
func plainAddr(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
