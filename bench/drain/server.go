package drain

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"lastack/bench/process"
)

// server is the server under test, as far as this host can know it.
type server struct {
	// addr is where it listens: the target, or another address, if it is behind what listens there (Spec.Also).
	addr netip.AddrPort
	// choices are the addresses of the target's name, of which addr becomes the one on which the server listens; none once that is known.
	choices []netip.AddrPort
	// say emits what goes on meanwhile.
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

// openServer starts the server or finds it, and checks that it is the one. x.back is a server that the try before has brought back.
func (x *experiment) openServer(ctx context.Context, n int) (*server, error) {
	diag, doubt, err := openSockets()
	if err != nil {
		return nil, err
	}
	s := &server{addr: x.target, diag: diag, byHook: x.Stop.Hook != "", say: func(what string) { x.phase(n, what) }}
	if doubt != "" {
		s.warnings = append(s.warnings, doubt)
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

// said is what a server that was started here has written.
func (s *server) said() string {
	if p := s.own(); p != nil {
		return p.Said()
	}
	return ""
}

// local reports whether the server's sockets are of this host.
func (s *server) local() bool { return len(s.listeners) > 0 }

// end lets go of the server; one that was started here is killed, with all that came of it.
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

// numbers lists processes.
func numbers(pids []int) string {
	var list []string
	for _, pid := range pids {
		list = append(list, fmt.Sprint(pid))
	}
	return strings.Join(list, ", ")
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
