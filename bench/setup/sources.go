package setup

import (
	"net/netip"

	"lastack/bench/host"
	"lastack/bench/sandbox"
	"lastack/loadgen"
	"lastack/sockstate"
)

// chooses reports whether the group's source addresses are the experiment's choice: those, and the ports, that the
// user has asked for stay as they are, so that running out of them can be studied.
func (r *resolver) chooses(g *loadgen.Group) bool {
	return r.Server != nil && !r.portsAreAsked(g) && len(g.Sources) == 0
}

func (r *resolver) portsAreAsked(g *loadgen.Group) bool {
	_, ranged := r.askedFor(portRangeKey)
	return ranged || !g.SourcePorts.IsZero()
}

// sourceCount is how many addresses the experiment chooses to connect from: enough for connect to find a port among
// those that it looks at first; 0 where it has no choice to make.
func (r *resolver) sourceCount(f *host.Facts) int {
	held, each := int64(0), int64(0)
	for i := range r.Plan.Groups {
		if g := &r.Plan.Groups[i]; r.chooses(g) {
			held += r.portsHeld(g, f)
			each = int64(r.portsOf(g, f)/parities) * int64(max(len(g.Targets), 1))
		}
	}
	switch {
	case each == 0:
		return 0
	case held <= each:
		return min(int(held), 1)
	}
	// Half of them: the fuller an address is, the longer the search for a free port takes.
	each = max(each/2, 1)
	return int((held + each - 1) / each)
}

// spread gives the groups the source addresses that their connections need, where the choice is the experiment's.
// One is left to the kernel.
func (r *resolver) spread() error {
	n := r.sourceCount(r.inside)
	if n < 2 {
		return nil
	}
	from := r.sourceRange()
	if !from.IsValid() {
		return nil
	}
	sources := make([]netip.Addr, 0, n)
	for a := from.Addr(); len(sources) < n && from.Contains(a); a = a.Next() {
		sources = append(sources, a)
	}
	for i := range r.Plan.Groups {
		if g := &r.Plan.Groups[i]; r.chooses(g) {
			g.Sources = sources
		}
	}
	r.chosen = len(sources)
	if r.V6 {
		r.Sandbox.Sources = append(r.Sandbox.Sources, sandbox.Range6())
	}
	return nil
}

// sourceRange holds addresses that can be bound to at the client and are not the embedded server's, from the first on;
// invalid if there is none but the kernel's choice.
func (r *resolver) sourceRange() netip.Prefix {
	switch {
	case r.V6 && r.Sandbox == nil:
		return netip.Prefix{}
	case r.V6:
		return afterFirst(sandbox.Range6())
	case r.Sandbox == nil || r.Sandbox.Topology != sandbox.Veth:
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{127, 1, 0, 1}), 8)
	}
	// The first /24 holds the link's own.
	client := sandbox.VethClient4()
	b := client.Addr().As4()
	b[2], b[3] = 1, 1
	return netip.PrefixFrom(netip.AddrFrom4(b), client.Bits())
}

// afterFirst leaves out an IPv6 prefix's first address, which is every router's (RFC 4291, section 2.6.1).
func afterFirst(p netip.Prefix) netip.Prefix {
	if !p.IsValid() {
		return p
	}
	return netip.PrefixFrom(p.Addr().Next(), p.Bits())
}

// checkSources refuses source addresses and ports that the load would not be sent from.
func (r *resolver) checkSources() error {
	if err := r.facts.Sources.check(); err != nil && r.Sandbox == nil {
		return err
	}
	// Outside of the namespace's range the kernel takes no notice of IP_LOCAL_PORT_RANGE (inet_sk_get_local_port_range).
	lo, hi, _, ok := r.inside.LocalPorts()
	for i := range r.Plan.Groups {
		p := r.Plan.Groups[i].SourcePorts
		if ok && !p.IsZero() && (int(p.Lo) < lo || int(p.Hi) > hi) {
			return sockstate.BadValue("source-ports", p, "lies outside net.ipv4.ip_local_port_range (%d to %d), where the kernel ignores it: want ports inside, or widen the range", lo, hi)
		}
	}
	return r.checkKept()
}
