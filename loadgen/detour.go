package loadgen

import (
	"slices"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// detour keeps connect from choosing the port of a target on this host as its local port. If nobody listens there, such a socket
// connects to itself (__inet_hash_connect; RFC 9293, section 3.5: simultaneous open): it opens without any server, and a server that
// starts finds the port taken.
//
// A detour costs one setsockopt a connection, and only where a target's port lies in the range of local ports.
type detour struct {
	ways  []way
	ports int // of all ways
}

// way is a range of ports between two targets' ports. due is how far it is behind its share, in ports.
type way struct {
	opts       []sockio.Opt
	ports, due int
}

// mostWays bounds the ranges: with more, each connect would have but a few ports.
const mostWays = 8

// newDetour leaves the ports of avoid out of the usable ones from lo to hi. It is nil if none is left.
func newDetour(avoid []uint16, usable *sockio.PortSet, lo, hi uint16, opts []sockio.Opt) *detour {
	slices.Sort(avoid)
	d := &detour{}
	from := int(lo)
	for _, p := range append(slices.Compact(avoid), 0) {
		to := int(p) - 1
		if p == 0 { // behind the last
			to = int(hi)
		}
		if from <= to {
			if n := usable.Count(uint16(from), uint16(to)); n > 0 {
				d.ways = append(d.ways, way{opts: append(slices.Clip(opts), sockio.NewPortRange(sockstate.PortRange{Lo: uint16(from), Hi: uint16(to)})), ports: n})
				d.ports += n
			}
		}
		from = int(p) + 1
	}
	if len(d.ways) == 0 || len(d.ways) > mostWays {
		return nil
	}
	return d
}

// next is the range for the next connection: in proportion to their ports, so that all are used up at the same time.
func (d *detour) next() []sockio.Opt {
	best := 0
	for i := range d.ways {
		d.ways[i].due += d.ways[i].ports
		if d.ways[i].due > d.ways[best].due {
			best = i
		}
	}
	d.ways[best].due -= d.ports
	return d.ways[best].opts
}

// avoidTargets keeps the groups from connecting to themselves, in the namespace of the calling thread.
func (w *worker) avoidTargets() {
	usable, lo, hi, err := sockio.LocalPorts()
	for _, g := range w.groups {
		g.avoidTargets(usable, lo, hi, err == nil && sockio.NarrowsPorts())
	}
}

func (g *group) avoidTargets(usable *sockio.PortSet, lo, hi uint16, narrows bool) {
	if r := g.SourcePorts; !r.IsZero() {
		lo, hi = max(lo, r.Lo), min(hi, r.Hi)
	}
	var avoid []uint16
	for _, t := range g.Targets {
		if p := t.Port(); (usable == nil || p >= lo && p <= hi && usable[p]) && sockio.IsLocal(t.Addr()) {
			avoid = append(avoid, p)
		}
	}
	if len(avoid) == 0 {
		return
	}
	if narrows {
		opts := g.dial.Opts
		if !g.SourcePorts.IsZero() {
			opts = opts[:len(opts)-1]
		}
		g.detour = newDetour(avoid, usable, lo, hi, opts)
	}
	g.mayMeetItself = g.detour == nil
}

// meetsItself reports whether the connection in s, just opened, is one of a socket to itself.
func (w *worker) meetsItself(g *group, s sockio.Sock) bool {
	at, err := w.loop.LocalAddr(s)
	return err == nil && slices.Contains(g.Targets, at)
}
