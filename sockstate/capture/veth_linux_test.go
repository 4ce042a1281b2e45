package capture

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"lastack/sockstate/netns"
	"lastack/sockstate/socktest"
)

// veth is two namespaces joined by a pair of links.
type veth struct {
	client, server *netns.NS
	// Of the server, IPv4 and IPv6.
	addrs []netip.Addr
}

func newVeth(t *testing.T) veth {
	t.Helper()
	macs := [2]net.HardwareAddr{{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}}
	addrs := [2][]string{{"198.18.0.1/24", "fd6c:6173:7461::1/64"}, {"198.18.0.2/24", "fd6c:6173:7461::2/64"}}
	v := veth{client: socktest.NewNamespace(t), server: socktest.NewNamespace(t)}
	err := v.client.Do(func() error {
		pair := netlink.NewVeth(netlink.LinkAttrs{Name: "client", HardwareAddr: macs[0], TxQLen: -1})
		pair.PeerName, pair.PeerHardwareAddr, pair.PeerNamespace = "server", macs[1], netlink.NsFd(v.server.Fd())
		if err := netlink.LinkAdd(pair); err != nil {
			return err
		}
		return up("client", macs[1], addrs[0], addrs[1])
	})
	if errors.Is(err, unix.EOPNOTSUPP) {
		t.Skipf("this kernel has no veth: %v", err)
	}
	if err == nil {
		err = v.server.Do(func() error { return up("server", macs[0], addrs[1], addrs[0]) })
	}
	if err != nil {
		t.Fatal(err)
	}
	v.addrs = []netip.Addr{netip.MustParseAddr("198.18.0.2"), netip.MustParseAddr("fd6c:6173:7461::2")}
	return v
}

// up brings a link up and tells it where the peer is: addresses are usable at once, and no neighbour discovery
// delays a SYN until it is sent again.
func up(name string, peerMAC net.HardwareAddr, addrs, peers []string) error {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return err
	}
	for _, a := range addrs {
		addr, err := netlink.ParseAddr(a)
		if err != nil {
			return err
		}
		if addr.IP.To4() == nil {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := netlink.AddrAdd(link, addr); err != nil {
			return err
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return err
	}
	for _, p := range peers {
		ip := netip.MustParsePrefix(p).Addr()
		err := netlink.NeighSet(&netlink.Neigh{LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: ip.AsSlice(), HardwareAddr: peerMAC})
		if err != nil {
			return err
		}
	}
	return nil
}

// The same packets as on lo, at either end of the link.
func TestVeth(t *testing.T) {
	socktest.Guard(t)
	v := newVeth(t)
	for _, addr := range v.addrs {
		at := netip.AddrPortFrom(addr, 0).String()
		target := socktest.Listen(t, v.server, at, false)
		closes(t, at+" at the client", target, v.client, Config{Namespace: v.client, Server: target.Addr})
		target = socktest.Listen(t, v.server, at, false)
		closes(t, at+" at the server", target, v.client, Config{Namespace: v.server, Server: target.Addr, Link: "server"})
	}
}

// A link that goes down ends the capture, and takes nothing from what was captured before.
func TestLinkGoesDown(t *testing.T) {
	socktest.Guard(t)
	v := newVeth(t)
	target := socktest.Listen(t, v.server, netip.AddrPortFrom(v.addrs[0], 0).String(), false)
	c, err := Open(Config{Namespace: v.client, Server: target.Addr})
	if err != nil {
		t.Fatal(err)
	}
	pair(t, target, v.client)
	err = v.client.Do(func() error {
		link, err := netlink.LinkByName("client")
		if err != nil {
			return err
		}
		return netlink.LinkSetDown(link)
	})
	if err != nil {
		t.Fatal(err)
	}
	tr, err := c.Stop()
	var e *Error
	if !errors.As(err, &e) || e.Call != "link" || e.On != "client" || !errors.Is(err, unix.ENETDOWN) {
		t.Errorf("Stop: %v, want link client: ENETDOWN", err)
	}
	if len(tr.Packets) != 2 || tr.Link != "client" {
		t.Errorf("%d packets of link %q, want the SYN and the SYN|ACK of client", len(tr.Packets), tr.Link)
	}
}
