package sockio

import (
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"lastack/sockstate"
)

// LocalPorts reads the ports that connect may choose from in the calling thread's namespace: those of
// ip_local_port_range, from lo to hi, that are not reserved.
func LocalPorts() (ports *PortSet, lo, hi uint16, err error) {
	// The directory is the reader's namespace's (net_ctl_root).
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return nil, 0, 0, err
	}
	if _, err := fmt.Sscan(string(b), &lo, &hi); err != nil || lo > hi {
		return nil, 0, 0, fmt.Errorf("ip_local_port_range %q is no range of ports", b)
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

// NarrowsPorts reports whether the kernel knows IP_LOCAL_PORT_RANGE, as Linux 6.3 does.
func NarrowsPorts() bool {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	o := NewPortRange(sockstate.PortRange{Lo: 1, Hi: 1})
	return setsockopt(int32(fd), &o) == 0
}

// IsLocal reports whether addr is one of the calling thread's namespace. Where ip_nonlocal_bind is set it may be taken for one.
func IsLocal(addr netip.Addr) bool {
	return addr.IsLoopback() || CanBind(netip.AddrPortFrom(addr, 0), false) == nil
}
