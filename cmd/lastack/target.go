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

// target is one TARGET: an address to connect to, and the name that it was given by.
type target struct {
	addr netip.AddrPort
	name string
	// more are the further addresses of a name, in the order in which they should be tried.
	more []netip.AddrPort
	// exchange is what a URL asks for, none without one.
	exchange exchange.Spec
}

const (
	// resolveTimeout bounds a look-up of a target's name.
	resolveTimeout = 5 * time.Second
	// probeTimeout bounds the connects that find out which of a name's addresses answers: an answer later than a second
	// took a second SYN.
	probeTimeout = time.Second
	// maxAddresses bounds those of a name that are tried.
	maxAddresses = 16
)

// lookup finds the addresses of a name, the preferred first (RFC 6724).
type lookup func(ctx context.Context, name string) ([]netip.Addr, error)

func lookUp(ctx context.Context, name string) ([]netip.Addr, error) {
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", name)
	if strings.EqualFold(name, "localhost") {
		ips, err = bothLoopbacks(ips, knowsIPv6()), nil
	}
	return ips, err
}

// knowsIPv6 reports whether this kernel has IPv6. Whether ::1 is there is not asked: it may be in the sandbox that is yet to be made.
func knowsIPv6() bool {
	_, err := os.Stat("/proc/sys/net/ipv6")
	return err == nil
}

// bothLoopbacks adds to what localhost is those loopback addresses of this host that it is by definition (RFC 6761, section 6.3), and that
// a file of hosts may lack: servers listen on any of them, serve on all.
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
	ips := []netip.Addr{}
	if ip, err := netip.ParseAddr(host); err == nil {
		ips = append(ips, ip)
	} else {
		ctx, cancel := context.WithTimeout(ctx, resolveTimeout)
		defer cancel()
		if ips, err = find(ctx, host); err != nil || len(ips) == 0 {
			return target{}, usagef("target %q: the name %q has no address here: want a name that resolves, or an address", s, host)
		}
		for i := range ips {
			ips[i] = ips[i].Unmap() // as the resolver writes an IPv4 address is nobody's wish
		}
	}
	for _, ip := range alternate(ips) {
		c := setup.ClassOf(ip)
		if ip.Zone() != "" || c.Refused() {
			return target{}, usagef("target %q: %s is %s: want an address of one host, like 127.0.0.1:80", s, ip, c.Is)
		}
		t.more = append(t.more, netip.AddrPortFrom(ip.Unmap(), uint16(port)))
	}
	t.addr, t.more = t.more[0], t.more[1:]
	return t, nil
}

// parseURL takes a URL apart: t.name becomes its HOST:PORT.
func (t *target) parseURL(scheme string) error {
	if strings.EqualFold(scheme, "https") {
		return usagef("target %q: lastack speaks no TLS: want http://, or HOST:PORT with --exchange none for the connections alone", t.name)
	}
	u, err := url.Parse(t.name)
	switch {
	case !strings.EqualFold(scheme, "http"):
		return usagef("target %q: want HOST:PORT, or http://HOST:PORT/path", t.name)
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return usagef("target %q: it is no URL: want http://HOST:PORT/path", t.name)
	case u.User != nil:
		return usagef("target %q: user and password are not sent: want them in an Authorization header (-H)", t.name)
	case strings.Contains(t.name, "#"):
		return usagef("target %q: what follows a # is not sent to a server: leave it out", t.name)
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

// alternate orders addresses as RFC 8305 (section 4) has it: the families in turn, the first as it is, so that a family which does not
// work costs one attempt.
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

// only keeps the addresses of a name that pass; the error is for when none does.
func (t *target) only(pass func(netip.Addr) bool) (left bool) {
	all := append([]netip.AddrPort{t.addr}, t.more...)
	all = slices.DeleteFunc(all, func(a netip.AddrPort) bool { return !pass(a.Addr()) })
	if len(all) == 0 {
		return false
	}
	t.addr, t.more = all[0], all[1:]
	return true
}

// probe connects to each address of a name once and takes the first, in their order, that answers. It says which was taken; empty
// for a target of one address.
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
		return said + fmt.Sprintf(": none accepted it, so the first is taken, %v", t.addr)
	}
	t.addr = all[taken]
	said += fmt.Sprintf(": the load goes to %v", t.addr)
	if len(silent) > 0 {
		said += "; no connection to " + strings.Join(silent, ", ")
	}
	return said
}

// unprobed takes an address of a name whose server is not there yet, and returns the others: IPv4 comes first, where most servers listen.
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

// checkPublic looks at all addresses of a name: each may be connected to.
func (t *target) checkPublic(allow bool) error {
	err := setup.CheckTarget(t.name, append([]netip.AddrPort{t.addr}, t.more...)...)
	if err == nil || allow {
		return nil
	}
	return usagef("%w", err)
}

// sayTo has a URL's path be what is exchanged. Where something else, fixed, has said that already, it must agree.
func (t *target) sayTo(s *exchange.Spec, fixed string) error {
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
