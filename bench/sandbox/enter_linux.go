package sandbox

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lastack/bench/record"
	"lastack/sockstate/netns"
	"lastack/sockstate/sockio"
)

// setUp makes the sandbox of this process; each step needs those before it. The test connections come before the
// spec's sysctls and loss, which might break them. noHash is why the namespace has no connection hash of its own.
func setUp(h *handoff, noHash error) (*Sandbox, error) {
	spec := h.Spec
	s := &Sandbox{Mode: h.Mode, Topology: spec.topology()}
	for _, part := range []struct {
		step step
		do   func() error
	}{
		{stepFresh, func() (err error) {
			if s.Client, err = netns.Current(); err != nil {
				return err
			}
			s.Server = s.Client
			return checkFresh(h, s.Client)
		}},
		{stepNamespaces, func() (err error) {
			if !s.Topology.Split() {
				return nil
			}
			if spec.EhashEntries > 0 && noHash == nil {
				noHash = askForHash(spec.EhashEntries)
			}
			if s.Server, err = netns.New(); err != nil || s.Topology == Veth {
				return err
			}
			s.Router, err = netns.New()
			return err
		}},
		{stepLoopback, func() error { return s.inEach(sockio.LoopbackUp) }},
		{stepSysctl, func() error { return s.applySysctls(spec.Sysctls, true) }},
		{stepVeth, func() error {
			switch s.Topology {
			case Veth:
				return s.joinByVeth()
			case Routed:
				return s.joinByNAT(&spec.NAT)
			case Relayed:
				return s.joinByRelay()
			}
			s.useLoopback()
			return nil
		}},
		{stepSources, func() error { return s.addSources(spec.Sources) }},
		{stepWrite, func() error { return s.inEach(proveWritable) }},
		{stepConnect, s.proveConnected},
		{stepSysctl, func() error { return s.applySysctls(spec.Sysctls, false) }},
		{stepLoss, func() error { return s.addLoss(spec.Loss) }},
	} {
		if err := part.do(); err != nil {
			_ = s.close() // err matters more
			if _, ok := errors.AsType[*SysctlError](err); ok {
				return nil, err
			}
			return nil, &Error{step: part.step, Mode: h.Mode, Err: err}
		}
	}
	for _, ns := range s.namespaces() {
		s.orphans = append(s.orphans, openOrphanCleaner(ns))
	}
	s.Status = status(h.Mode, spec)
	if spec.EhashEntries > 0 {
		entries, err := s.checkHash(spec.EhashEntries)
		s.Status.EhashEntries = entries
		if noHash == nil {
			noHash = err
		}
		if noHash != nil {
			s.Status.Reason = fmt.Sprintf("no larger connection hash: %v", noHash)
		}
	}
	return s, nil
}

// inEach calls f in each namespace.
func (s *Sandbox) inEach(f func() error) error {
	for _, ns := range s.namespaces() {
		if err := ns.Do(f); err != nil {
			return err
		}
	}
	return nil
}

// applySysctls applies the sysctls in order, either those for links made afterwards or the others.
func (s *Sandbox) applySysctls(list []Sysctl, perDefault bool) error {
	return s.inEach(func() error {
		for _, c := range list {
			if c.perDefault() != perDefault {
				continue
			}
			if err := applySysctl(c); err != nil {
				return err
			}
		}
		return nil
	})
}

func status(mode Mode, spec Spec) record.Sandbox {
	r := record.Sandbox{Mode: string(mode), Topology: string(spec.topology())}
	if len(spec.Sysctls) > 0 {
		r.Sysctls = make(map[string]string, len(spec.Sysctls))
		for _, c := range spec.Sysctls {
			r.Sysctls[c.Key] = c.Value
		}
	}
	if spec.topology() == Routed {
		r.NAT = &record.NAT{Addresses: spec.NAT.addresses(), Ports: "1024-65535"}
		if p := spec.NAT.Ports; !p.IsZero() {
			r.NAT.Ports = p.String()
		}
	}
	if spec.Loss > 0 {
		r.Loss = spec.Loss.String()
	}
	return r
}

// namespaces lists Client and, if different, Server and Router.
func (s *Sandbox) namespaces() []*netns.NS {
	all := []*netns.NS{s.Client}
	if s.Server != s.Client {
		all = append(all, s.Server)
	}
	if s.Router != nil {
		all = append(all, s.Router)
	}
	return all
}

// checkFresh refuses a namespace in use, whatever the environment says: in a new one lo
// is the only link, and it is down.
func checkFresh(h *handoff, ns *netns.NS) error {
	switch ns.ID() {
	case h.Host:
		return fmt.Errorf("this is the host's network namespace %s", h.Host)
	case h.Outer:
		return fmt.Errorf("this is the outer network namespace %s", h.Outer)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	if lo.Attrs().RawFlags&unix.IFF_UP != 0 {
		return errors.New("lo is up already")
	}
	return nil
}

// useLoopback sets the addresses of the topology lo.
func (s *Sandbox) useLoopback() {
	v4 := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	s.ServerAddr4 = v4
	s.ClientRange4 = netip.PrefixFrom(v4, 8).Masked()
	if hasIPv6("lo") {
		s.ServerAddr6, s.ClientAddr6 = netip.IPv6Loopback(), netip.IPv6Loopback()
	}
	s.ends = []end{{s.Client, "lo"}}
}
