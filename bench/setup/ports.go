package setup

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/sandbox"
	"lastack/loadgen"
	"lastack/sockstate"
)

// portsOf is how many local ports the group can use per source address, 0 if unknown.
func (r *resolver) portsOf(g *loadgen.Group) int {
	lo, hi, n, _ := r.inside.LocalPorts()
	if p := g.SourcePorts; !p.IsZero() {
		lo, hi = int(p.Lo), int(p.Hi)
		n, _ = r.inside.UsablePorts(lo, hi)
	}
	return n - r.targetPorts(g, lo, hi)
}

// targetPorts counts the ports from lo to hi that connect cannot choose because a local target listens there: it skips bound ports
// (__inet_hash_connect).
func (r *resolver) targetPorts(g *loadgen.Group, lo, hi int) int {
	n := 0
	seen := make(map[uint16]bool)
	for _, t := range g.Targets {
		p := int(t.Port())
		if p < lo || p > hi || seen[t.Port()] || !r.isLocal(t.Addr()) {
			continue
		}
		seen[t.Port()] = true
		usable, _ := r.inside.UsablePorts(p, p)
		n += usable
	}
	return n
}

// isLocal reports whether a target is on this host.
func (r *resolver) isLocal(a netip.Addr) bool {
	return a.IsLoopback() || r.Sandbox == nil && slices.Contains(r.facts.Local, a)
}

// portsHeld is how many ports the group uses at once: for its open connections and, if there is a count, for the client's
// TIME_WAITs. The TIME_WAITs of a plateau keep the ports of its connections.
func (r *resolver) portsHeld(g *loadgen.Group) int64 {
	n := r.open(g)
	if g.Connections == 0 {
		n = 0 // no cap: a schedule may run out of ports on purpose
	}
	if r.Plan.Count > 0 && g.Plateau == 0 && !r.studiesReuse() {
		n = min(n+r.timeWaits(g)[sockstate.Client], r.Plan.Count)
	}
	return n
}

// studiesReuse reports whether the user has set tcp_tw_reuse, and so wants the load to run into ports in TIME_WAIT.
func (r *resolver) studiesReuse() bool {
	return slices.ContainsFunc(r.sysctls(), func(s sandbox.Sysctl) bool { return strings.HasPrefix(s.Key, "net.ipv4.tcp_tw_reuse") })
}

// checkPorts refuses a plateau with more connections than ports: it could never have them all open.
func (r *resolver) checkPorts() error {
	for i := range r.Plan.Groups {
		g := &r.Plan.Groups[i]
		if err := r.checkReserved(g); err != nil {
			return err
		}
		ports := int64(r.portsOf(g))
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
		case r.Server != nil && len(g.Sources) > 0 && !r.portsAreSet(g) && r.chosen == 0:
			remedy += ", or without --source, so that lastack chooses"
		case !g.SourcePorts.IsZero():
			remedy += ", or with more --source-ports"
		case r.portsAreSet(g):
			remedy += ", or with a wider " + portRangeKey
		}
		return sockstate.BadValue("connections", quantity.Count(int64(g.Connections)), "a --plateau holds them all at once, but there are only %s = %s: ask for at most that many, or run %s",
			sum, quantity.Count(addresses*each), remedy)
	}
	return nil
}

// checkKept refuses more kept connections, over all groups, than a source address has local ports, less one for the arrivals. All groups
// have the same target.
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
	ports := int64(r.portsOf(&r.Plan.Groups[0]))
	if ports <= 0 || kept+arrivals <= ports {
		return nil
	}
	also := ""
	if arrivals > 0 {
		also = ", and the arrivals need one"
	}
	return sockstate.BadValue("connections", quantity.Count(kept), "they are open at once%s, but there are only 1 source address x %s ports = %s: ask for at most %s, or widen %s",
		also, quantity.Count(ports), quantity.Count(ports), quantity.Count(ports-arrivals), portRangeKey)
}

// checkReserved refuses a group whose local ports are all reserved: connect does not choose a reserved port.
func (r *resolver) checkReserved(g *loadgen.Group) error {
	const key = reservedPortsKey
	reserved := r.inside.Sysctls[key]
	if p := g.SourcePorts; !p.IsZero() {
		if n, err := r.inside.UsablePorts(int(p.Lo), int(p.Hi)); err == nil && n == 0 {
			return sockstate.BadValue("source-ports", p, "all of them are reserved (%s=%s), and connect chooses no reserved port: want others, or reserve fewer", key, reserved)
		}
		return nil
	}
	lo, hi, n, ok := r.inside.LocalPorts()
	if !ok || n > 0 {
		return nil
	}
	why := fmt.Sprintf("all local ports from %d to %d (%s) are reserved, and connect chooses no reserved port: reserve fewer, or widen the range", lo, hi, portRangeKey)
	if v, set := r.sysctl(key); set {
		return sockstate.BadValue("sysctl", key+"="+v, "%s", why)
	}
	return sockstate.BadValue("", key+"="+reserved, "%s", why)
}

// listServerPorts lists ports for the embedded server to try. They are outside of the local port range: inside, a client's connection
// may have the port, or would lack it.
func (r *resolver) listServerPorts() {
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
