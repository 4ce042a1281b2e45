package drain

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"lastack/bench/process"
	"lastack/sockstate"
	"lastack/sockstate/sockdiag"
)

// startAtMost is how long a server may take to listen.
const startAtMost = 30 * time.Second

// releasedAtMost bounds the wait for the listeners of a server that has gone to disappear.
const releasedAtMost = 2 * time.Second

// startPoll is the polling interval while waiting for the server to listen.
const startPoll = 5 * time.Millisecond

// start starts the server and waits until it listens. It finds out which address of the target's name gets the load.
func (x *experiment) start(ctx context.Context, s *server) error {
	// A listener without a process belonged to one that has gone: io_uring releases it a little later (io_ring_exit_work).
	var there []process.Listener
	_, err := tick(ctx, releasedAtMost, func() (free bool, err error) {
		there, err = process.Listeners(s.diag, s.addr)
		return !slices.ContainsFunc(there, func(l process.Listener) bool { return len(l.Holders) == 0 }), err
	})
	if err != nil {
		return err
	}
	var others []process.Listener // on the name's other addresses, not the server's
	for _, a := range x.others {
		on, err := process.Listeners(s.diag, a)
		if err != nil {
			return err
		}
		if len(there) == 0 && len(x.besideHolding(on)) > 0 {
			there, s.addr, x.target = on, a, a
			break
		}
		others = append(others, on...)
	}
	switch front := x.besideHolding(there); {
	case len(there) == 0:
	case len(front) > 0:
		if x.Load.Queued > 0 {
			return sockstate.BadValue("queued", x.Load.Queued, "%v is taken by what --also has started, process %s: its accept queue is not that of the server that is stopped", s.addr, listed(front))
		}
		s.behind, s.addr, x.others = true, netip.AddrPort{}, nil
	default:
		return sockstate.BadValue("exec", strings.Join(x.Stop.Exec, " "), "somebody listens on %v already (%s): end it, or drain it by --pid", s.addr, holders(there))
	}
	if s.proc, err = process.Start(process.Spec{Args: x.Stop.Exec, Contain: x.Stop.Contain, Beside: x.besideWhom()}); err != nil {
		return err
	}
	if len(x.others) > 0 {
		s.choices = append([]netip.AddrPort{x.target}, x.others...)
	}
	if err := s.await(ctx, s.proc, others, x.Stop.Exec); err != nil {
		return err
	}
	if len(s.choices) > 0 {
		x.target, x.others, s.choices = s.addr, nil, nil
	}
	return nil
}

// clearPort removes, in a sandbox, what earlier tries have left on the port. Otherwise a server that does not set SO_REUSEADDR could not
// bind.
func (x *experiment) clearPort(diag sockets) error {
	if !x.sandboxed() {
		return nil
	}
	_, err := diag.DestroyAll(x.filter(), func(s *sockdiag.Socket) bool {
		return s.State != sockstate.Listen && s.Inode == 0
	})
	return err
}

// await waits until p listens on the target's address, with a socket that is not one of others.
func (s *server) await(ctx context.Context, p *process.Process, others []process.Listener, command []string) error {
	fail := func(why string) error { return &startError{Command: command, Why: why, Said: p.Said()} }
	clock := time.NewTicker(startPoll)
	defer clock.Stop()
	var astray wrongPlace
	for limit := time.Now().Add(startAtMost); time.Now().Before(limit); {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-clock.C:
		}
		if err := s.find(p); err != nil {
			return err
		}
		for _, a := range s.candidates() {
			own, err := s.listenersOf(p, a, others)
			if err != nil {
				return err
			}
			if len(own) > 0 {
				s.listeners, s.addr = own, a
				return nil
			}
		}
		if why, hopeless := astray.look(s, p); hopeless {
			return fail(why)
		}
		if isClosed(p.Gone()) {
			why := fmt.Sprintf("it ended (%s) before it listened on %s", exitWords(p.Exit()), s.where())
			if all, err := process.Listeners(s.diag, s.addr); err == nil && len(all) > len(others) {
				why += fmt.Sprintf(", where %s does, which it did not start itself: want a server that stays in the foreground (nginx: -g 'daemon off;'), or --pid", holders(all))
			}
			return fail(why)
		}
	}
	if ports := s.elsewhere(p); ports != "" {
		return fail(fmt.Sprintf("it listens on %s, and not on the target %s", ports, s.where()))
	}
	return fail(fmt.Sprintf("it does not listen on %s after %v", s.where(), startAtMost))
}

// where names the address on which the server is to listen.
func (s *server) where() string {
	if !s.addr.IsValid() {
		return "a TCP port behind what --also has started"
	}
	return strings.Join(texts(s.candidates()), " or ")
}

// candidates are the addresses on which the server may listen.
func (s *server) candidates() []netip.AddrPort {
	if len(s.choices) > 0 {
		return s.choices
	}
	return []netip.AddrPort{s.addr}
}

// find finds the address of a server that is behind the target.
func (s *server) find(p *process.Process) error {
	if s.addr.IsValid() {
		return nil
	}
	ports, err := portsOf(s.diag, p)
	if err != nil || len(ports) == 0 {
		return err
	}
	s.addr = ports[0]
	s.warnings.add("server: it listens on %s, and what --also has started on the target in front of it: clients see what that makes of the stop", s.elsewhere(p))
	return nil
}

// listenersOf lists the listeners of p on an address.
func (s *server) listenersOf(p *process.Process, on netip.AddrPort, others []process.Listener) ([]process.Listener, error) {
	all, err := process.Listeners(s.diag, on)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, isOneOf(others))
	if len(all) == 0 {
		return nil, nil
	}
	own, err := p.Owns(all)
	if err != nil || own.Owner == process.NotOwner {
		return nil, err
	}
	// CannotTell means that the server has changed its user. Nobody listened here before it was started.
	return all, nil
}
