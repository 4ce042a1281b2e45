package setup

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"lastack/bench/host"
	"lastack/bench/quantity"
	"lastack/loadgen"
	"lastack/sockstate"
)

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

// studiesReuse reports whether the user has set what becomes of ports in TIME_WAIT, so that they are to be used up.
func (r *resolver) studiesReuse() bool {
	for key := range r.asked() {
		if strings.HasPrefix(key, "net.ipv4.tcp_tw_reuse") {
			return true
		}
	}
	return false
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
		return sockstate.BadValue("connections", quantity.Count(int64(g.Connections)), "a --plateau holds them all at once, and %s = %s: ask for at most so many, or do it %s",
			sum, quantity.Count(addresses*each), remedy)
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
	return sockstate.BadValue("connections", quantity.Count(kept), "they are open at once%s, and 1 source address x %s ports = %s: ask for at most %s, or widen %s",
		also, quantity.Count(ports), quantity.Count(ports), quantity.Count(ports-arrivals), portRangeKey)
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

// offerPorts lists ports for the embedded server to try, outside of the local port range: inside of it a client's connection could have
// taken the port, or would find it missing.
func (r *resolver) offerPorts() {
	if r.Server == nil {
		return
	}
	lo, hi, _, ok := r.inside.LocalPorts()
	if !ok {
		lo, hi = 32768, 60999
	}
	for _, p := range []int{7777, 7778, 17777, 27777, lo - 1, hi + 1, lo - 2, hi + 2, 80, 443, 777} {
		if p > 0 && p < 1<<16 && (p < lo || p > hi) {
			r.ServerPorts = append(r.ServerPorts, uint16(p))
		}
	}
	r.ServerPorts = append(r.ServerPorts, 7777)
}
