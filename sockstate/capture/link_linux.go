package capture

import (
	"errors"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// findLink finds the link to capture on, in the calling thread's namespace.
func findLink(server netip.AddrPort, name string) (*net.Interface, error) {
	if name == "" {
		name = server.Addr().Zone()
	}
	if name != "" {
		link, err := net.InterfaceByName(name)
		if err != nil {
			return nil, &Error{"link", name, unix.ENODEV}
		}
		return link, nil
	}
	routes, err := netlink.RouteGet(server.Addr().AsSlice())
	if err == nil && len(routes) == 0 {
		err = unix.ENETUNREACH
	}
	if err != nil {
		return nil, &Error{"route", server.Addr().String(), err}
	}
	index := routes[0].LinkIndex
	if routes[0].Type == unix.RTN_LOCAL {
		// A host reaches its own addresses by lo, which is the first link of each namespace
		// (loopback_net_init).
		index = 1
	}
	link, err := net.InterfaceByIndex(index)
	if err != nil {
		return nil, &Error{"link", server.Addr().String(), errors.Join(unix.ENODEV, err)}
	}
	return link, nil
}
