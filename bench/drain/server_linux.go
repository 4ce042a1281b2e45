package drain

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"lastack/bench/process"
)

// server is the server under test, as far as this host knows it.
type server struct {
	// addr is where it listens: the target, or another address if a program of Spec.Also listens on the target in front of it.
	addr netip.AddrPort
	// choices are the addresses of the target's name, until it is known on which the server listens; that becomes addr.
	choices []netip.AddrPort
	// say emits what goes on.
	say    func(string)
	behind bool
	byHook bool // a command stops it, not a signal
	diag   sockets
	// proc is the process to signal, nil for a hook. main is the started process if that is another one: the server has put itself into the
	// background.
	proc, main *process.Process
	// listeners are the target's on this host, before the signal; none if it is on another host.
	listeners []process.Listener
	// sharing are processes that are not the server's but hold its listener; the user has been told before the signal.
	sharing []int
	// pids were the server's processes before the signal.
	pids     []int
	halted   []int
	release  func() // ends the guard of a halted server
	warnings sentences
}

// openServer starts or finds the server, and checks that it is the right one. x.back is one that the previous try has brought back.
func (x *experiment) openServer(ctx context.Context, n int) (*server, error) {
	diag, doubt, err := openSockets()
	if err != nil {
		return nil, err
	}
	s := &server{addr: x.target, diag: diag, byHook: x.Stop.Hook != "", say: func(what string) { x.phase(n, what) }}
	if doubt != "" {
		s.warnings.add("%s", doubt)
	}
	if n > 0 {
		err = x.clearPort(diag)
	}
	back := x.back
	x.back = nil
	switch {
	case back != nil:
		s.proc = back
		if err == nil {
			err = s.await(ctx, s.proc, nil, x.Stop.Restart)
		}
	case err != nil:
	case len(x.Stop.Exec) > 0:
		err = x.start(ctx, s)
	case x.Stop.PID != 0:
		err = s.attach(x.Stop.PID)
	default:
		s.listeners, err = process.Listeners(diag, x.target)
	}
	if err == nil {
		err = s.ready(false)
	}
	if err != nil {
		return nil, errors.Join(err, s.end())
	}
	return s, nil
}

// own is the server, if it was started here.
func (s *server) own() *process.Process {
	if s.proc != nil && s.proc.Own() {
		return s.proc
	}
	return s.main
}

// said is the output of a server that was started here.
func (s *server) said() string {
	if p := s.own(); p != nil {
		return p.Said()
	}
	return ""
}

// local reports whether the server's sockets are on this host.
func (s *server) local() bool { return len(s.listeners) > 0 }

// end lets go of the server. One that was started here is killed, with all its descendants.
func (s *server) end() error {
	errs := []error{s.goOn()}
	if s.release != nil {
		s.release()
	}
	for _, p := range []*process.Process{s.proc, s.main} {
		if p != nil {
			errs = append(errs, p.End())
		}
	}
	return errors.Join(append(errs, s.diag.Close())...)
}

// holders names the processes that hold the listeners.
func holders(ls []process.Listener) string {
	pids := holding(ls, func(int) bool { return true })
	if len(pids) == 0 {
		return "a process that cannot be read"
	}
	slices.Sort(pids)
	return "process " + listed(pids)
}
