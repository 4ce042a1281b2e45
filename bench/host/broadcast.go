package host

import (
	"cmp"
	"net/netip"
	"slices"

	"go4.org/netipx"
)

// localRoute is a route of the kernel's local table (ip route show table local).
type localRoute struct {
	prefix    netip.Prefix
	broadcast bool
}

// always lists the broadcast addresses of every host (__inet_dev_addr_type: ipv4_is_zeronet, ipv4_is_lbcast), and lo's own.
var always = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("127.255.255.255/32"),
	netip.MustParsePrefix("255.255.255.255/32"),
}

// broadcastsOf applies the routes as the kernel does: the longest prefix wins.
func broadcastsOf(routes []localRoute) *netipx.IPSet {
	routes = slices.Clone(routes)
	slices.SortStableFunc(routes, func(x, y localRoute) int { return cmp.Compare(x.prefix.Bits(), y.prefix.Bits()) })
	var b netipx.IPSetBuilder
	for _, r := range routes {
		if r.broadcast {
			b.AddPrefix(r.prefix)
		} else {
			b.RemovePrefix(r.prefix)
		}
	}
	for _, p := range always {
		b.AddPrefix(p)
	}
	set, err := b.IPSet()
	if err != nil { // an invalid prefix, which no route has
		return &netipx.IPSet{}
	}
	return set
}
