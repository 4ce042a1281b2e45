package setup

import (
	"fmt"
	"net"
	"net/netip"

	"lastack/sockstate"
)

// permission says whether a load may go to an address.
type permission uint8

const (
	allowed  permission = iota
	consent             // only with --allow-public: the owner must consent
	refusing            // no load can reach a server there
)

// addressClass is a block of addresses, and whether a load may go there.
type addressClass struct {
	prefix netip.Prefix
	may    permission
	// is says what such an address is; it follows "it is".
	is string
	// embeds is the offset in bytes of an embedded IPv4 address, to which a gateway translates; that address's class then
	// decides. 0 if there is none.
	embeds int
}

const (
	aPublic        = "a public address"
	aDocumentation = "an address for documentation (RFC 5737, RFC 3849), which may be routed anywhere"
	aMetadata      = "a link-local address, where clouds have their metadata service (RFC 3927)"
	aCloud         = "an address of a cloud's metadata service"
	aMulticast     = "a multicast address"
)

// addressClasses lists the special blocks (IANA's registries of special-purpose addresses), narrow ones before wide ones. All other
// addresses are public.
var addressClasses = []addressClass{
	{prefix("0.0.0.0/8"), refusing, "no host's address (RFC 1122)", 0},
	{prefix("127.255.255.255/32"), refusing, "a broadcast address", 0},
	{prefix("127.0.0.0/8"), allowed, "a loopback address", 0},
	{prefix("10.0.0.0/8"), allowed, "a private address", 0},
	{prefix("172.16.0.0/12"), allowed, "a private address", 0},
	{prefix("192.168.0.0/16"), allowed, "a private address", 0},
	{prefix("198.18.0.0/15"), allowed, "an address for benchmarks (RFC 2544)", 0},
	{prefix("169.254.0.0/16"), consent, aMetadata, 0},
	{prefix("100.100.100.200/32"), consent, aCloud, 0},
	{prefix("100.64.0.0/10"), consent, "an address shared by a provider's customers (RFC 6598)", 0},
	{prefix("192.0.0.192/32"), consent, aCloud, 0},
	{prefix("192.0.0.0/24"), consent, "an address assigned to a protocol (RFC 6890)", 0},
	{prefix("192.0.2.0/24"), consent, aDocumentation, 0},
	{prefix("198.51.100.0/24"), consent, aDocumentation, 0},
	{prefix("203.0.113.0/24"), consent, aDocumentation, 0},
	{prefix("224.0.0.0/4"), refusing, aMulticast, 0},
	{prefix("255.255.255.255/32"), refusing, "the broadcast address", 0},
	{prefix("240.0.0.0/4"), refusing, "a reserved address (RFC 1112)", 0},

	{prefix("::/128"), refusing, "no host's address", 0},
	{prefix("::1/128"), allowed, "a loopback address", 0},
	{prefix("::/96"), consent, "an IPv4-compatible address (RFC 4291, deprecated)", 12},
	{prefix("::ffff:0:0/96"), consent, "an IPv4-mapped address", 12},
	{prefix("64:ff9b::/96"), consent, "an IPv4 address behind NAT64 (RFC 6052)", 12},
	{prefix("64:ff9b:1::/48"), consent, "an address behind a NAT64 (RFC 8215)", 0},
	{prefix("2002::/16"), consent, "an IPv4 address behind 6to4 (RFC 3056)", 2},
	{prefix("2001::/32"), consent, "an address behind Teredo (RFC 4380)", 0},
	{prefix("2001:2::/48"), allowed, "an address for benchmarks (RFC 5180)", 0},
	{prefix("2001:db8::/32"), consent, aDocumentation, 0},
	{prefix("3fff::/20"), consent, aDocumentation, 0},
	{prefix("fd00:ec2::/32"), consent, aCloud, 0},
	{prefix("fc00::/7"), allowed, "a private address (RFC 4193)", 0},
	{prefix("fe80::/10"), refusing, "a link-local address, which lastack does not support", 0},
	{prefix("fec0::/10"), consent, "a site-local address (RFC 3879)", 0},
	{prefix("ff00::/8"), refusing, aMulticast, 0},
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// classOf finds an address's class.
func classOf(ip netip.Addr) addressClass {
	ip = ip.WithZone("")
	for _, c := range addressClasses {
		if !c.prefix.Contains(ip) {
			continue
		}
		if c.embeds > 0 {
			b := ip.As16()
			inner := classOf(netip.AddrFrom4([4]byte(b[c.embeds : c.embeds+4])))
			c.may = inner.may
			c.is += ", which is " + inner.is
		}
		return c
	}
	return addressClass{may: consent, is: aPublic}
}

// DescribeAddress says what an address is; the words follow "it is". unreachable is set if no load can reach a server there.
func DescribeAddress(ip netip.Addr) (is string, unreachable bool) {
	c := classOf(ip)
	return c.is, c.may == refusing
}

// CheckTarget refuses addresses of a target that a load may only go to if the owner consents.
func CheckTarget(name string, addrs ...netip.AddrPort) error {
	for _, a := range addrs {
		c := classOf(a.Addr())
		if c.may == allowed {
			continue
		}
		is := "it is " + c.is
		if host, _, err := net.SplitHostPort(name); err == nil && host != a.Addr().String() {
			is = fmt.Sprintf("%v is %s", a.Addr(), c.is)
		}
		return sockstate.BadValue("", fmt.Sprintf("target %q", name), "%s: want a private or loopback address, or --allow-public if its owner consents to the load", is)
	}
	return nil
}

// checkTargets applies CheckTarget to the plan.
func (r *resolver) checkTargets() error {
	for i := range r.Plan.Groups {
		for j, t := range r.Plan.Groups[i].Targets {
			name := t.String()
			if j < len(r.spec.Names) {
				name = r.spec.Names[j]
			}
			if err := CheckTarget(name, t); err != nil && !r.spec.AllowPublic {
				return err
			}
		}
	}
	return nil
}
