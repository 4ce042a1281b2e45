package loadgen

import (
	"slices"

	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// detour has connect choose from the local ports between those of the targets that are on this host. While nobody
// listens at such a port, connect may choose it (__inet_hash_connect) for a connection to itself, which opens without any
// server (RFC 9293, section 3.5: simultaneous open), and keeps the port from a server that starts.
//
// It costs a setsockopt a connection, and only where a target's port lies in the range of local ports.
type detour struct {
	ways  []way
	ports int // of all ways
}

// way is one of the ranges; due is what it is behind its share, in ports.
type way struct {
	opts       []sockio.Opt
	ports, due int
}

// mostWays bounds the ranges: with more, each connect would have but a few ports.
const mostWays = 8

// newDetour goes around the ports of avoid, from lo to hi, of which usable are to be chosen from. It is nil where nothing is left.
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

// next is the way of the next connection: each by its number of ports, evenly, so that all are exhausted at once.
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
