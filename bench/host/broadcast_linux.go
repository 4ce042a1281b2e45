package host

import (
	"net/netip"

	"github.com/vishvananda/netlink"
	"go4.org/netipx"
	"golang.org/x/sys/unix"
)

// Broadcasts returns the broadcast addresses of the calling thread's network namespace; without netlink, those of every host. A socket
// can be bound to one, but then sends from another address (__inet_bind: "Use device"), and no client can connect to it.
func Broadcasts() *netipx.IPSet {
	// Even an inconsistent list (ErrDumpInterrupted) is better than none.
	list, _ := netlink.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{Table: unix.RT_TABLE_LOCAL}, netlink.RT_FILTER_TABLE)
	var routes []localRoute
	for _, r := range list {
		if r.Dst == nil {
			continue
		}
		p, ok := netipx.FromStdIPNet(r.Dst)
		if !ok {
			continue
		}
		routes = append(routes, localRoute{netip.PrefixFrom(p.Addr().Unmap(), p.Bits()), r.Type == unix.RTN_BROADCAST})
	}
	return broadcastsOf(routes)
}
