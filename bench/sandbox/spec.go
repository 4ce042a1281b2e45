package sandbox

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"

	"lastack/sockstate"
)

// Topology is how client and server are connected.
type Topology string

// The topologies.
const (
	// Lo puts both ends on the loopback of one namespace. Loopback is not a network:
	// the default tcp_tw_reuse=2 means "on" there and "off" everywhere else.
	Lo Topology = "lo"
	// Veth puts client and server in a namespace each, joined by a veth pair.
	Veth Topology = "veth"
	// Routed puts a router between them, in a namespace of its own, which translates addresses.
	Routed Topology = "nat"
	// Relayed puts a wire between them whose packets this process forwards one by one, see Relay.
	Relayed Topology = "relay"
)

// Split reports whether client and server have a namespace each.
func (t Topology) Split() bool { return t == Veth || t == Routed || t == Relayed }

// NAT is what a router of the topology Routed has.
type NAT struct {
	// Addresses is how many, 1 if 0, at most MaxNATAddresses. Connections take them in turn.
	Addresses int `json:"addresses,omitempty"`
	// Ports narrows the ports of each address for a destination; zero: 1024 to 65535.
	Ports sockstate.PortRange `json:"ports,omitzero"`
}

// MaxNATAddresses is how many addresses a NAT may have.
const MaxNATAddresses = 250

func (n *NAT) addresses() int { return max(n.Addresses, 1) }

// Mode is how a sandbox is made, as in the run record.
type Mode string

// The modes.
const (
	Off Mode = "off"
	// Root is CLONE_NEWNET by a process with CAP_SYS_ADMIN in the initial user namespace.
	Root Mode = "root"
	// User is CLONE_NEWUSER|CLONE_NEWNET, by any user: capabilities inside apply only
	// to the sandbox's own resources, so eBPF does not work.
	User Mode = "user"
)

// MaxEhashEntries is the kernel's limit for a namespace (tcp_child_ehash_entries_max).
const MaxEhashEntries = 16 << 20

// Spec describes a sandbox. The zero value is a plain loopback.
type Spec struct {
	// Topology is Lo if empty.
	Topology Topology `json:"topology,omitempty"`
	// Sysctls are applied in order, in every namespace, and read back.
	Sysctls []Sysctl `json:"sysctls,omitempty"`
	// NAT is used with Routed only.
	NAT NAT `json:"nat,omitzero"`
	// Loss drops TCP packets at random. It needs nftables in the kernel.
	Loss Loss `json:"loss,omitempty"`
	// Sources are further source addresses, beside the topology's own
	// (Sandbox.ClientRange4): local at the client, routed at the server. An IPv6 prefix
	// sets net.ipv6.ip_nonlocal_bind; without it the kernel binds only to configured
	// addresses.
	Sources []netip.Prefix `json:"sources,omitempty"`
	// EhashEntries is the size of a connection hash for each namespace, a power of two up to
	// MaxEhashEntries: the namespace then keeps half as many TIME_WAIT sockets (tcp_max_tw_buckets). 0
	// shares the host's hash. It costs 8 bytes an entry, and a second execution of the program. If the
	// kernel refuses it or lacks it (before Linux 6.1), the sandbox works without, and Status.Reason says so.
	EhashEntries int `json:"ehash_entries,omitempty"`
	// Mode forces Root or User. If empty it is Root if possible, otherwise User.
	Mode Mode `json:"mode,omitempty"`
}

// Range6 is a prefix of unused IPv6 addresses for Spec.Sources.
func Range6() netip.Prefix { return netip.MustParsePrefix("fd6c:6173:7461:3::/112") }

// VethClient4 is the client's IPv4 range with Veth; the link's own address is in the first 256.
func VethClient4() netip.Prefix { return netip.MustParsePrefix("198.18.0.0/16") }

func (s Spec) topology() Topology { return cmp.Or(s.Topology, Lo) }

// validate checks fields that did not come from their parsers.
func (s Spec) validate() error {
	if t := s.topology(); t != Lo && !t.Split() {
		return fmt.Errorf("unknown topology %q: want lo, veth or nat", t)
	}
	if n := s.NAT.Addresses; n < 0 || n > MaxNATAddresses {
		return fmt.Errorf("%d addresses of a NAT: want 1 to %d", n, MaxNATAddresses)
	}
	switch s.Mode {
	case "", Root, User:
	default:
		return fmt.Errorf("unknown sandbox mode %q: want root or user", s.Mode)
	}
	if !(s.Loss >= 0 && s.Loss <= 1) {
		return fmt.Errorf("loss of %v: want a share from 0 to 1", float64(s.Loss))
	}
	if n := s.EhashEntries; n < 0 || n > MaxEhashEntries || n&(n-1) != 0 {
		return fmt.Errorf("connection hash of %d entries: want a power of two up to %d", n, MaxEhashEntries)
	}
	for _, p := range s.Sources {
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() {
			return fmt.Errorf("source prefix %q: want a network address and its length, like 10.0.0.0/24", p)
		}
		if a := p.Addr(); a.IsMulticast() || p.Bits() == 0 {
			return fmt.Errorf("source prefix %q: cannot be made local", p)
		}
	}
	for _, c := range s.Sysctls {
		if _, err := newSysctl(c.Key, c.Value); err != nil {
			return err
		}
	}
	return nil
}

// Sysctl is one net.* key and its value.
type Sysctl struct {
	// Key is in dotted form. As in sysctl(8), a slash stands for a dot in a
	// component's name: net.ipv4.conf.eth0/100.rp_filter.
	Key   string `json:"key"`
	Value string `json:"value"`
}

// ParseSysctl parses KEY=VALUE, with a key like net.ipv4.tcp_fin_timeout or
// net/ipv4/tcp_fin_timeout. The value may contain blanks.
func ParseSysctl(s string) (Sysctl, error) {
	key, value, ok := strings.Cut(s, "=")
	if !ok {
		return Sysctl{}, sockstate.BadValue("sysctl", strconv.Quote(s), "want NAME=VALUE, like net.ipv4.tcp_fin_timeout=10")
	}
	return newSysctl(key, value)
}

// newSysctl checks and normalizes a key, in either form, and a value.
func newSysctl(key, value string) (Sysctl, error) {
	c := Sysctl{Key: strings.TrimSpace(key), Value: strings.TrimSpace(value)}
	if sep := strings.IndexAny(c.Key, "./"); sep >= 0 && c.Key[sep] == '/' {
		c.Key = swapSeparators(c.Key)
	}
	if !strings.HasPrefix(c.Key, "net.") {
		return Sysctl{}, sockstate.BadValue("sysctl", strconv.Quote(key), "only net.* keys belong to a network namespace: want a whole one, like net.ipv4.tcp_fin_timeout")
	}
	for part := range strings.SplitSeq(c.path(), "/") {
		if part == "" || part == "." || part == ".." || strings.ContainsFunc(part, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return Sysctl{}, sockstate.BadValue("sysctl", strconv.Quote(key), "malformed key, want one like net.ipv4.tcp_fin_timeout")
		}
	}
	if c.Value == "" {
		return Sysctl{}, sockstate.BadValue("sysctl", strconv.Quote(key), "the value is empty")
	}
	if strings.ContainsAny(c.Value, "\x00\n") || !utf8.ValidString(c.String()) {
		return Sysctl{}, sockstate.BadValue("sysctl", strconv.Quote(key), "the value must be one line of text")
	}
	return c, nil
}

func (c Sysctl) String() string { return c.Key + "=" + c.Value }

// path is the file below /proc/sys.
func (c Sysctl) path() string { return swapSeparators(c.Key) }

// perDefault reports whether the key applies only to links made afterwards.
func (c Sysctl) perDefault() bool { return strings.Contains(c.path(), "/default/") }

func swapSeparators(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '.':
			return '/'
		case '/':
			return '.'
		}
		return r
	}, s)
}

// lossModulus is the resolution of Loss: for every packet the kernel draws a random
// number below it (nft_ng_random_gen).
const lossModulus = 1_000_000

// Loss is the share of TCP packets dropped, from 0 to 1, in steps of a millionth.
type Loss float64

// ParseLoss parses a percentage, like 1% or 0.05%.
func ParseLoss(s string) (Loss, error) {
	digits, ok := strings.CutSuffix(s, "%")
	p, err := strconv.ParseFloat(digits, 64)
	if !ok || err != nil || !(p >= 0 && p <= 100) {
		return 0, sockstate.BadValue("loss", strconv.Quote(s), "want a percentage from 0%% to 100%%, like 1%% or 0.05%%")
	}
	l := Loss(p / 100)
	if p > 0 && l.threshold() == 0 {
		return 0, sockstate.BadValue("loss", strconv.Quote(s), "the smallest is 0.0001%%")
	}
	return l, nil
}

func (l Loss) String() string {
	return strconv.FormatFloat(float64(l.threshold())*100/lossModulus, 'f', -1, 64) + "%"
}

// threshold is the number below which a draw drops the packet.
func (l Loss) threshold() uint32 { return uint32(math.Round(float64(l) * lossModulus)) }
