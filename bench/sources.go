package bench

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"lastack/bench/host"
	"lastack/bench/quantity"
	"lastack/bench/sandbox"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

const portRangeKey = "net.ipv4.ip_local_port_range"

// chooses reports whether the group's source addresses are the experiment's choice: those, and the ports, that the
// user has asked for stay as they are, so that running out of them can be studied.
func (c *Config) chooses(g *loadgen.Group) bool {
	return c.Server != nil && !c.portsAreAsked(g) && len(g.Sources) == 0
}

func (c *Config) portsAreAsked(g *loadgen.Group) bool {
	_, ranged := c.Status.Sysctls[portRangeKey]
	return ranged || !g.SourcePorts.IsZero()
}

// portsOf is how many local ports an address of the group has, 0 if unknown.
func (c *Config) portsOf(g *loadgen.Group, f *host.Facts) int {
	lo, hi, n, _ := f.LocalPorts()
	if p := g.SourcePorts; !p.IsZero() {
		lo, hi = int(p.Lo), int(p.Hi)
		n, _ = f.UsablePorts(lo, hi)
	}
	return n - ownPorts(g, f, lo, hi)
}

// ownPorts is how many of the ports from lo to hi connect would choose but for a target on this host that listens there: it passes over
// ports that somebody has bound (__inet_hash_connect), whether the load goes around them or not.
func ownPorts(g *loadgen.Group, f *host.Facts, lo, hi int) int {
	n := 0
	seen := make(map[uint16]bool)
	for _, t := range g.Targets {
		p := int(t.Port())
		if p < lo || p > hi || seen[t.Port()] || !sockio.IsLocal(t.Addr()) {
			continue
		}
		seen[t.Port()] = true
		usable, _ := f.UsablePorts(p, p)
		n += usable
	}
	return n
}

// portsHeld is how many ports the group has in use at once: by its open connections and, where the plan says how many
// there will be, by the client's TIME_WAITs. A plateau's have the ports that its connections had.
func (c *Config) portsHeld(g *loadgen.Group, f *host.Facts) int64 {
	n := c.open(g)
	if g.Connections == 0 {
		n = 0 // as many as there happen to be: that a schedule runs out of ports can be studied
	}
	if c.Plan.Count > 0 && g.Plateau == 0 && !c.studiesReuse() {
		n = min(n+c.timeWaits(g, f)[sockstate.Client], c.Plan.Count)
	}
	return n
}

// studiesReuse reports whether the user has set what becomes of ports in TIME_WAIT, so that they are to be used up.
func (c *Config) studiesReuse() bool {
	for key := range c.Status.Sysctls {
		if strings.HasPrefix(key, "net.ipv4.tcp_tw_reuse") {
			return true
		}
	}
	return false
}

// sourceCount is how many addresses the experiment chooses to connect from: enough for connect to find a port among
// those that it looks at first; 0 where it has no choice to make.
func (c *Config) sourceCount(f *host.Facts) int {
	held, each := int64(0), int64(0)
	for i := range c.Plan.Groups {
		if g := &c.Plan.Groups[i]; c.chooses(g) {
			held += c.portsHeld(g, f)
			each = int64(c.portsOf(g, f)/parities) * int64(max(len(g.Targets), 1))
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

// NeedsSources reports whether the experiment will choose more than one source address: its sandbox
// must then have a range of them.
func NeedsSources(c Config) bool {
	return c.Host != nil && c.sourceCount(c.presumed(c.Host)) > 1
}

// spread gives the groups the source addresses that their connections need, where the choice is the experiment's.
// One is left to the kernel.
func (c *Config) spread(f *host.Facts) {
	n := c.sourceCount(f)
	if n < 2 {
		return
	}
	from := c.sourceRange()
	if !from.IsValid() {
		return
	}
	sources := make([]netip.Addr, 0, n)
	for a := from.Addr(); len(sources) < n && from.Contains(a); a = a.Next() {
		sources = append(sources, a)
	}
	c.Plan.Groups = slices.Clone(c.Plan.Groups)
	for i := range c.Plan.Groups {
		if g := &c.Plan.Groups[i]; c.chooses(g) {
			g.Sources = sources
		}
	}
	c.chosen = len(sources)
	c.Sources = fmt.Sprintf("%v-%v", sources[0], sources[len(sources)-1])
}

// sourceRange holds addresses that can be bound to at the client and are not the embedded server's, from the first on;
// invalid if there is none but the kernel's choice.
func (c *Config) sourceRange() netip.Prefix {
	loopback := netip.PrefixFrom(netip.AddrFrom4([4]byte{127, 1, 0, 1}), 8)
	switch sb := c.Sandbox; {
	case c.Server.V6 && c.presuming:
		return afterFirst(sandbox.Range6())
	case c.Server.V6 && sb == nil:
		return netip.Prefix{}
	case c.Server.V6:
		return afterFirst(sb.ClientRange6)
	case sb == nil || sb.Topology == sandbox.Lo:
		return loopback
	default:
		// The first /24 holds the link's own.
		r := sb.ClientRange4
		b := r.Addr().As4()
		b[2], b[3] = 1, 1
		return netip.PrefixFrom(netip.AddrFrom4(b), r.Bits())
	}
}

// afterFirst leaves out an IPv6 prefix's first address, which is every router's (RFC 4291, section 2.6.1).
func afterFirst(p netip.Prefix) netip.Prefix {
	if !p.IsValid() {
		return p
	}
	return netip.PrefixFrom(p.Addr().Next(), p.Bits())
}

// checkPorts refuses a plateau that has fewer ports than connections: it would wait for those that never come.
func (c *Config) checkPorts(f *host.Facts) error {
	for i := range c.Plan.Groups {
		g := &c.Plan.Groups[i]
		if err := c.checkReserved(g, f); err != nil {
			return err
		}
		ports := int64(c.portsOf(g, f))
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
		case c.Server != nil && len(g.Sources) > 0 && !c.portsAreAsked(g) && c.chosen == 0:
			remedy += ", or none, and the run takes what it needs"
		case !g.SourcePorts.IsZero():
			remedy += ", or with more --source-ports"
		case c.portsAreAsked(g):
			remedy += ", or with a wider " + portRangeKey
		}
		return sockstate.BadValue("connections", quantity.Count(int64(g.Connections)), "a --plateau holds them all at once, and %s = %s: ask for at most so many, or do it %s", sum, quantity.Count(addresses*each), remedy)
	}
	return nil
}

// CheckKept refuses clients that keep their connections, of all groups together, where a source address has fewer local ports, and none
// over for the arrivals. All groups have one target. f is the client's namespace.
func (c *Config) CheckKept(f *host.Facts) error {
	kept, arrivals := int64(0), int64(0)
	for i := range c.Plan.Groups {
		g := &c.Plan.Groups[i]
		kept += int64(g.Connections)
		if g.OpenLoop() {
			arrivals = 1
		}
	}
	if len(c.Plan.Groups) == 0 || kept == 0 {
		return nil
	}
	ports := int64(c.portsOf(&c.Plan.Groups[0], f))
	if ports <= 0 || kept+arrivals <= ports {
		return nil
	}
	also := ""
	if arrivals > 0 {
		also = ", and the arrivals need one"
	}
	return sockstate.BadValue("connections", quantity.Count(kept), "they are open at once%s, and 1 source address x %s ports = %s: ask for at most %s, or widen %s", also, quantity.Count(ports), quantity.Count(ports), quantity.Count(ports-arrivals), portRangeKey)
}

// LocalPorts is how many local ports a group has for each source address and target, 0 if unknown.
func (c *Config) LocalPorts(g *loadgen.Group, f *host.Facts) int { return c.portsOf(g, f) }

// checkReserved refuses a group whose local ports are all reserved: connect, which takes none of those, would find none.
func (c *Config) checkReserved(g *loadgen.Group, f *host.Facts) error {
	const key = "net.ipv4.ip_local_reserved_ports"
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
	if v, set := c.Status.Sysctls[key]; set {
		return sockstate.BadValue("sysctl", key+"="+v, "%s", why)
	}
	return sockstate.BadValue("", key+"="+reserved, "%s", why)
}
