package sockio

import (
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
)

// LocalPorts reads the ports that connect may choose in the calling thread's namespace: ip_local_port_range,
// from lo to hi, without the reserved ones.
func LocalPorts() (ports *PortSet, lo, hi uint16, err error) {
	// /proc/sys/net shows the reading thread's namespace (net_ctl_root).
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return nil, 0, 0, err
	}
	if _, err := fmt.Sscan(string(b), &lo, &hi); err != nil || lo > hi {
		return nil, 0, 0, fmt.Errorf("ip_local_port_range %q is not a range of ports", b)
	}
	if b, err = os.ReadFile("/proc/sys/net/ipv4/ip_local_reserved_ports"); err != nil {
		return nil, 0, 0, err
	}
	reserved, err := ParsePorts(string(b))
	if err != nil {
		return nil, 0, 0, err
	}
	for p := int(lo); p <= int(hi); p++ {
		reserved[p] = !reserved[p]
	}
	for p := range reserved {
		if p < int(lo) || p > int(hi) {
			reserved[p] = false
		}
	}
	return reserved, lo, hi, nil
}

// NarrowsPorts reports whether the kernel has IP_LOCAL_PORT_RANGE (Linux 6.3).
func NarrowsPorts() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	o := NewPortRange(sockstate.PortRange{Lo: 1, Hi: 1})
	return setsockopt(int32(fd), &o) == 0
}

// IsLocal reports whether addr belongs to the calling thread's namespace. With ip_nonlocal_bind set it may be wrong.
func IsLocal(addr netip.Addr) bool {
	return addr.IsLoopback() || CanBind(netip.AddrPortFrom(addr, 0), false) == nil
}
