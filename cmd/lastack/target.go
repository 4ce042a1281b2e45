package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"
)

// target is one TARGET: an address to connect to, and the name that it was given by.
type target struct {
	addr netip.AddrPort
	name string
}

// resolveTimeout bounds a look-up of a target's name.
const resolveTimeout = 5 * time.Second

// parseTarget reads HOST:PORT. Of a name's addresses the first counts.
func parseTarget(ctx context.Context, s string) (target, error) {
	host, portText, err := net.SplitHostPort(s)
	if err != nil || host == "" {
		return target{}, usagef("target %q: want HOST:PORT, like 10.0.0.5:80 or [fd00::5]:80", s)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 {
		return target{}, usagef("target %q: want a port from 1 to 65535", s)
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
		defer cancel()
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil || len(found) == 0 {
			return target{}, usagef("target %q: the name %q has no address here: want a name that resolves, or an address", s, host)
		}
		ip = found[0]
	}
	ip = ip.Unmap()
	if ip.Zone() != "" || ip.Is6() && ip.IsLinkLocalUnicast() {
		return target{}, usagef("target %q: link-local IPv6 addresses are not supported: want another address of that host", s)
	}
	if ip.IsUnspecified() || ip.IsMulticast() {
		return target{}, usagef("target %q: want an address of one host, like 10.0.0.5:80", s)
	}
	return target{netip.AddrPortFrom(ip, uint16(port)), s}, nil
}

// isPublic reports whether ip may be somebody else's: it is neither loopback, link-local, private
// (RFC 1918, RFC 4193), shared (RFC 6598) nor for benchmarks (RFC 2544, RFC 5180).
func isPublic(ip netip.Addr) bool {
	if ip.IsLoopback() || ip.IsPrivate() || ip.IsLinkLocalUnicast() {
		return false
	}
	for _, p := range [...]string{"100.64.0.0/10", "198.18.0.0/15", "2001:2::/48"} {
		if netip.MustParsePrefix(p).Contains(ip) {
			return false
		}
	}
	return true
}

func refusePublic(targets []target) error {
	for _, t := range targets {
		if isPublic(t.addr.Addr()) {
			is := "it is a public address"
			if host, _, err := net.SplitHostPort(t.name); err == nil && host != t.addr.Addr().String() {
				is = fmt.Sprintf("%v is a public address", t.addr.Addr())
			}
			return usagef("target %q: %s: want a private or loopback one, or --allow-public where the owner consents to the load", t.name, is)
		}
	}
	return nil
}
