package sandbox

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lastack/bench/record"
	"lastack/sockstate/netns"
	"lastack/sockstate/sockio"
)

// setUp makes the sandbox of this process; each step needs those before it. The test connections come before the
// spec's sysctls and loss, which might break them. noHash is why the namespace has no connection hash of its own.
func setUp(h *handoff, noHash error) (s *Sandbox, err error) {
	spec := h.Spec
	s = &Sandbox{Mode: h.Mode, Topology: spec.topology()}
	defer func() {
		if err != nil {
			_ = s.close() // err matters more
		}
	}()
	at := func(step step, err error) error {
		var se *SysctlError
		if err == nil || errors.As(err, &se) {
			return err
		}
		return &Error{step: step, Mode: h.Mode, Err: err}
	}

	if s.Client, err = netns.Current(); err != nil {
		return s, at(stepFresh, err)
	}
	s.Server = s.Client
	if err := checkFresh(h, s.Client); err != nil {
		return s, at(stepFresh, err)
	}
	if s.Topology == Veth {
		if spec.EhashEntries > 0 && noHash == nil {
			noHash = askForHash(spec.EhashEntries)
		}
		if s.Server, err = netns.New(); err != nil {
			return s, at(stepNamespaces, err)
		}
	}
	for _, ns := range s.namespaces() {
		if err := ns.Do(sockio.LoopbackUp); err != nil {
			return s, at(stepLoopback, err)
		}
		for _, c := range spec.Sysctls {
			if c.perDefault() {
				if err := ns.Do(func() error { return applySysctl(c, h.Mode) }); err != nil {
					return s, at(stepSysctl, err)
				}
			}
		}
	}
	switch s.Topology {
	case Lo:
		s.useLoopback()
	case Veth:
		if err := s.joinByVeth(); err != nil {
			return s, at(stepVeth, err)
		}
	}
	if err := s.addSources(spec.Sources); err != nil {
		return s, at(stepSources, err)
	}
	if slices.Contains(spec.Sources, Range6()) {
		s.ClientRange6 = Range6()
	}
	for _, ns := range s.namespaces() {
		if err := ns.Do(proveWritable); err != nil {
			return s, at(stepWrite, err)
		}
	}
	if err := s.proveConnected(); err != nil {
		return s, at(stepConnect, err)
	}
	for _, ns := range s.namespaces() {
		for _, c := range spec.Sysctls {
			if c.perDefault() {
				continue
			}
			if err := ns.Do(func() error { return applySysctl(c, h.Mode) }); err != nil {
				return s, at(stepSysctl, err)
			}
		}
	}
	if spec.Loss > 0 {
		if err := s.addLoss(spec.Loss); err != nil {
			return s, at(stepLoss, err)
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

func status(mode Mode, spec Spec) record.Sandbox {
	r := record.Sandbox{Mode: string(mode), Topology: string(spec.topology())}
	if len(spec.Sysctls) > 0 {
		r.Sysctls = make(map[string]string, len(spec.Sysctls))
		for _, c := range spec.Sysctls {
			r.Sysctls[c.Key] = c.Value
		}
	}
	if spec.Loss > 0 {
		r.Loss = spec.Loss.String()
	}
	return r
}

// namespaces lists Client and, if different, Server.
func (s *Sandbox) namespaces() []*netns.NS {
	if s.Server == s.Client {
		return []*netns.NS{s.Client}
	}
	return []*netns.NS{s.Client, s.Server}
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
