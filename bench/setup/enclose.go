package setup

import (
	"fmt"
	"iter"
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

// freshSysctls are those of a new namespace (inet_init_net, tcp_sk_init), of those that count here.
var freshSysctls = map[string]string{portRangeKey: "32768 60999", "net.ipv4.tcp_tw_reuse": "2", "net.ipv4.tcp_timestamps": "1"}

// sandboxFlags insist on a sandbox.
var sandboxFlags = []string{"sandbox", "topology", "sysctl", "loss"}

// enclose makes the sandbox of what was asked for and of what the load needs of it, and says what it will be inside.
func (r *resolver) enclose() error {
	foreign, err := r.foreignSources()
	if err != nil || r.spec.Sandbox == nil {
		r.offerPorts()
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
	if err := r.widenPorts(); err != nil {
		return err
	}
	r.inside = r.facts.Inside(r.Sandbox)
	r.offerPorts()
	return nil
}

// Inside is what the host will be in the client's network namespace of a sandbox, as far as a load has to know; nil is none, and the
// host stays what it is.
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

// asked are the sysctls of the sandbox.
func (r *resolver) asked() iter.Seq2[string, string] {
	return func(yield func(key, value string) bool) {
		if r.Sandbox == nil {
			return
		}
		for _, s := range r.Sandbox.Sysctls {
			if !yield(s.Key, s.Value) {
				return
			}
		}
	}
}

// askedFor is the value that was asked for of a sysctl of the sandbox.
func (r *resolver) askedFor(key string) (value string, ok bool) {
	for k, v := range r.asked() {
		if k == key {
			value, ok = v, true
		}
	}
	return value, ok
}

// foreignSources are prefixes of sources that the embedded server can be reached from, once the sandbox has made them local.
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
				return nil, sockstate.BadValue("source", r.spec.Sources, "with --ipv6 the embedded server takes no IPv4: want IPv6 addresses")
			case a.Is6() && !r.V6:
				return nil, sockstate.BadValue("source", r.spec.Sources, "the embedded server is on IPv4: want IPv4 addresses, or --ipv6")
			case !loopback.Contains(a):
				set.Add(a)
			case r.spec.Sandbox != nil && r.spec.Sandbox.Topology == sandbox.Veth:
				return nil, sockstate.BadValue("source", r.spec.Sources, "a loopback address reaches no server across a veth pair: want others, or --topology lo")
			}
		}
	}
	all, err := set.IPSet()
	if err != nil {
		return nil, err
	}
	return all.Prefixes(), nil
}

// widenPorts gives the sandbox of an embedded server the range of the source ports: outside of the namespace's range the kernel would
// ignore it. A range that was asked for stays.
func (r *resolver) widenPorts() error {
	const privileged = "net.ipv4.ip_unprivileged_port_start"
	ports := r.Plan.Groups[0].SourcePorts
	if _, asked := r.askedFor(portRangeKey); asked || ports.IsZero() || r.Server == nil {
		return nil
	}
	first := 1024
	if v, ok := r.askedFor(privileged); ok {
		if n, err := strconv.Atoi(v); err == nil {
			first = n
		}
	}
	// ipv4_local_port_range refuses a range that begins among the privileged ports.
	if int(ports.Lo) < first {
		return sockstate.BadValue("source-ports", ports, "the kernel chooses no local port below %d (%s): want LO-HI from there on", first, privileged)
	}
	r.Sandbox.Sysctls = append(r.Sandbox.Sysctls, sandbox.Sysctl{Key: portRangeKey, Value: fmt.Sprintf("%d %d", ports.Lo, ports.Hi)})
	return nil
}
