package setup

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"go4.org/netipx"
)

// MaxSources bounds the source addresses of a run.
const MaxSources = 1 << 18

// SourceList is the value of --source. It implements pflag.Value.
type SourceList struct {
	// Text is what was read, Addrs are the addresses that it stands for.
	Text  string
	Addrs []netip.Addr
}

func (s *SourceList) String() string { return s.Text }

// Type says what Set reads.
func (s *SourceList) Type() string { return "CIDR|A-B,..." }

// Set reads addresses, ranges A-B and prefixes A/N, separated by
// commas. The flag may be repeated, so Set adds to what is there. It leaves out the first and
// the last address of an IPv4 prefix, as on a network.
func (s *SourceList) Set(text string) error {
	v := SourceList{Text: text, Addrs: slices.Clip(s.Addrs)}
	if s.Text != "" {
		v.Text = s.Text + "," + text
	}
	for part := range strings.SplitSeq(text, ",") {
		r, err := parseAddrRange(part)
		if err != nil {
			return err
		}
		for a := r.From(); ; a = a.Next() {
			if len(v.Addrs) == MaxSources {
				return fmt.Errorf("%q holds too many addresses: want at most %d", text, MaxSources)
			}
			v.Addrs = append(v.Addrs, a)
			if a == r.To() {
				break
			}
		}
	}
	*s = v
	return nil
}

func parseAddrRange(s string) (netipx.IPRange, error) {
	s = strings.TrimSpace(s)
	var r netipx.IPRange
	switch {
	case strings.Contains(s, "/"):
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return r, badSource(s)
		}
		r = netipx.RangeOfPrefix(p.Masked())
		if p.Addr().Is4() && p.Bits() < 31 {
			r = netipx.IPRangeFrom(r.From().Next(), r.To().Prev())
		}
	case strings.Contains(s, "-"):
		var err error
		if r, err = netipx.ParseIPRange(s); err != nil {
			return r, badSource(s)
		}
	default:
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return r, badSource(s)
		}
		r = netipx.IPRangeFrom(a, a)
	}
	if !r.IsValid() || r.From().Is4In6() {
		return r, badSource(s)
	}
	for _, n := range noSources {
		if a := n.Masked().Addr(); r.Overlaps(netipx.RangeOfPrefix(n)) {
			if !r.Contains(a) {
				a = r.From()
			}
			is, _ := DescribeAddress(a)
			return r, fmt.Errorf("%q is not a source: %v is %s: want addresses of this host", s, a, is)
		}
	}
	return r, nil
}

// noSources lists addresses that no host has. The kernel lets a socket bind to some of them, and then sends from another address
// (__inet_bind). Resolve checks the broadcast addresses of this host's networks.
var noSources = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("127.255.255.255/32"), netip.MustParsePrefix("224.0.0.0/4"), netip.MustParsePrefix("255.255.255.255/32"),
	netip.MustParsePrefix("::/128"), netip.MustParsePrefix("ff00::/8"),
}

func badSource(s string) error {
	return fmt.Errorf("%q is not a source: want an address, a range like 127.0.0.2-127.0.0.9 or a prefix like 127.0.1.0/24", s)
}
