package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"lastack/bench/setup"
	"lastack/sockstate/exchange"
)

// target is one TARGET: an address to connect to, and the HOST:PORT as given.
type target struct {
	addr netip.AddrPort
	name string
	// more lists a name's other addresses, in the order in which to try them.
	more []netip.AddrPort
	// exchange is the one of a URL; without a URL there is none.
	exchange exchange.Spec
}

const (
	resolveTimeout = 5 * time.Second
	// probeTimeout bounds the connects that find out which of a name's addresses answers. A later answer would be one to a
	// retransmitted SYN.
	probeTimeout = time.Second
	// maxAddresses bounds how many addresses of a name are tried.
	maxAddresses = 16
)

// lookup resolves a name. The preferred address comes first (RFC 6724).
type lookup func(ctx context.Context, name string) ([]netip.Addr, error)

func lookUp(ctx context.Context, name string) ([]netip.Addr, error) {
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if strings.EqualFold(name, "localhost") {
		ips, err = bothLoopbacks(ips, knowsIPv6()), nil
	}
	return ips, err
}

// knowsIPv6 reports whether this kernel has IPv6. It does not look for ::1, which may exist only in the sandbox that is made later.
func knowsIPv6() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return err == nil
}

// bothLoopbacks adds to the addresses of localhost the loopback addresses that it has by definition (RFC 6761, section 6.3) but that
// /etc/hosts may lack. A server may listen on either of them; serve listens on both.
func bothLoopbacks(ips []netip.Addr, v6 bool) []netip.Addr {
	add := func(a netip.Addr) {
		if !slices.ContainsFunc(ips, func(have netip.Addr) bool { return have.Unmap() == a }) {
			ips = append(ips, a)
		}
	}
	add(netip.AddrFrom4([4]byte{127, 0, 0, 1}))
	if v6 {
		add(netip.IPv6Loopback())
	}
	return ips
}

// parseTarget reads HOST:PORT, or http://HOST[:PORT]/path.
func parseTarget(ctx context.Context, s string) (target, error) { return parseTargetBy(ctx, s, lookUp) }

func parseTargetBy(ctx context.Context, s string, find lookup) (target, error) {
	t := target{name: s}
	if scheme, _, isURL := strings.Cut(s, "://"); isURL {
		if err := t.parseURL(scheme); err != nil {
			return target{}, err
		}
	}
	host, portText, err := net.SplitHostPort(t.name)
	if err != nil || host == "" {
		return target{}, usagef("target %q: want HOST:PORT, like 127.0.0.1:80 or [::1]:80, or http://HOST:PORT/path", s)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || port == 0 {
		return target{}, usagef("target %q: want a port from 1 to 65535", s)
	}
	ips, err := addresses(ctx, host, find)
	if err != nil {
		return target{}, usagef("target %q: the name %q has no address here: want a name that resolves, or an address", s, host)
	}
	for _, ip := range alternate(ips) {
		if is, unreachable := setup.DescribeAddress(ip); unreachable || ip.Zone() != "" {
			return target{}, usagef("target %q: %s is %s: want an address of one host, like 127.0.0.1:80", s, ip, is)
		}
		t.more = append(t.more, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
	}
	t.addr, t.more = t.more[0], t.more[1:]
	return t, nil
}

// addresses are those of a host, which is a name or an address: at least one.
func addresses(ctx context.Context, host string, find lookup) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	ips, err := find(ctx, host)
	if err == nil && len(ips) == 0 {
		err = fmt.Errorf("%s has no address", host)
	}
	for i := range ips {
		ips[i] = ips[i].Unmap() // the resolver may return an IPv4 address as ::ffff:a.b.c.d
	}
	return ips, err
}

// parseURL takes a URL apart: t.name becomes its HOST:PORT.
func (t *target) parseURL(scheme string) error {
	if strings.EqualFold(scheme, "https") {
		return usagef("target %q: lastack does not speak TLS: want http://, or HOST:PORT with --exchange none to test connections only", t.name)
	}
	u, err := url.Parse(t.name)
	switch {
	case !strings.EqualFold(scheme, "http"):
		return usagef("target %q: want HOST:PORT, or http://HOST:PORT/path", t.name)
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return usagef("target %q: not a valid URL: want http://HOST:PORT/path", t.name)
	case u.User != nil:
		return usagef("target %q: the user and password of a URL are not sent: want them in an Authorization header (-H)", t.name)
	case strings.Contains(t.name, "#"):
		return usagef("target %q: a #fragment is not sent to a server: leave it out", t.name)
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
	if t.exchange, err = exchange.Parse("http:" + u.RequestURI()); err != nil {
		return usagef("target %q: %w", t.name, err)
	}
	t.name = net.JoinHostPort(u.Hostname(), port)
	return nil
}

// alternate orders addresses by RFC 8305, section 4: the families take turns, so that a family that does not work costs one attempt.
// The first address stays first.
func alternate(ips []netip.Addr) []netip.Addr {
	if len(ips) == 0 {
		return nil
	}
	var first, second, out []netip.Addr
	for _, ip := range ips {
		if ip.Unmap().Is4() == ips[0].Unmap().Is4() {
			first = append(first, ip)
		} else {
			second = append(second, ip)
		}
	}
	for i := range max(len(first), len(second)) {
		out = append(append(out, first[min(i, len(first)):min(i+1, len(first))]...), second[min(i, len(second)):min(i+1, len(second))]...)
	}
	return out[:min(len(out), maxAddresses)]
}

// only keeps the addresses that pass. It returns false, and keeps all, if none does.
func (t *target) only(pass func(netip.Addr) bool) (left bool) {
	all := append([]netip.AddrPort{t.addr}, t.more...)
	all = slices.DeleteFunc(all, func(a netip.AddrPort) bool { return !pass(a.Addr()) })
	if len(all) == 0 {
		return false
	}
	t.addr, t.more = all[0], all[1:]
	return true
}

// probe connects once to each address of a name, and takes the first in their order that accepts. It returns a sentence about the
// choice, or "" if the target has only one address.
func (t *target) probe(ctx context.Context) string {
	if len(t.more) == 0 {
		return ""
	}
	all := append([]netip.AddrPort{t.addr}, t.more...)
	answers := make([]bool, len(all))
	var wg sync.WaitGroup
	for i, a := range all {
		wg.Go(func() {
			d := net.Dialer{Timeout: probeTimeout}
			if c, err := d.DialContext(ctx, "tcp", a.String()); err == nil {
				answers[i] = true
				_ = c.Close() // nothing was written
			}
		})
	}
	wg.Wait()
	var silent []string
	taken := -1
	for i, a := range all {
		switch {
		case !answers[i]:
			silent = append(silent, a.String())
		case taken < 0:
			taken = i
		}
	}
	t.more = nil
	said := fmt.Sprintf("%s has %d addresses, each was tried by one connection", t.name, len(all))
	if taken < 0 {
		return said + fmt.Sprintf(": none accepted it, so the load goes to the first, %v", t.addr)
	}
	t.addr = all[taken]
	said += fmt.Sprintf(": the load goes to %v", t.addr)
	if len(silent) > 0 {
		said += "; no connection to " + strings.Join(silent, ", ")
	}
	return said
}

// unprobed chooses an address of a name whose server does not run yet, and returns the others. It prefers IPv4, where most servers listen.
func (t *target) unprobed() (more []netip.AddrPort) {
	all := append([]netip.AddrPort{t.addr}, t.more...)
	slices.SortStableFunc(all, func(a, b netip.AddrPort) int {
		switch {
		case a.Addr().Is4() == b.Addr().Is4():
			return 0
		case a.Addr().Is4():
			return -1
		}
		return 1
	})
	t.addr, t.more = all[0], nil
	return all[1:]
}

// checkPublic checks all addresses of a name, since a connection may go to any of them.
func (t *target) checkPublic(allow bool) error {
	err := setup.CheckTarget(t.name, append([]netip.AddrPort{t.addr}, t.more...)...)
	if err == nil || allow {
		return nil
	}
	return usagef("%w", err)
}

// mergeExchange sets s to the exchange of the target's URL, if it has one. fixed names what has set s already; the two must agree.
func (t *target) mergeExchange(s *exchange.Spec, fixed string) error {
	switch {
	case t.exchange.Kind == exchange.None || *s == t.exchange:
	case fixed == "":
		*s = t.exchange
	case t.exchange.Path == "/" && s.Kind == exchange.HTTP:
	default:
		return usagef("target %s: its URL asks for %v, and %s for %v: want one of them", t.name, t.exchange, fixed, *s)
	}
	return nil
}
