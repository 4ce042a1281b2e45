package drain

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"syscall"
	"time"

	"lastack/bench/process"
	"lastack/sockstate"
	"lastack/sockstate/clock"
	"lastack/sockstate/sockdiag"
)

// observe watches until the server is gone or back and no connection of before the signal is left, and
// Stop.Watch longer; or until the grace is over.
func (t *try) observe(ctx context.Context) error {
	s := &t.spec.Stop
	limit := t.ev.signal + int64(s.Grace)
	var quiet int64 // since when there is nothing to wait for
	t.pacing = t.ev.pace.keep(t.ev.signal)
	for poll := time.NewTicker(pollEvery); ; {
		select {
		case <-ctx.Done():
			poll.Stop()
			return nil
		case <-poll.C:
		case <-t.exits():
		}
		now := clock.Now()
		if err := t.seeServer(now); err != nil {
			return err
		}
		if t.restart != nil && t.ev.restartReady == 0 && t.failed == nil {
			limit = max(limit, t.ev.restarted+int64(s.startWithin())) // it has its own time
		}
		if !t.graceOver && now >= t.ev.signal+int64(s.Grace) {
			t.graceOver = true
			if t.ev.exited != 0 && t.ev.gone == 0 {
				t.atGrace, _, _ = t.target.holders() // none: then it is not known
			}
		}
		if now >= limit && t.ev.thenSent == 0 && t.ev.gone == 0 && s.Then != 0 && t.target.proc != nil {
			switch err := t.sendThen(); {
			case err == nil:
				t.ev.thenSent = now
				limit = now + int64(thenAtMost)
			case !errors.Is(err, errNotOurs) && !errors.Is(err, syscall.ESRCH):
				t.rec.Server.SignalFailed = err.Error()
			}
		}
		switch {
		case !t.over():
			quiet = 0
		case quiet == 0:
			quiet = now
		}
		if quiet != 0 && now >= quiet+int64(s.Watch) || now >= limit+int64(s.Watch) {
			poll.Stop()
			return nil
		}
	}
}

// lingerAtMost bounds the wait for sockets of a process that has ended: a ring of io_uring lets go of them late.
const lingerAtMost = 2 * time.Second

// sendThen sends the second signal: to the process, or, where that has ended, to those of ours that it left behind.
func (t *try) sendThen() error {
	if t.ev.exited == 0 {
		return t.target.proc.Signal(t.spec.Stop.Then)
	}
	p := t.target.own()
	if p == nil {
		return errNotOurs
	}
	return p.SignalAll(t.spec.Stop.Then)
}

var errNotOurs = errors.New("the process that was named has ended")

// thenAtMost is how long a server may take to end after the second signal.
const thenAtMost = 5 * time.Second

// exits wakes the watch at once when the server ends; nil once it has.
func (t *try) exits() <-chan struct{} {
	if t.target.proc == nil || t.ev.exited != 0 {
		return nil
	}
	return t.target.proc.Exited()
}

// seeServer notes what has become of the server, the hook and the restart.
func (t *try) seeServer(now int64) error {
	if h := t.hook; h != nil && t.ev.hookEnded == 0 {
		select {
		case <-h.Exited():
			t.ev.hookEnded = h.Exit().At
		default:
		}
	}
	if t.target.proc == nil && t.hook != nil && t.target.local() && !t.looked {
		// The listener's end is what can be seen of the server's.
		there, err := process.Listening(t.target.diag, t.spec.Target)
		if err != nil {
			return err
		}
		if len(there) == 0 {
			return t.gone()
		}
	}
	if p := t.target.proc; p != nil && t.ev.exited == 0 {
		select {
		case <-p.Exited():
			t.ev.exited = p.Exit().At
		default:
		}
	}
	if t.ev.exited != 0 && t.ev.gone == 0 {
		gone, err := t.isGone(now)
		if err != nil {
			return err
		}
		if gone {
			t.ev.gone = max(now, t.ev.exited)
			if now-t.ev.exited < int64(2*pollEvery) {
				t.ev.gone = t.ev.exited
			}
			return t.gone()
		}
	}
	if t.restart == nil && t.hook != nil && t.ev.hookEnded != 0 && len(t.spec.Stop.Restart) > 0 && !t.target.local() {
		return t.startAgain() // when the old one is gone cannot be seen
	}
	if t.restart == nil || t.ev.restartReady != 0 {
		return nil
	}
	own, err := t.target.listenersOf(t.restart, t.target.addr, t.handover)
	if err != nil {
		return err
	}
	if len(own) > 0 {
		t.ev.restartReady = now
		return nil
	}
	if t.failed != nil {
		return nil
	}
	fail := func(why string) {
		t.failed = &StartError{Command: t.spec.Stop.Restart, Why: why, Said: t.restart.Said()}
	}
	select {
	case <-t.restart.Gone():
		fail(fmt.Sprintf("the restart ended (%s), and nobody listens on %v", exitWords(t.restart.Exit()), t.target.addr))
	default:
		if why, hopeless := t.astray.look(t.target, t.restart); hopeless {
			fail(why)
		}
	}
	return nil
}

// isGone reports whether nobody of the old server listens any more: a shell around a server ends, or a parent of workers, and
// its children serve on. Who has a listener is looked up every holdersEvery only, as it takes milliseconds.
func (t *try) isGone(now int64) (bool, error) {
	listens, err := t.target.listens()
	if err != nil || !listens {
		return err == nil, err
	}
	if now < t.nextHolders {
		return false, nil
	}
	t.nextHolders = now + int64(holdersEvery)
	pids, unheld, err := t.target.holders()
	if err != nil {
		return false, err
	}
	return len(pids) == 0 && !(unheld && now-t.ev.exited < int64(lingerAtMost)), nil
}

const holdersEvery = 100 * time.Millisecond

// gone looks at what the server has left on its port, and brings it back.
func (t *try) gone() error {
	t.looked = true
	if t.target.proc != nil {
		if pids := t.target.stillHeld(); len(pids) > 0 {
			t.warn("listener: process %s holds the listening socket still, though %s has ended, so that nobody is refused: it may serve on, or be an upgrade that inherits the socket", numbers(pids), signalled(t.hook != nil))
		}
	}
	if t.target.proc != nil && t.hook == nil && t.spec.Stop.reloads() && len(t.spec.Stop.Restart) == 0 {
		// A server may reload by handing its port to a new process.
		now, err := process.Listeners(t.target.diag, t.target.addr)
		t.reloadEnded = err == nil && !slices.ContainsFunc(now, func(l process.Listener) bool { return len(l.Holders) > 0 || l.Unreadable > 0 })
	}
	restart := len(t.spec.Stop.Restart) > 0 && !t.spec.Stop.Handover && t.restart == nil
	if t.target.local() && !t.spec.Stop.Handover && !t.target.behind {
		// Nobody has taken the port yet.
		t.rec.Port = t.target.bindable()
	}
	if restart {
		if err := t.startAgain(); err != nil {
			return err
		}
	}
	return t.leftovers()
}

// leftovers counts the sockets on the server's port that no process has any more.
func (t *try) leftovers() error {
	if !t.target.local() || t.target.behind {
		return nil
	}
	t.left = make(map[netip.AddrPort]sockdiag.Socket)
	filter := sockstate.Filter{Servers: []netip.AddrPort{t.spec.Target}}
	return t.target.diag.Each(&filter, func(s *sockdiag.Socket) {
		side, ok := filter.Side(s.Tuple)
		if !ok || side != sockstate.Server || s.State == sockstate.Listen || s.Inode != 0 {
			return
		}
		if s.State == sockstate.Established || s.State == sockstate.CloseWait {
			return // in the accept queue of who took over
		}
		t.left[plainAddr(s.Tuple.Remote)] = *s
	})
}

// describeLeft counts what was left, but for connections that had ended before the stop.
func (t *try) describeLeft() {
	if t.left == nil {
		return
	}
	l := &t.rec.Leftover
	l.Known, l.States = true, make(map[string]int)
	mine := make(map[netip.AddrPort]bool)
	for i := range t.ev.journal.Conns {
		if c := &t.ev.journal.Conns[i]; t.ev.concerns(c) && c.Opened != 0 {
			mine[c.Local()] = true
		}
	}
	for client, s := range t.left {
		if !mine[client] {
			if s.State == sockstate.TimeWait {
				l.Earlier++
			}
			continue
		}
		l.States[s.State.String()]++
		switch s.State {
		case sockstate.TimeWait:
			l.TimeWait++
			l.LongestLeftS = max(l.LongestLeftS, s.Left.Seconds())
		case sockstate.FinWait2:
			l.FinWait2++
		default:
		}
	}
}

// over reports whether nothing more is to be waited for but what Stop.Watch is for.
func (t *try) over() bool {
	switch {
	case t.target.proc != nil && t.ev.gone == 0 && !t.spec.Stop.reloads():
		return false
	case t.hook != nil && t.ev.hookEnded == 0:
		return false
	case len(t.spec.Stop.Restart) > 0 && t.ev.restartReady == 0 && t.failed == nil:
		return false
	}
	if t.ev.gone != 0 && (t.spec.Stop.Handover || t.target.behind) {
		return true // what is left belongs to the server that took over, or to the one in front
	}
	for _, g := range t.load.Snapshot().Groups {
		if g.Before > 0 {
			return false
		}
	}
	return true
}

// owners looks up who has the connections that are open at the end.
func (t *try) owners() {
	if !t.target.local() && t.restart == nil || t.target.behind {
		return
	}
	inodes := make(map[uint64]netip.AddrPort)
	filter := sockstate.Filter{Servers: []netip.AddrPort{t.spec.Target}}
	err := t.target.diag.Each(&filter, func(s *sockdiag.Socket) {
		if side, ok := filter.Side(s.Tuple); ok && side == sockstate.Server && s.State == sockstate.Established && s.Inode != 0 {
			inodes[s.Inode] = s.Tuple.Remote
		}
	})
	if err != nil || len(inodes) == 0 {
		return
	}
	var fresh []int
	if t.restart != nil {
		fresh, _ = t.restart.Tree() // none: then they are not known to be new
	}
	var tree []int
	if t.target.proc != nil {
		tree, _ = t.target.proc.Tree() // likewise
	}
	who := process.Owners(slices.Concat(t.target.pids, tree, fresh), slices.Collect(maps.Keys(inodes)))
	t.ev.owners = make(map[netip.AddrPort]owner, len(who))
	for inode, pid := range who {
		o := ownerNew // of the restart, or a reload's new worker
		if !slices.Contains(fresh, pid) && slices.Contains(t.target.pids, pid) {
			o = ownerOld
		}
		t.ev.owners[plainAddr(inodes[inode])] = o
	}
}

// plainAddr is an address as the journal has it.
func plainAddr(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

// signalled names the process that was to stop.
func signalled(byHook bool) string {
	if byHook {
		return "the server's process"
	}
	return "the process that was signalled"
}
