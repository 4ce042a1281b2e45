package setup

import (
	"net"
	"net/netip"
	"slices"

	"lastack/bench/host"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/sockio"
)

// Facts is what Resolve needs to know about the host. It describes the process's own namespaces, not those of a sandbox.
type Facts struct {
	Host host.Facts `json:"host"`
	// NoRing says why io_uring cannot be used. It is empty if it can, or was not asked for.
	NoRing string `json:"no_ring,omitempty"`
	// CPUs lists the CPUs that this process may run on; empty if unknown.
	CPUs []int `json:"allowed_cpus,omitempty"`
	// Local lists the targets' addresses that are this host's.
	Local []netip.Addr `json:"local,omitempty"`
	// Sources lists source addresses that cannot be used.
	Sources SourceFacts `json:"source_facts,omitzero"`
}

// SourceFacts lists source addresses that a load would not be sent from.
type SourceFacts struct {
	// Foreign holds the first that is not local, if any. Only the first and the last address of a group are checked.
	Foreign []netip.Addr `json:"foreign,omitempty"`
	// Broadcast lists broadcast addresses: a socket can be bound to one, but sends from another address (__inet_bind).
	Broadcast []netip.Addr `json:"broadcast,omitempty"`
}

// Read reads the facts for a run. It opens no connection.
func Read(spec *Spec) (Facts, error) {
	h, err := host.Read()
	if err != nil {
		return Facts{}, err
	}
	f := Facts{Host: *h}
	if spec.Engine != epoll {
		if err := sockio.ProbeRing(); err != nil {
			f.NoRing = err.Error()
		}
	}
	f.CPUs, _ = sockio.AllowedCPUs() // without them the scheduler places the workers
	for i := range spec.Plan.Groups {
		for _, t := range spec.Plan.Groups[i].Targets {
			if a := t.Addr(); !slices.Contains(f.Local, a) && sockio.IsLocal(a) {
				f.Local = append(f.Local, a)
			}
		}
	}
	if spec.Sandbox == nil {
		f.Sources = readSources(&spec.Plan)
	}
	return f, nil
}

// readSources checks in the calling thread's network namespace. It binds sockets, because a list of the interfaces' addresses lacks the
// ranges that local routes make local. The first and the last address of a group stand for all.
func readSources(p *loadgen.Plan) (f SourceFacts) {
	var all []netip.Addr
	for i := range p.Groups {
		s := p.Groups[i].Sources
		if len(s) == 0 {
			continue
		}
		for _, a := range []netip.Addr{s[0], s[len(s)-1]} {
			if !bindable(a) {
				f.Foreign = append(f.Foreign, a)
				return f
			}
		}
		all = append(all, s...)
	}
	if len(all) == 0 {
		return f
	}
	broadcasts := host.Broadcasts()
	for _, a := range all {
		if broadcasts.Contains(a) {
			f.Broadcast = append(f.Broadcast, a)
		}
	}
	return f
}

// bindable reports whether a is local. It binds a UDP socket, which sends nothing and takes no TCP port.
func bindable(a netip.Addr) bool {
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
	if err != nil {
		return false
	}
	return c.Close() == nil
}

func (f *SourceFacts) check() error {
	if len(f.Foreign) > 0 {
		return sockstate.BadValue("source", f.Foreign[0], "is not an address of this host: want one that is, or add it (ip addr add, ip route add local)")
	}
	if len(f.Broadcast) > 0 {
		return sockstate.BadValue("source", f.Broadcast[0], "is a broadcast address here, and the kernel would send from another address: want an address of one host, or a range without it")
	}
	return nil
}

// CheckSources refuses source addresses that the load would not be sent from, in the calling thread's network namespace. It is for use
// inside a sandbox, whose addresses Resolve cannot see.
func (s *Setup) CheckSources() error {
	f := readSources(&s.Plan)
	return f.check()
}
