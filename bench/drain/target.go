package drain

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"lastack/bench/process"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/sockdiag"
	"lastack/sockstate/sockio"
)

// target is the server under test, as far as this host can know it.
type target struct {
	// addr is where it listens: the target, or another address, if it is behind what listens there (Spec.Also).
	addr netip.AddrPort
	// choices are the addresses of the target's name, of which addr becomes the one on which the server listens; none once that is known.
	choices []netip.AddrPort
	// say tells what goes on meanwhile.
	say    func(string)
	behind bool
	byHook bool // a command stops it, and no signal
	diag   sockets
	// proc is the process to be signalled, nil for a hook; main is what was started, where that is another: a server
	// that put itself into the background.
	proc, main *process.Process
	// listeners are those of the target's address on this host, before the signal; none where it is elsewhere.
	listeners []process.Listener
	// sharing are processes that are not the server's and hold its listener too, as was said before the signal.
	sharing []int
	// pids were the server's processes before the signal.
	pids     []int
	halted   []int
	release  func() // ends the guard of a halted server
	warnings []string
}

// startAtMost is how long a server may take until it listens.
const startAtMost = 30 * time.Second

func (s *Stop) startWithin() time.Duration { return cmp.Or(s.StartTimeout, startAtMost) }

// releasedAtMost is how long the listeners of a server that is gone may stay.
const releasedAtMost = 2 * time.Second

// startPoll is how often is looked whether it does.
const startPoll = 5 * time.Millisecond

// StartError is a server that was started and did not come up.
type StartError struct {
	Command []string
	Why     string
	// Said is the end of what it wrote.
	Said string
}

func (e *StartError) Error() string {
	s := fmt.Sprintf("%q: %s", strings.Join(e.Command, " "), e.Why)
	if said := strings.TrimSpace(e.Said); said != "" {
		return s + "; it said:\n" + said
	}
	return s + "; it said nothing"
}

// openTarget starts the server, or finds it, and makes sure that it is the one. clear makes the port free for it.
func openTarget(ctx context.Context, x *experiment, back *process.Process, clear func(sockets) error) (*target, error) {
	c := &x.spec
	diag, doubt, err := openSockets()
	if err != nil {
		return nil, err
	}
	t := &target{addr: c.Target, diag: diag, byHook: c.Stop.Hook != "", say: func(what string) { x.phase(len(x.tries), what) }}
	if doubt != "" {
		t.warnings = append(t.warnings, doubt)
	}
	if err := clear(diag); err != nil {
		return nil, errors.Join(err, t.end())
	}
	switch {
	case back != nil:
		t.proc = back
		err = t.await(ctx, t.proc, nil, c.Stop.Restart)
	case len(c.Stop.Exec) > 0:
		err = t.start(ctx, x)
	case c.Stop.PID != 0:
		err = t.attach(c.Stop.PID)
	default:
		t.listeners, err = process.Listeners(diag, c.Target)
	}
	if err == nil {
		err = t.ready(false)
	}
	if err != nil {
		return nil, errors.Join(err, t.end())
	}
	return t, nil
}

func (t *target) start(ctx context.Context, x *experiment) error {
	c := &x.spec
	// A listener without a process is that of one which is gone: its ring lets go of it a little later (io_ring_exit_work).
	var there []process.Listener
	_, err := tick(ctx, releasedAtMost, func() (free bool, err error) {
		there, err = process.Listeners(t.diag, t.addr)
		return !slices.ContainsFunc(there, func(l process.Listener) bool { return len(l.Holders) == 0 }), err
	})
	if err != nil {
		return err
	}
	var others []process.Listener // of the name's further addresses, not the server's
	for _, a := range c.Others {
		on, err := process.Listeners(t.diag, a)
		if err != nil {
			return err
		}
		if len(there) == 0 && len(x.holdsAny(on)) > 0 {
			there, t.addr, c.Target = on, a, a
			break
		}
		others = append(others, on...)
	}
	switch front := x.holdsAny(there); {
	case len(there) == 0:
	case len(front) > 0:
		if c.Load.Queued > 0 {
			return sockstate.BadValue("queued", c.Load.Queued, "%v is taken by what --also has started, process %s: its accept queue is not that of the server that is stopped", t.addr, numbers(front))
		}
		t.behind, t.addr, c.Others = true, netip.AddrPort{}, nil
	default:
		return sockstate.BadValue("exec", strings.Join(c.Stop.Exec, " "), "somebody listens on %v already (%s): end it, or drain it by --pid", t.addr, holders(there))
	}
	if t.proc, err = process.Start(process.Spec{Args: c.Stop.Exec, Contain: c.Stop.Contain, Beside: x.beside()}); err != nil {
		return err
	}
	if len(c.Others) > 0 {
		t.choices = append([]netip.AddrPort{c.Target}, c.Others...)
	}
	if err := t.await(ctx, t.proc, others, c.Stop.Exec); err != nil {
		return err
	}
	if len(t.choices) > 0 {
		c.Target, c.Others, t.choices = t.addr, nil, nil
	}
	return nil
}

// numbers lists processes.
func numbers(pids []int) string {
	var s []string
	for _, pid := range pids {
		s = append(s, fmt.Sprint(pid))
	}
	return strings.Join(s, ", ")
}

// holders names who has the listeners.
func holders(ls []process.Listener) string {
	var pids []int
	for _, l := range ls {
		pids = append(pids, l.Holders...)
	}
	if len(pids) == 0 {
		return "whose process cannot be read"
	}
	slices.Sort(pids)
	return "process " + numbers(slices.Compact(pids))
}

// await waits until p listens on the target's address with another socket than those of others.
func (t *target) await(ctx context.Context, p *process.Process, others []process.Listener, command []string) error {
	fail := func(why string) error { return &StartError{Command: command, Why: why, Said: p.Said()} }
	clock := time.NewTicker(startPoll)
	defer clock.Stop()
	var astray wrongPlace
	for limit := time.Now().Add(startAtMost); time.Now().Before(limit); {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-clock.C:
		}
		if err := t.find(p); err != nil {
			return err
		}
		for _, a := range t.candidates() {
			own, err := t.listenersOf(p, a, others)
			if err != nil {
				return err
			}
			if len(own) > 0 {
				t.listeners, t.addr = own, a
				return nil
			}
		}
		if why, hopeless := astray.look(t, p); hopeless {
			return fail(why)
		}
		select {
		case <-p.Gone():
			why := fmt.Sprintf("it ended (%s) before it listened on %s", exitWords(p.Exit()), t.where())
			if all, err := process.Listeners(t.diag, t.addr); err == nil && len(all) > len(others) {
				why += fmt.Sprintf(", where %s does, which it did not start itself: want a server that stays in the foreground (nginx: -g 'daemon off;'), or --pid", holders(all))
			}
			return fail(why)
		default:
		}
	}
	if ports := t.elsewhere(p); ports != "" {
		return fail(fmt.Sprintf("it listens on %s, and not on the target %s", ports, t.where()))
	}
	return fail(fmt.Sprintf("it does not listen on %s after %v", t.where(), startAtMost))
}

// where names the address on which the server is to listen.
func (t *target) where() string {
	if !t.addr.IsValid() {
		return "a TCP port behind what --also has started"
	}
	var s []string
	for _, a := range t.candidates() {
		s = append(s, a.String())
	}
	return strings.Join(s, " or ")
}

// candidates are the addresses on which the server may listen.
func (t *target) candidates() []netip.AddrPort {
	if len(t.choices) > 0 {
		return t.choices
	}
	return []netip.AddrPort{t.addr}
}

const (
	// elsewherePoll is how often a server that does not listen on the target is asked where else, which reads its descriptors.
	elsewherePoll = 250 * time.Millisecond
	// sayAfter is how long it may listen elsewhere alone before that is said, and hopelessAt how long on the target's port of
	// another address: whoever has that has the address wrong. On another port it may be a server that opens its main one late.
	sayAfter, hopelessAt = time.Second, 3 * time.Second
)

// wrongPlace is a server that listens, and not where it should.
type wrongPlace struct {
	since, onPort time.Time // zero: it does not
	said          bool
	next          time.Time // when to look again
}

// look sees where p listens, which has not come to listen on the target, and says why that will not change.
func (w *wrongPlace) look(t *target, p *process.Process) (why string, hopeless bool) {
	now := time.Now()
	if now.Before(w.next) {
		return "", false
	}
	w.next = now.Add(elsewherePoll)
	ports := t.ports(p)
	if line := w.see(now, ports, t.candidates()); line != "" {
		t.say(line)
	}
	return fmt.Sprintf("it listens on %s, and not on the target %s", addresses(ports), t.where()), w.hopeless(now)
}

// see takes note of where a server listens. It returns what there is to say of that, once.
func (w *wrongPlace) see(now time.Time, ports, want []netip.AddrPort) (line string) {
	switch {
	case len(ports) == 0:
		*w = wrongPlace{said: w.said, next: w.next}
		return ""
	case w.since.IsZero():
		w.since = now
	}
	switch same := slices.ContainsFunc(ports, func(a netip.AddrPort) bool { return a.Port() == want[0].Port() }); {
	case !same:
		w.onPort = time.Time{}
	case w.onPort.IsZero():
		w.onPort = now
	}
	if w.said || now.Sub(w.since) < sayAfter {
		return ""
	}
	w.said = true
	return fmt.Sprintf("waiting for the server, which listens on %s so far, and not on %s", addresses(ports), addresses(want))
}

func (w *wrongPlace) hopeless(now time.Time) bool {
	return !w.onPort.IsZero() && now.Sub(w.onPort) >= hopelessAt
}

// find sees where a server listens that is behind the target.
func (t *target) find(p *process.Process) error {
	if t.addr.IsValid() {
		return nil
	}
	pids, err := p.Tree()
	if err != nil {
		return err
	}
	ports, err := process.Ports(t.diag, pids)
	if err != nil || len(ports) == 0 {
		return err
	}
	t.addr = ports[0]
	t.warnings = append(t.warnings, fmt.Sprintf("server: it listens on %s, and what --also has started on the target in front of it: clients see what that makes of the stop", t.elsewhere(p)))
	return nil
}

// listenersOf are those of p on an address.
func (t *target) listenersOf(p *process.Process, on netip.AddrPort, others []process.Listener) ([]process.Listener, error) {
	all, err := process.Listeners(t.diag, on)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(l process.Listener) bool {
		return slices.ContainsFunc(others, func(o process.Listener) bool { return o.Inode == l.Inode })
	})
	if len(all) == 0 {
		return nil, nil
	}
	own, err := p.Owns(all)
	if err != nil || own.Owner == process.NotOwner {
		return nil, err
	}
	// CannotTell is a server that has changed its user; nobody listened here before it was started.
	return all, nil
}

// elsewhere lists the addresses that p listens on.
func (t *target) elsewhere(p *process.Process) string { return addresses(t.ports(p)) }

// ports are the addresses that p listens on, as far as they can be read.
func (t *target) ports(p *process.Process) []netip.AddrPort {
	pids, err := p.Tree()
	if err != nil {
		return nil
	}
	ports, err := process.Ports(t.diag, pids)
	if err != nil {
		return nil
	}
	return ports
}

func addresses(list []netip.AddrPort) string {
	var s []string
	for _, a := range list {
		s = append(s, a.String())
	}
	return strings.Join(s, ", ")
}

// ready finds out who is to be signalled, who listens, and whether a signal may be sent. Much may have changed since the server was
// started: it is asked for the last time just before the signal, which takes some milliseconds.
func (t *target) ready(signal bool) error {
	if t.proc == nil {
		return nil
	}
	if err := t.follow(signal); err != nil {
		return err
	}
	now, err := process.Listeners(t.diag, t.addr)
	if err != nil {
		return err
	}
	if len(now) > 0 {
		t.listeners = now
	}
	if t.pids, err = t.proc.Tree(); err != nil {
		return err
	}
	if err = t.proc.Signal(0); !errors.Is(err, syscall.ESRCH) {
		return err
	}
	_, err = t.followEnded()
	return err
}

// followEnded is for when the process to be signalled has ended just now: it may have put its server into the background. It reports
// whether there is another process to be signalled.
func (t *target) followEnded() (bool, error) {
	ended := t.proc
	select {
	case <-ended.Exited():
	case <-time.After(endKnownAtMost):
	}
	err := t.follow(false)
	return t.proc != ended, err
}

// endKnownAtMost is how long it may take until a process that has ended is known to have.
const endKnownAtMost = 10 * time.Second

// follow has the process signalled that listens, where the one that was started has put its server into the background. It may do
// so at any time, so that this is asked again and again; while the process lives, only before the signal.
func (t *target) follow(signal bool) error {
	p := t.own()
	if p == nil || !hasEnded(t.proc) && (t.main != nil || !signal) {
		return nil
	}
	pid, daemon, err := t.background(p)
	if err != nil || daemon == nil {
		return err
	}
	if t.main != nil {
		_ = t.proc.End() // it lets go of one that has ended
	} else if !t.byHook { // the command knows whom to stop
		t.warnings = append(t.warnings, fmt.Sprintf("server: the command put itself into the background; process %d, which listens, is signalled: started in the foreground (nginx: -g 'daemon off;') there is no doubt who the server is", pid))
	}
	t.main, t.proc = p, daemon
	return nil
}

// looksAtMost is how often background reads /proc.
const looksAtMost = 3

// background finds who listens for p in the background; nil: nobody. Who forks while /proc is read may be missing with its child, as
// in a daemon's second fork, and who was found may have ended since: in both cases it looks again.
func (t *target) background(p *process.Process) (pid int, daemon *process.Process, err error) {
	for range looksAtMost {
		var now []process.Listener
		if now, err = process.Listeners(t.diag, t.addr); err != nil {
			return 0, nil, err
		}
		if pid, err = p.Daemon(now); err != nil {
			return 0, nil, err
		}
		if pid == 0 {
			if len(now) == 0 || !hasEnded(t.proc) {
				break
			}
			continue
		}
		if daemon, err = process.Attach(pid); !errors.Is(err, syscall.ESRCH) {
			return pid, daemon, err
		}
	}
	return 0, nil, nil
}

func hasEnded(p *process.Process) bool {
	select {
	case <-p.Exited():
		return true
	default:
		return false
	}
}

// died says how the server ended before it was to, empty if it lives. Its end is read first: whom it left in the background is looked
// for afterwards, so that it cannot end in between.
func (t *target) died() (string, error) {
	if t.proc == nil || !hasEnded(t.proc) {
		return "", nil
	}
	if moved, err := t.followEnded(); moved || err != nil {
		return "", err
	}
	stop := "the signal was sent"
	if t.byHook {
		stop = "the stop command was started"
	}
	how := fmt.Sprintf("the server ended before %s (%s)", stop, exitWords(t.proc.Exit()))
	if p := t.own(); p != nil {
		if pids, err := p.Tree(); err == nil && len(pids) > 0 {
			how += fmt.Sprintf(": it left process %s behind, of which none can be seen to listen on %v: want a command that stays in the foreground (nginx: -g 'daemon off;')", numbers(pids), t.addr)
		}
	}
	return how, nil
}

// attach makes sure that the process is there, may be signalled, and has the listener.
func (t *target) attach(pid int) error {
	refuse := func(why string) error { return sockstate.BadValue("pid", pid, "%s", why) }
	p, err := process.Attach(pid)
	if err != nil {
		return refuse(err.Error())
	}
	t.proc = p
	tree, err := p.Tree()
	if err != nil {
		return err
	}
	if slices.Contains(tree, os.Getpid()) {
		return refuse("this program descends from it, and would be drained too: want the server's own process")
	}
	if err := p.Signal(0); err != nil {
		return refuse(err.Error())
	}
	if t.listeners, err = process.Listeners(t.diag, t.addr); err != nil {
		return err
	}
	if len(t.listeners) == 0 {
		return refuse(fmt.Sprintf("nobody listens on %v in this network namespace", t.addr))
	}
	own, err := p.Owns(t.listeners)
	if err != nil {
		return err
	}
	switch own.Owner {
	case process.NotOwner:
		return refuse(fmt.Sprintf("the process does not listen on %v, nor do its children: %s does", t.addr, holders(t.listeners)))
	case process.CannotTell:
		return refuse(fmt.Sprintf("whether the process listens on %v cannot be read: its descriptors belong to another user (run as that user, or as root)", t.addr))
	case process.Shared:
		if m := own.Master; m != 0 {
			return refuse(fmt.Sprintf("it is a worker: its master, process %d (%s), holds the listening socket too and would serve on: want --pid %d, or --stop 'kill -TERM %d' to see what clients suffer when a worker ends",
				m, quantity.Escape(process.Name(m)), m, pid))
		}
		t.sharing = own.By
		t.warnings = append(t.warnings, sharedWarning(&own))
	case process.Owner:
		if own.Activated && own.Unreadable > 0 {
			t.warnings = append(t.warnings, fmt.Sprintf("listener: a service manager may have passed the listening socket on (LISTEN_PID); whether it keeps it, so that nobody is refused, is not known: the descriptors of %d processes cannot be read (run as root)", own.Unreadable))
		}
	}
	if len(own.Others) > 0 {
		t.warnings = append(t.warnings, fmt.Sprintf("listener: process %s listens on the target too, or will when this one has closed it, so that connections may not be refused", numbers(own.Others)))
	}
	return nil
}

// sharedWarning says why a listener's end may refuse nobody.
func sharedWarning(own *process.Ownership) string {
	who := "process " + numbers(own.By)
	if own.Activated {
		who += " (socket activation)"
	}
	return fmt.Sprintf("listener: %s holds the listening socket too, so that nobody is refused when the server closes it: connections wait in its queue", who)
}

// said is what a server that was started here has written.
func (t *target) said() string {
	if p := t.own(); p != nil {
		return p.Said()
	}
	return ""
}

// local reports whether the server's sockets are of this host.
func (t *target) local() bool { return len(t.listeners) > 0 }

// queue lists the clients of the connections that nobody has accepted.
func (t *target) queue() (map[netip.AddrPort]bool, error) {
	clients := make(map[netip.AddrPort]bool)
	filter := sockstate.Filter{Servers: []netip.AddrPort{t.addr}}
	err := t.diag.Each(&filter, func(s *sockdiag.Socket) {
		side, ok := filter.Side(s.Tuple)
		if ok && side == sockstate.Server && s.Inode == 0 && (s.State == sockstate.Established || s.State == sockstate.CloseWait) {
			clients[plainAddr(s.Tuple.Remote)] = true
		}
	})
	return clients, err
}

// queueLength is the number of connections in the accept queues, as the listeners say.
func (t *target) queueLength() (n int, err error) {
	now, err := process.Listening(t.diag, t.addr)
	if err != nil {
		return 0, err
	}
	for _, l := range now {
		if t.isOld(l) {
			n += l.AcceptQueue
		}
	}
	return n, nil
}

// isOld reports whether a listener is one that the server had before the signal.
func (t *target) isOld(l process.Listener) bool {
	return slices.ContainsFunc(t.listeners, func(o process.Listener) bool { return o.Inode == l.Inode })
}

// listens reports whether a listener of the old server is there still. It costs little, and does not know whose it is.
func (t *target) listens() (bool, error) {
	now, err := process.Listening(t.diag, t.addr)
	return slices.ContainsFunc(now, t.isOld), err
}

// holders lists the processes of the old server that hold one of its listeners; unheld is set where one is there that
// no process has any more. It reads the descriptors of all processes.
func (t *target) holders() (pids []int, unheld bool, err error) {
	now, err := process.Listeners(t.diag, t.addr)
	if err != nil {
		return nil, false, err
	}
	old := slices.Clone(t.pids)
	if p := t.own(); p != nil {
		tree, err := p.Tree()
		if err != nil {
			return nil, false, err
		}
		old = append(old, tree...)
	}
	for _, l := range now {
		if !t.isOld(l) {
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

// stillHeld lists the processes that are not the server's, and hold its listener when it has gone, other than those that were known to.
func (t *target) stillHeld() []int {
	now, err := process.Listeners(t.diag, t.addr)
	if err != nil {
		return nil // then it is not known
	}
	var pids []int
	for _, l := range now {
		for _, pid := range l.Holders {
			if t.isOld(l) && !slices.Contains(t.sharing, pid) && !slices.Contains(pids, pid) {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// bindable tries the port as a new server would.
func (t *target) bindable() record.DrainPort {
	try := func(reuse bool) string {
		err := sockio.CanBind(t.addr, reuse)
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

// end lets go of the server; one that was started here is killed, with all that came of it.
func (t *target) end() error {
	errs := []error{t.goOn()}
	if t.release != nil {
		t.release()
	}
	for _, p := range []*process.Process{t.proc, t.main} {
		if p != nil {
			errs = append(errs, p.End())
		}
	}
	return errors.Join(append(errs, t.diag.Close())...)
}

func exitWords(e process.Exit) string {
	switch {
	case !e.Known:
		return "how is unknown"
	case e.Signal != 0:
		return "by " + process.SignalName(e.Signal)
	}
	return fmt.Sprintf("exit code %d", e.Code)
}
