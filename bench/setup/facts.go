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

// Facts are what Resolve has to know of the host. They are of the namespaces of the process, outside of any sandbox of the run's.
type Facts struct {
	Host host.Facts `json:"host"`
	// NoRing says why io_uring cannot be used; empty: it can, or was not asked for.
	NoRing string `json:"no_ring,omitempty"`
	// CPUs are those that this process may run on; empty if unknown.
	CPUs []int `json:"allowed_cpus,omitempty"`
	// Local are addresses of targets that are this host's.
	Local []netip.Addr `json:"local,omitempty"`
	// Sources are doubts about the source addresses that were asked for.
	Sources SourceFacts `json:"source_facts,omitzero"`
}

// SourceFacts tell which source addresses a load would not be sent from.
type SourceFacts struct {
	// Foreign is the first that was found not to be local; it is looked at the first and the last of a group.
	Foreign []netip.Addr `json:"foreign,omitempty"`
	// Broadcast are broadcast addresses, which a socket takes and then does not use (__inet_bind).
	Broadcast []netip.Addr `json:"broadcast,omitempty"`
}

// Read reads the facts for a run. It opens no socket of the load's.
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

// readSources asks in the calling thread's network namespace. Binding tells what no list of interfaces does, as local routes make whole
// ranges local: the first and the last address of a group stand for all.
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

// bindable reports whether a is local. A UDP socket asks: it sends nothing, and takes no TCP port.
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
		return sockstate.BadValue("source", f.Broadcast[0], "is a broadcast address here, and the kernel would send from another one: want an address of one host, or a range without it")
	}
	return nil
}

// CheckSources refuses source addresses that the load would not be sent from, in the calling thread's network namespace. It is for the
// inside of a sandbox, whose addresses Resolve could not see.
func (s *Setup) CheckSources() error {
	f := readSources(&s.Plan)
	return f.check()
}
