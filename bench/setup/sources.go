package setup

import (
	"fmt"
	"net/netip"
	"slices"

	"lastack/bench/host"
	"lastack/bench/quantity"
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

// portsOf is how many local ports an address of the group has, 0 if unknown.
func (r *resolver) portsOf(g *loadgen.Group, f *host.Facts) int {
	lo, hi, n, _ := f.LocalPorts()
	if p := g.SourcePorts; !p.IsZero() {
		lo, hi = int(p.Lo), int(p.Hi)
		n, _ = f.UsablePorts(lo, hi)
	}
	return n - r.ownPorts(g, f, lo, hi)
}

// ownPorts is how many of the ports from lo to hi connect would choose but for a target on this host that listens there: it passes over
// ports that somebody has bound (__inet_hash_connect), whether the load goes around them or not.
func (r *resolver) ownPorts(g *loadgen.Group, f *host.Facts, lo, hi int) int {
	n := 0
	seen := make(map[uint16]bool)
	for _, t := range g.Targets {
		p := int(t.Port())
		if p < lo || p > hi || seen[t.Port()] || !r.isLocal(t.Addr()) {
			continue
		}
		seen[t.Port()] = true
		usable, _ := f.UsablePorts(p, p)
		n += usable
	}
	return n
}

// isLocal reports whether a target is on this host.
func (r *resolver) isLocal(a netip.Addr) bool {
	return a.IsLoopback() || r.Sandbox == nil && slices.Contains(r.facts.Local, a)
}

// portsHeld is how many ports the group has in use at once: by its open connections and, where the plan says how many
// there will be, by the client's TIME_WAITs. A plateau's have the ports that its connections had.
func (r *resolver) portsHeld(g *loadgen.Group, f *host.Facts) int64 {
	n := r.open(g)
	if g.Connections == 0 {
		n = 0 // as many as there happen to be: that a schedule runs out of ports can be studied
	}
	if r.Plan.Count > 0 && g.Plateau == 0 && !r.studiesReuse() {
		n = min(n+r.timeWaits(g, f)[sockstate.Client], r.Plan.Count)
	}
	return n
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

// checkPorts refuses a plateau that has fewer ports than connections: it would wait for those that never come.
func (r *resolver) checkPorts() error {
	f := r.inside
	for i := range r.Plan.Groups {
		g := &r.Plan.Groups[i]
		if err := r.checkReserved(g, f); err != nil {
			return err
		}
		ports := int64(r.portsOf(g, f))
		if g.Plateau == 0 || ports == 0 {
			continue
		}
		addresses, targets := int64(max(len(g.Sources), 1)), int64(max(len(g.Targets), 1))
		each := ports * targets
		if int64(g.Connections) <= addresses*each {
			continue
		}
		sum := fmt.Sprintf("%s source %s x %s ports", quantity.Count(addresses), quantity.Plural(addresses, "address", "addresses"), quantity.Count(ports))
		if targets > 1 {
			sum += fmt.Sprintf(" x %s targets", quantity.Count(targets))
		}
		remedy := "with more --source addresses: " + quantity.Count((int64(g.Connections)+each-1)/each)
		switch {
		case r.Server != nil && len(g.Sources) > 0 && !r.portsAreAsked(g) && r.chosen == 0:
			remedy += ", or none, and the run takes what it needs"
		case !g.SourcePorts.IsZero():
			remedy += ", or with more --source-ports"
		case r.portsAreAsked(g):
			remedy += ", or with a wider " + portRangeKey
		}
		return sockstate.BadValue("connections", quantity.Count(int64(g.Connections)), "a --plateau holds them all at once, and %s = %s: ask for at most so many, or do it %s", sum, quantity.Count(addresses*each), remedy)
	}
	return nil
}

// checkKept refuses clients that keep their connections, of all groups together, where a source address has fewer local ports, and none
// over for the arrivals. All groups have one target.
func (r *resolver) checkKept() error {
	kept, arrivals, keeps := int64(0), int64(0), false
	for i := range r.Plan.Groups {
		g := &r.Plan.Groups[i]
		kept += int64(g.Connections)
		keeps = keeps || g.Keep != 0
		if g.OpenLoop() {
			arrivals = 1
		}
	}
	if !keeps {
		return nil
	}
	ports := int64(r.portsOf(&r.Plan.Groups[0], r.inside))
	if ports <= 0 || kept+arrivals <= ports {
		return nil
	}
	also := ""
	if arrivals > 0 {
		also = ", and the arrivals need one"
	}
	return sockstate.BadValue("connections", quantity.Count(kept), "they are open at once%s, and 1 source address x %s ports = %s: ask for at most %s, or widen %s", also, quantity.Count(ports), quantity.Count(ports), quantity.Count(ports-arrivals), portRangeKey)
}

// checkReserved refuses a group whose local ports are all reserved: connect, which takes none of those, would find none.
func (r *resolver) checkReserved(g *loadgen.Group, f *host.Facts) error {
	const key = reservedPortsKey
	reserved := f.Sysctls[key]
	if p := g.SourcePorts; !p.IsZero() {
		if n, err := f.UsablePorts(int(p.Lo), int(p.Hi)); err == nil && n == 0 {
			return sockstate.BadValue("source-ports", p, "all of them are reserved (%s=%s), and connect takes none of those: want others, or reserve fewer", key, reserved)
		}
		return nil
	}
	lo, hi, n, ok := f.LocalPorts()
	if !ok || n > 0 {
		return nil
	}
	why := fmt.Sprintf("all local ports from %d to %d (%s) are reserved, and connect takes none of those: reserve fewer, or widen the range", lo, hi, portRangeKey)
	if v, asked := r.askedFor(key); asked {
		return sockstate.BadValue("sysctl", key+"="+v, "%s", why)
	}
	return sockstate.BadValue("", key+"="+reserved, "%s", why)
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
