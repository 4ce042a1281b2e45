package sandbox

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lastack/sockstate/netns"
)

// The network between two namespaces, from the block for benchmarks (RFC 2544,
// appendix C.2.2) and a unique local prefix (RFC 4193):
//
//	   client's namespace                    server's namespace
//	198.18.0.1                                      198.19.0.1
//	fd6c:6173:7461:1::1                     fd6c:6173:7461:2::1
//	   [client] ------------- veth ------------- [server]
//	local 198.18.0.0/16              local 198.19.0.0/16
//	198.19.0.0/16 via 198.19.0.1     198.18.0.0/16 via 198.18.0.1
//
// Each side reaches the other's whole range through one gateway with a permanent
// link-layer address: no ARP or neighbour discovery disturbs a measurement.
type vethEnd struct {
	ns     *netns.NS
	link   string
	mac    net.HardwareAddr
	v4, v6 netip.Prefix // the link's address, with the whole network's prefix length
	range4 netip.Prefix // local here
	range6 netip.Prefix // reached through v6; only v6's own address is local
}

func vethEnds(client, server *netns.NS) (c, s vethEnd) {
	c = vethEnd{
		ns: client, link: "client", mac: net.HardwareAddr{0x02, 0, 0, 0, 0, 0x01},
		v4:     netip.MustParsePrefix("198.18.0.1/15"),
		v6:     netip.MustParsePrefix("fd6c:6173:7461:1::1/48"),
		range4: VethClient4(),
		range6: netip.MustParsePrefix("fd6c:6173:7461:1::/64"),
	}
	s = vethEnd{
		ns: server, link: "server", mac: net.HardwareAddr{0x02, 0, 0, 0, 0, 0x02},
		v4:     netip.MustParsePrefix("198.19.0.1/15"),
		v6:     netip.MustParsePrefix("fd6c:6173:7461:2::1/48"),
		range4: netip.MustParsePrefix("198.19.0.0/16"),
		range6: netip.MustParsePrefix("fd6c:6173:7461:2::/64"),
	}
	return c, s
}

// joinByVeth makes the pair and sets the topology's addresses.
func (s *Sandbox) joinByVeth() error {
	c, sv := vethEnds(s.Client, s.Server)
	err := withLinks(s.Client, func(h *netlink.Handle) error {
		veth := netlink.NewVeth(netlink.LinkAttrs{Name: c.link, HardwareAddr: c.mac, TxQLen: -1})
		veth.PeerName = sv.link
		veth.PeerHardwareAddr = sv.mac
		veth.PeerNamespace = netlink.NsFd(s.Server.Fd())
		return h.LinkAdd(veth)
	})
	if err != nil {
		return err
	}
	v6 := true
	for _, e := range []vethEnd{c, sv} {
		has, err := e.up()
		if err != nil {
			return err
		}
		v6 = v6 && has
	}
	// A route through a gateway needs a carrier on its link, so both ends must be up.
	for _, p := range [][2]vethEnd{{c, sv}, {sv, c}} {
		if err := p[0].reach(p[1], v6); err != nil {
			return err
		}
	}
	s.ServerAddr4 = sv.v4.Addr()
	s.ClientRange4 = c.range4
	if v6 {
		s.ClientAddr6, s.ServerAddr6 = c.v6.Addr(), sv.v6.Addr()
	}
	s.ends = []end{{s.Client, c.link}, {s.Server, sv.link}}
	return nil
}

// up gives the link its IPv4 address and brings it up. v6 says whether it can have IPv6 addresses.
func (e vethEnd) up() (v6 bool, err error) {
	err = withLinks(e.ns, func(h *netlink.Handle) error {
		v6 = hasIPv6(e.link)
		// No link-local address, and so no duplicate address detection and no router
		// solicitations. Best effort: such packets are harmless.
		_ = writeFile("/proc/sys/net/ipv6/conf/"+e.link+"/addr_gen_mode", "1")
		link, err := h.LinkByName(e.link)
		if err != nil {
			return err
		}
		if err := h.AddrAdd(link, &netlink.Addr{IPNet: ipNet(e.v4)}); err != nil {
			return fmt.Errorf("add address %s to %s: %w", e.v4, e.link, err)
		}
		return h.LinkSetUp(link)
	})
	return v6, err
}

// reach adds the IPv6 address, the local range and the route to the other end.
func (e vethEnd) reach(other vethEnd, v6 bool) error {
	return withLinks(e.ns, func(h *netlink.Handle) error {
		link, err := h.LinkByName(e.link)
		if err != nil {
			return err
		}
		if err := addLocal(h, e.range4); err != nil {
			return err
		}
		if err := addGateway(h, link, other.range4, other.v4.Addr(), other.mac); err != nil {
			return err
		}
		if !v6 {
			return nil
		}
		// IFA_F_NODAD: usable at once; duplicate address detection would take a second.
		if err := h.AddrAdd(link, &netlink.Addr{IPNet: ipNet(e.v6), Flags: unix.IFA_F_NODAD}); err != nil {
			return fmt.Errorf("add address %s to %s: %w", e.v6, e.link, err)
		}
		return addGateway(h, link, other.range6, other.v6.Addr(), other.mac)
	})
}

// addSources makes prefixes local at the client, and routed at the server of a veth pair.
func (s *Sandbox) addSources(prefixes []netip.Prefix) error {
	for _, p := range prefixes {
		if within(s.ClientRange4, p) || p.IsSingleIP() && p.Addr() == s.ClientAddr6 {
			continue
		}
		err := withLinks(s.Client, func(h *netlink.Handle) error {
			if p.Addr().Is6() {
				if err := writeFile(procSys("net.ipv6.ip_nonlocal_bind"), "1"); err != nil {
					return err
				}
			}
			return addLocal(h, p)
		})
		if err != nil {
			return err
		}
		c, sv := vethEnds(s.Client, s.Server)
		switch s.Topology {
		case Routed:
			// The server sees the NAT's addresses.
			if r := (hop{end{s.Router, insideLink}, p, c.v4.Addr(), c.mac}); p.Addr().Is6() {
				return fmt.Errorf("source prefix %s: the NAT translates IPv4 only", p)
			} else if err := r.add(); err != nil {
				return err
			}
			continue
		case Lo:
			continue
		case Relayed:
			return fmt.Errorf("source prefix %s: a relay has two addresses only", p)
		}
		via := c.v4.Addr()
		if p.Addr().Is6() {
			if !s.ClientAddr6.IsValid() {
				return fmt.Errorf("source prefix %s: no IPv6 here", p)
			}
			via = c.v6.Addr()
		}
		err = withLinks(sv.ns, func(h *netlink.Handle) error {
			link, err := h.LinkByName(sv.link)
			if err != nil {
				return err
			}
			return addGateway(h, link, p, via, c.mac)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// within reports whether p lies in outer.
func within(outer, p netip.Prefix) bool {
	return p.Bits() >= outer.Bits() && outer.Contains(p.Addr())
}

// addLocal makes every address of p local by one route (fib_lookup in the local table);
// adding each address would cost memory and time.
func addLocal(h *netlink.Handle, p netip.Prefix) error {
	lo, err := h.LinkByName("lo")
	if err != nil {
		return err
	}
	err = h.RouteReplace(&netlink.Route{
		LinkIndex: lo.Attrs().Index, Dst: ipNet(p),
		Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_LOCAL, Scope: netlink.SCOPE_HOST,
	})
	if err != nil {
		return fmt.Errorf("add local route %s: %w", p, err)
	}
	return nil
}

// addGateway routes p through the other end of link.
func addGateway(h *netlink.Handle, link netlink.Link, p netip.Prefix, via netip.Addr, mac net.HardwareAddr) error {
	family := netlink.FAMILY_V4
	if via.Is6() {
		family = netlink.FAMILY_V6
	}
	err := h.NeighSet(&netlink.Neigh{
		LinkIndex: link.Attrs().Index, Family: family, State: netlink.NUD_PERMANENT,
		IP: via.AsSlice(), HardwareAddr: mac,
	})
	if err != nil {
		return fmt.Errorf("add neighbour %s: %w", via, err)
	}
	// Onlink: the gateway is in the range that is routed through it.
	err = h.RouteReplace(&netlink.Route{
		LinkIndex: link.Attrs().Index, Dst: ipNet(p), Gw: via.AsSlice(), Flags: int(netlink.FLAG_ONLINK),
	})
	if err != nil {
		return fmt.Errorf("add route %s via %s: %w", p, via, err)
	}
	return nil
}

// withLinks calls f in a namespace, with a netlink socket of it.
func withLinks(ns *netns.NS, f func(h *netlink.Handle) error) error {
	return ns.Do(func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		return f(h)
	})
}

func ipNet(p netip.Prefix) *net.IPNet {
	a := p.Addr()
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(p.Bits(), a.BitLen())}
}
