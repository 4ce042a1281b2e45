package setup

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"go4.org/netipx"

	"lastack/bench/host"
	"lastack/bench/sandbox"
	"lastack/sockstate"
)

const (
	portRangeKey     = "net.ipv4.ip_local_port_range"
	reservedPortsKey = "net.ipv4.ip_local_reserved_ports"
	bucketsKey       = "net.ipv4.tcp_max_tw_buckets"
)

// freshSysctls holds the relevant sysctls of a new namespace (inet_init_net, tcp_sk_init).
var freshSysctls = map[string]string{portRangeKey: "32768 60999", "net.ipv4.tcp_tw_reuse": "2", "net.ipv4.tcp_timestamps": "1"}

// sandboxFlags require a sandbox.
var sandboxFlags = []string{"sandbox", "topology", "nat-addresses", "nat-ports", "sysctl", "loss"}

// enclose makes the sandbox from the spec and from what the load needs, and sets r.inside.
func (r *resolver) enclose() error {
	foreign, err := r.foreignSources()
	if err != nil || r.spec.Sandbox == nil {
		r.listServerPorts()
		return err
	}
	box := *r.spec.Sandbox
	box.Sysctls, box.Sources = slices.Clone(box.Sysctls), append(slices.Clone(box.Sources), foreign...)
	r.Sandbox = &box
	for _, flag := range sandboxFlags {
		if r.spec.given(flag) {
			r.NeedsSandbox = "--" + flag
		}
	}
	if len(foreign) > 0 {
		r.NeedsSandbox = "--source"
	}
	if err := r.checkNAT(); err != nil {
		return err
	}
	if err := r.widenPorts(); err != nil {
		return err
	}
	r.inside = r.facts.Inside(r.Sandbox)
	r.listServerPorts()
	return nil
}

// checkNAT refuses what a router with NAT does not have.
func (r *resolver) checkNAT() error {
	switch n := &r.Sandbox.NAT; {
	case r.Sandbox.Topology != sandbox.Routed:
		for _, flag := range []string{"nat-addresses", "nat-ports"} {
			if r.spec.given(flag) {
				return sockstate.BadValue(flag, "", "only the router of --topology nat has them")
			}
		}
	case n.Addresses < 0 || n.Addresses > sandbox.MaxNATAddresses || n.Addresses == 0 && r.spec.given("nat-addresses"):
		return sockstate.BadValue("nat-addresses", n.Addresses, "want 1 to %d", sandbox.MaxNATAddresses)
	case r.V6:
		return sockstate.BadValue("ipv6", "", "the router of --topology nat translates IPv4 only")
	}
	return nil
}

// Inside returns the host's facts as they will be in the client's namespace of a sandbox, as far as a load depends on them. For a nil box
// it returns the host's.
func (f *Facts) Inside(box *sandbox.Spec) *host.Facts {
	inside := f.Host
	if box != nil {
		inside.Sysctls = maps.Clone(freshSysctls)
		for _, s := range box.Sysctls {
			inside.Sysctls[s.Key] = s.Value
		}
	}
	return &inside
}

// sysctls lists the sandbox's sysctls.
func (r *resolver) sysctls() []sandbox.Sysctl {
	if r.Sandbox == nil {
		return nil
	}
	return r.Sandbox.Sysctls
}

// sysctl is the value of one of the sandbox's sysctls.
func (r *resolver) sysctl(key string) (value string, ok bool) {
	for _, s := range r.sysctls() {
		if s.Key == key {
			value, ok = s.Value, true
		}
	}
	return value, ok
}

// foreignSources lists prefixes of source addresses that the sandbox must make local.
func (r *resolver) foreignSources() (foreign []netip.Prefix, err error) {
	if r.Server == nil {
		return nil, nil
	}
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	var set netipx.IPSetBuilder
	for i := range r.Plan.Groups {
		for _, a := range r.Plan.Groups[i].Sources {
			switch {
			case a.Is4() && r.V6:
				return nil, sockstate.BadValue("source", r.spec.Sources, "with --ipv6 the embedded server accepts no IPv4: want IPv6 addresses")
			case a.Is6() && !r.V6:
				return nil, sockstate.BadValue("source", r.spec.Sources, "the embedded server listens on IPv4: want IPv4 addresses, or --ipv6")
			case !loopback.Contains(a):
				set.Add(a)
			case r.spec.Sandbox != nil && r.spec.Sandbox.Topology.Split():
				across := map[sandbox.Topology]string{sandbox.Veth: "a veth pair", sandbox.Routed: "a router"}[r.spec.Sandbox.Topology]
				return nil, sockstate.BadValue("source", r.spec.Sources, "a loopback address cannot reach a server across %s: want other addresses, or --topology lo", across)
			}
		}
	}
	all, err := set.IPSet()
	if err != nil {
		return nil, err
	}
	return all.Prefixes(), nil
}

// widenPorts sets the sandbox's local port range to --source-ports: outside of the namespace's range the kernel ignores those. It keeps a
// range that the user set.
func (r *resolver) widenPorts() error {
	const privileged = "net.ipv4.ip_unprivileged_port_start"
	ports := r.Plan.Groups[0].SourcePorts
	if _, set := r.sysctl(portRangeKey); set || ports.IsZero() || r.Server == nil {
		return nil
	}
	first := 1024
	if v, ok := r.sysctl(privileged); ok {
		if n, err := strconv.Atoi(v); err == nil {
			first = n
		}
	}
	// ipv4_local_port_range refuses a range that begins among the privileged ports.
	if int(ports.Lo) < first {
		return sockstate.BadValue("source-ports", ports, "the kernel chooses no local port below %d (%s): want LO of %[1]d or more", first, privileged)
	}
	r.Sandbox.Sysctls = append(r.Sandbox.Sysctls, sandbox.Sysctl{Key: portRangeKey, Value: fmt.Sprintf("%d %d", ports.Lo, ports.Hi)})
	return nil
}
