package bench

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/sockdiag"
)

// flusher ends the load's TIME_WAITs (SOCK_DESTROY), and those that earlier loads left on its ports. In a sandbox these are all of both
// ends. In the host's namespace they are the client's with an address and a port that the load may use, to one of its targets: others are
// not touched.
type flusher struct {
	filter sockstate.Filter
	ends   []*sockdiag.Conn // by namespace, the client's first
	// mine are the load's pairs of addresses; nil in a sandbox.
	mine   map[sockstate.Pair]bool
	lo, hi int
	done   record.Flush
}

// openFlusher opens what a flush needs while this process still may. The error is a *sockstate.ValueError if no socket can be ended here.
func (e *experiment) openFlusher() error {
	f := &flusher{filter: sockstate.Filter{Servers: e.targets()}}
	e.flusher = f
	for _, ns := range e.namespaces() {
		d, err := sockdiag.Open(ns)
		if err != nil {
			return fmt.Errorf("--flush: %w", err)
		}
		f.ends = append(f.ends, d)
		if err := d.CheckDestroy(); err != nil {
			return sockstate.BadValue("flush", "", "no socket can be ended here: %v: leave it out", err)
		}
	}
	if e.sandbox != nil {
		return nil
	}
	f.mine = make(map[sockstate.Pair]bool)
	f.lo, f.hi, _, _ = e.facts.LocalPorts()
	for i := range e.plan.Groups {
		g := &e.plan.Groups[i]
		if p := g.SourcePorts; !p.IsZero() {
			f.lo, f.hi = int(p.Lo), int(p.Hi)
		}
		for _, t := range g.Targets {
			sources := g.Sources
			if len(sources) == 0 {
				s, err := sourceTo(t)
				if err != nil {
					return fmt.Errorf("--flush: %w", err)
				}
				sources = []netip.Addr{s}
			}
			for _, s := range sources {
				f.mine[sockstate.Pair{Source: s.Unmap(), Destination: netip.AddrPortFrom(t.Addr().Unmap().WithZone(""), t.Port())}] = true
			}
		}
	}
	return nil
}

// sourceTo is the address that the kernel connects from. It connects a UDP socket, which sends nothing.
func sourceTo(t netip.AddrPort) (netip.Addr, error) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(t))
	if err != nil {
		return netip.Addr{}, err
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().WithZone(""), nil
}

// picks reports whether a socket is one to end.
func (f *flusher) picks(s *sockdiag.Socket) bool {
	if s.State != sockstate.TimeWait {
		return false
	}
	if f.mine == nil {
		_, ok := f.filter.Side(s.Tuple)
		return ok
	}
	port := int(s.Tuple.Local.Port())
	return f.lo <= port && port <= f.hi && f.mine[sockstate.Pair{Source: s.Tuple.Local.Addr(), Destination: s.Tuple.Remote}]
}

// flush ends them, and says how many it ended and how many another look found.
func (f *flusher) flush() (ended, left int, err error) {
	var errs []error
	for _, d := range f.ends {
		n, err := d.DestroyAll(&f.filter, f.picks)
		ended += n
		errs = append(errs, err, d.Each(&f.filter, func(s *sockdiag.Socket) {
			if f.picks(s) {
				left++
			}
		}))
	}
	return ended, left, errors.Join(errs...)
}

func (f *flusher) before() (err error) {
	if f.done.Before, _, err = f.flush(); err != nil {
		return fmt.Errorf("--flush: %w", err)
	}
	return nil
}

// after returns a warning if it could not end all.
func (f *flusher) after() (warning string) {
	var err error
	switch f.done.After, f.done.Left, err = f.flush(); {
	case err != nil:
		return "time_wait.flush: " + err.Error()
	case f.done.Left > 0:
		return fmt.Sprintf("time_wait.flush: %d are still there", f.done.Left)
	}
	return ""
}

func (f *flusher) close() {
	for _, d := range f.ends {
		_ = d.Close() // it only read and ended
	}
}
