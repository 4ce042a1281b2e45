package drain

import (
	"fmt"
	"os"
	"slices"

	"lastack/bench/process"
	"lastack/bench/quantity"
	"lastack/sockstate"
)

// attach checks that the process exists, may be signalled, and has the listener.
func (s *server) attach(pid int) error {
	refuse := func(why string) error { return sockstate.BadValue("pid", pid, "%s", why) }
	p, err := process.Attach(pid)
	if err != nil {
		return refuse(err.Error())
	}
	s.proc = p
	tree, err := p.Tree()
	if err != nil {
		return err
	}
	if slices.Contains(tree, os.Getpid()) {
		return refuse("this program descends from it, and would be stopped too: want the server's own process")
	}
	if err := p.Signal(0); err != nil {
		return refuse(err.Error())
	}
	if s.listeners, err = process.Listeners(s.diag, s.addr); err != nil {
		return err
	}
	if len(s.listeners) == 0 {
		return refuse(fmt.Sprintf("nobody listens on %v in this network namespace: start the server first, or name the address where it listens (ss -ltnp)", s.addr))
	}
	own, err := p.Owns(s.listeners)
	if err != nil {
		return err
	}
	switch own.Owner {
	case process.NotOwner:
		return refuse(fmt.Sprintf("the process does not listen on %v, nor do its children: %s does", s.addr, holders(s.listeners)))
	case process.CannotTell:
		return refuse(fmt.Sprintf("whether the process listens on %v cannot be read: its descriptors belong to another user (run as that user, or as root)", s.addr))
	case process.Shared:
		if m := own.Master; m != 0 {
			return refuse(fmt.Sprintf("it is a worker: its master, process %d (%s), holds the listening socket too and would serve on: want --pid %d, or --stop 'kill -TERM %d' to see what clients suffer when a worker ends",
				m, quantity.Escape(own.MasterName), m, pid))
		}
		s.sharing = own.By
		who := "process " + listed(own.By)
		if own.Activated {
			who += " (socket activation)"
		}
		s.warnings.add("listener: %s holds the listening socket too, so that nobody is refused when the server closes it: connections wait in its queue", who)
	case process.Owner:
		if own.Activated && own.Unreadable > 0 {
			s.warnings.add("listener: a service manager may have passed the listening socket on (LISTEN_PID); whether it keeps it, so that nobody is refused, is not known: the descriptors of %d processes cannot be read (run as root)", own.Unreadable)
		}
	}
	if len(own.Others) > 0 {
		s.warnings.add("listener: process %s listens on the target too, or will when this one has closed it, so that connections may not be refused", listed(own.Others))
	}
	return nil
}
