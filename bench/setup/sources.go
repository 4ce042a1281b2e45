package setup

import (
	"net/netip"

	"lastack/bench/model"
	"lastack/bench/sandbox"
	"lastack/loadgen"
	"lastack/sockstate"
)

// chooses reports whether Resolve may choose the group's source addresses. It keeps addresses and ports that the user
// set, so that a load can run out of them on purpose.
func (r *resolver) chooses(g *loadgen.Group) bool {
	return r.Server != nil && len(g.Sources) == 0 && (r.spec.SourceCount > 0 || !r.portsAreSet(g))
}

func (r *resolver) portsAreSet(g *loadgen.Group) bool {
	_, ranged := r.sysctl(portRangeKey)
	return ranged || !g.SourcePorts.IsZero()
}

// sourceCount is how many source addresses to choose: enough for connect to find a port in its first pass. It is 0 if
// there is nothing to choose.
func (r *resolver) sourceCount() int {
	if r.spec.SourceCount > 0 {
		return r.spec.SourceCount
	}
	held, each := int64(0), int64(0)
	for i := range r.Plan.Groups {
		if g := &r.Plan.Groups[i]; r.chooses(g) {
			held += r.portsHeld(g)
			each = int64(r.portsOf(g)/model.Parities) * int64(max(len(g.Targets), 1))
		}
	}
	switch {
	case each == 0:
		return 0
	case held <= each:
		return min(int(held), 1)
	}
	// Plan to use half of the ports: the fewer are free, the longer connect searches.
	each = max(each/2, 1)
	return int((held + each - 1) / each)
}

// spread gives the groups as many source addresses as they need, where Resolve may choose. If one is enough, the kernel
// chooses it.
func (r *resolver) spread() error {
	n := r.sourceCount()
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

// sourceRange returns a prefix whose addresses, from its own address on, the client can bind to, and which the embedded
// server does not use. It is invalid if there is none.
func (r *resolver) sourceRange() netip.Prefix {
	switch {
	case r.V6 && r.Sandbox == nil:
		return netip.Prefix{}
	case r.V6:
		p := sandbox.Range6()
		return netip.PrefixFrom(p.Addr().Next(), p.Bits()) // the first is the subnet-router anycast address (RFC 4291, section 2.6.1)
	case r.Sandbox == nil || !r.Sandbox.Topology.Split():
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{127, 1, 0, 1}), 8)
	}
	// The first /24 holds the link's own addresses.
	client := sandbox.VethClient4()
	b := client.Addr().As4()
	b[2], b[3] = 1, 1
	return netip.PrefixFrom(netip.AddrFrom4(b), client.Bits())
}

// checkSources refuses source addresses and ports that the load would not be sent from.
func (r *resolver) checkSources() error {
	if err := r.facts.Sources.check(); err != nil && r.Sandbox == nil {
		return err
	}
	// The kernel ignores IP_LOCAL_PORT_RANGE outside of the namespace's range (inet_sk_get_local_port_range).
	lo, hi, _, ok := r.inside.LocalPorts()
	for i := range r.Plan.Groups {
		p := r.Plan.Groups[i].SourcePorts
		if ok && !p.IsZero() && (int(p.Lo) < lo || int(p.Hi) > hi) {
			return sockstate.BadValue("source-ports", p, "the kernel ignores ports outside net.ipv4.ip_local_port_range (%d to %d): want ports inside, or widen the range", lo, hi)
		}
	}
	return r.checkKept()
}
