package sandbox

import (
	"encoding/binary"
	"net"
	"net/netip"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A router between both namespaces, which puts an address of its own in place of the client's (IPv4 only):
//
//	client's namespace            router's namespace              server's namespace
//	198.18.0.1                                                           198.19.0.1
//	   [client] ---- veth ---- [inside]    [outside] ---- veth ---- [server]
//	local 198.18.0.0/16        source becomes 203.0.113.1 to .N  local 198.19.0.0/16
//
// As with a veth pair, every next hop has a permanent link-layer address. The NAT's addresses are from a block that no network uses (RFC
// 5737). Connections take them in turn: a range of addresses in one rule would have all connections of a client share one of them
// (find_best_ips_proto).
var (
	natRange   = netip.MustParsePrefix("203.0.113.0/24")
	insideMAC  = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x03}
	outsideMAC = net.HardwareAddr{0x02, 0, 0, 0, 0, 0x04}
)

const (
	insideLink  = "inside"
	outsideLink = "outside"
)

// spoke is a veth pair from an end to the namespace in the middle.
type spoke struct {
	end  vethEnd
	peer string           // the link in the middle
	mac  net.HardwareAddr // of that, nil if the kernel may choose
	at   func() error     // called at the end, before its link is up; may be nil
}

// joinMiddle makes both pairs, and sets all their links up.
func (s *Sandbox) joinMiddle(inside, outside spoke) error {
	for _, p := range []spoke{inside, outside} {
		err := withLinks(p.end.ns, func(h *netlink.Handle) error {
			veth := netlink.NewVeth(netlink.LinkAttrs{Name: p.end.link, HardwareAddr: p.end.mac, TxQLen: -1})
			veth.PeerName, veth.PeerHardwareAddr, veth.PeerNamespace = p.peer, p.mac, netlink.NsFd(s.Router.Fd())
			if err := h.LinkAdd(veth); err != nil || p.at == nil {
				return err
			}
			return p.at()
		})
		if err != nil {
			return err
		}
		if _, err := p.end.up(); err != nil {
			return err
		}
	}
	return withLinks(s.Router, func(h *netlink.Handle) error {
		for _, name := range []string{inside.peer, outside.peer} {
			link, err := h.LinkByName(name)
			if err != nil {
				return err
			}
			if err := h.LinkSetUp(link); err != nil {
				return err
			}
		}
		return nil
	})
}

// joinByNAT makes both pairs, the routes and the translation.
func (s *Sandbox) joinByNAT(n *NAT) error {
	c, sv := vethEnds(s.Client, s.Server)
	if err := s.joinMiddle(spoke{c, insideLink, insideMAC, nil}, spoke{sv, outsideLink, outsideMAC, nil}); err != nil {
		return err
	}
	if err := withLinks(s.Router, func(*netlink.Handle) error { return writeFile(procSys("net.ipv4.ip_forward"), "1") }); err != nil {
		return err
	}
	// Only now have all links a carrier, which routes through a gateway need.
	for _, r := range []hop{
		{c.end(), sv.range4, sv.v4.Addr(), insideMAC},
		{end{s.Router, outsideLink}, sv.range4, sv.v4.Addr(), sv.mac},
		{end{s.Router, insideLink}, c.range4, c.v4.Addr(), c.mac},
		{sv.end(), natRange, natRange.Addr().Next(), outsideMAC},
	} {
		if err := r.add(); err != nil {
			return err
		}
	}
	for _, e := range []vethEnd{c, sv} {
		if err := withLinks(e.ns, func(h *netlink.Handle) error { return addLocal(h, e.range4) }); err != nil {
			return err
		}
	}
	s.ServerAddr4, s.ClientRange4 = sv.v4.Addr(), c.range4
	s.ends = []end{c.end(), sv.end()}
	return s.translate(n)
}

func (e vethEnd) end() end { return end{e.ns, e.link} }

// hop is a route through a gateway.
type hop struct {
	end
	to  netip.Prefix
	via netip.Addr
	mac net.HardwareAddr
}

func (r *hop) add() error {
	return withLinks(r.ns, func(h *netlink.Handle) error {
		link, err := h.LinkByName(r.link)
		if err != nil {
			return err
		}
		return addGateway(h, link, r.to, r.via, r.mac)
	})
}

// translate makes the router change the source of what leaves it:
//
//	oifname "outside" snat to numgen inc mod N map { 0 : 203.0.113.1, ... } : LO-HI
func (s *Sandbox) translate(n *NAT) error {
	return end{s.Router, outsideLink}.withTables(func(c *nftables.Conn, t *nftables.Table) {
		chain := c.AddChain(&nftables.Chain{
			Name: "nat", Table: t, Type: nftables.ChainTypeNAT, Hooknum: nftables.ChainHookPostrouting, Priority: nftables.ChainPriorityNATSource,
		})
		name := make([]byte, unix.IFNAMSIZ)
		copy(name, outsideLink)
		exprs := []expr.Any{
			&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: []byte{unix.NFPROTO_IPV4}},
			&expr.Meta{Key: expr.MetaKeyOIFNAME, Register: 1},
			&expr.Cmp{Op: expr.CmpOpEq, Register: 1, Data: name},
		}
		set := &nftables.Set{Table: t, Anonymous: true, Constant: true, IsMap: true, KeyType: nftables.TypeInteger, DataType: nftables.TypeIPAddr, ID: 1}
		var elements []nftables.SetElement
		a := natRange.Addr()
		for i := range n.addresses() {
			a = a.Next()
			elements = append(elements, nftables.SetElement{Key: binaryutil.NativeEndian.PutUint32(uint32(i)), Val: a.AsSlice()})
		}
		if err := c.AddSet(set, elements); err != nil {
			return // Flush fails with the same reason
		}
		exprs = append(exprs,
			&expr.Numgen{Register: 1, Type: unix.NFT_NG_INCREMENTAL, Modulus: uint32(n.addresses())},
			&expr.Lookup{SourceRegister: 1, DestRegister: 1, IsDestRegSet: true, SetName: set.Name, SetID: set.ID},
		)
		nat := &expr.NAT{Type: expr.NATTypeSourceNAT, Family: unix.NFPROTO_IPV4, RegAddrMin: 1}
		if !n.Ports.IsZero() {
			exprs = append(exprs,
				&expr.Immediate{Register: 2, Data: binary.BigEndian.AppendUint16(nil, n.Ports.Lo)},
				&expr.Immediate{Register: 3, Data: binary.BigEndian.AppendUint16(nil, n.Ports.Hi)},
			)
			nat.RegProtoMin, nat.RegProtoMax = 2, 3
		}
		c.AddRule(&nftables.Rule{Table: t, Chain: chain, Exprs: append(exprs, nat)})
	})
}
