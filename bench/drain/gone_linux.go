package drain

import (
	"net/netip"
	"slices"
	"time"

	"lastack/bench/process"
	"lastack/sockstate"
	"lastack/sockstate/sockdiag"
)

// lingerAtMost bounds the wait for the sockets of a process that has ended: io_uring releases them late.
const lingerAtMost = 2 * time.Second

// holdersEvery is the polling interval for the holders of the old listeners; a look takes milliseconds.
const holdersEvery = 100 * time.Millisecond

// lookAtServer checks whether the server has ended, and whether it has gone. Then it looks up what is left, and starts the restart.
func (w *watch) lookAtServer(now int64) (gone bool, err error) {
	p, t := w.server.proc, &w.seen.times
	switch {
	case p == nil && w.hook != nil && w.server.local() && !w.seen.server.searched:
		// Without a known process only the end of the listener can be seen.
		there, err := process.Listening(w.server.diag, w.target)
		if err != nil || len(there) > 0 {
			return false, err
		}
		return true, w.search()
	case p == nil || t.gone != 0:
		return false, nil
	}
	if t.exited = p.Exit().At; t.exited == 0 {
		return false, nil
	}
	if gone, err := w.nobodyListens(now); !gone || err != nil {
		return false, err
	}
	t.gone = max(now, t.exited)
	if now-t.exited < int64(2*pollEvery) {
		t.gone = t.exited
	}
	return true, w.search()
}

// nobodyListens reports whether no process of the old server listens any more. A shell around a server, or a parent of workers, may end
// while the children go on serving.
func (w *watch) nobodyListens(now int64) (bool, error) {
	listens, err := w.server.listens()
	if err != nil || !listens {
		return err == nil, err
	}
	if now < w.nextHolders {
		return false, nil
	}
	w.nextHolders = now + int64(holdersEvery)
	pids, unheld, err := w.server.holders()
	if err != nil {
		return false, err
	}
	return len(pids) == 0 && !(unheld && now-w.seen.exited < int64(lingerAtMost)), nil
}

// search looks up what the server has left on its port, and starts the restart.
func (w *watch) search() error {
	s, saw := w.server, &w.seen.server
	saw.searched = true
	if s.proc != nil {
		if pids := s.stillHeld(); len(pids) > 0 {
			whose := "the process that was signalled"
			if w.hook != nil {
				whose = "the server's process"
			}
			w.seen.warnings.add("listener: process %s holds the listening socket still, though %s has ended, so that nobody is refused: it may serve on, or be an upgrade that inherits the socket", listed(pids), whose)
		}
	}
	if s.proc != nil && w.hook == nil && w.Stop.reloads() && len(w.Stop.Restart) == 0 {
		// A server may reload by handing its port over to a new process.
		now, err := process.Listeners(s.diag, s.addr)
		saw.reloadEnded = err == nil && !slices.ContainsFunc(now, func(l process.Listener) bool { return len(l.Holders) > 0 || l.Unreadable > 0 })
	}
	if s.local() && !w.Stop.Handover && !s.behind {
		// Nobody has taken the port yet.
		saw.port = s.bindable()
	}
	if len(w.Stop.Restart) > 0 && !w.Stop.Handover && w.next == nil {
		if err := w.startNext(); err != nil {
			return err
		}
	}
	return w.leftovers()
}

// leftovers lists the sockets on the server's port that no process has any more.
func (w *watch) leftovers() error {
	if !w.server.local() || w.server.behind {
		return nil
	}
	w.seen.server.left = make(map[netip.AddrPort]sockdiag.Socket)
	filter := w.filter()
	return w.server.diag.Each(filter, func(s *sockdiag.Socket) {
		side, ok := filter.Side(s.Tuple)
		if !ok || side != sockstate.Server || s.State == sockstate.Listen || s.Inode != 0 {
			return
		}
		if s.State == sockstate.Established || s.State == sockstate.CloseWait {
			return // in the accept queue of the server that took over
		}
		w.seen.server.left[plainAddr(s.Tuple.Remote)] = *s
	})
}
