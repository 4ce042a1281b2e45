package sandbox

import (
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
)

// parseTopology reads lo or veth.
func parseTopology(s string) (Topology, error) {
	switch t := Topology(s); t {
	case Lo, Veth:
		return t, nil
	}
	return "", fmt.Errorf("unknown topology %q: want lo or veth", s)
}

// Mode is how a sandbox came to be, as the run record spells it.
type Mode string

// The modes.
const (
	Off Mode = "off"
	// Root is CLONE_NEWNET by a process with CAP_SYS_ADMIN in the initial user namespace.
	Root Mode = "root"
	// User is CLONE_NEWUSER|CLONE_NEWNET, by anyone: capabilities inside count for
	// the sandbox's own resources only, so that eBPF does not work.
	User Mode = "user"
)

// MaxEhashEntries is the most that the kernel gives a namespace (tcp_child_ehash_entries_max).
const MaxEhashEntries = 16 << 20

// Spec is what a sandbox is to be. The zero value is a plain loopback.
type Spec struct {
	// Topology is Lo if empty.
	Topology Topology `json:"topology,omitempty"`
	// Sysctls are applied in order, in every namespace, and read back.
	Sysctls []Sysctl `json:"sysctls,omitempty"`
	// Loss drops TCP packets at random. It needs nftables in the kernel.
	Loss Loss `json:"loss,omitempty"`
	// Sources are made local at the client, and routed to from the server, beyond
	// those that the topology has anyway (Sandbox.ClientRange4). An IPv6 prefix
	// sets net.ipv6.ip_nonlocal_bind, without which the kernel binds to whole
	// addresses only.
	Sources []netip.Prefix `json:"sources,omitempty"`
	// EhashEntries is the size that the connection hash of each namespace should have, a power of two up to
	// MaxEhashEntries: the namespace then keeps half as many TIME_WAIT sockets (tcp_max_tw_buckets). 0
	// leaves the hash that all share. It costs 8 bytes an entry, and a second execution of the program. A
	// kernel that has or allows none (before Linux 6.1) does not prevent the sandbox: Status.Reason says so.
	EhashEntries int `json:"ehash_entries,omitempty"`
	// Mode forces Root or User; if empty it is Root where possible, else User.
	Mode Mode `json:"mode,omitempty"`
}

// Range6 is a prefix for Spec.Sources, of IPv6 addresses that no end of a sandbox has: ClientRange6 then is it.
func Range6() netip.Prefix { return netip.MustParsePrefix("fd6c:6173:7461:3::/112") }

// VethClient4 are the IPv4 addresses of the client with Veth; the first 256 hold the link's own.
func VethClient4() netip.Prefix { return netip.MustParsePrefix("198.18.0.0/16") }

func (s Spec) topology() Topology {
	if s.Topology == "" {
		return Lo
	}
	return s.Topology
}

// validate finds what the parsers of the single fields let through or never saw.
func (s Spec) validate() error {
	if _, err := parseTopology(string(s.topology())); err != nil {
		return err
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
	// Key is in the dotted spelling. As in sysctl(8), a slash in it stands for a
	// dot in a component's name: net.ipv4.conf.eth0/100.rp_filter.
	Key   string `json:"key"`
	Value string `json:"value"`
}

// ParseSysctl reads KEY=VALUE, with the key as net.ipv4.tcp_fin_timeout or
// net/ipv4/tcp_fin_timeout. The value may hold blanks.
func ParseSysctl(s string) (Sysctl, error) {
	key, value, ok := strings.Cut(s, "=")
	if !ok {
		return Sysctl{}, sockstate.BadValue("sysctl", strconv.Quote(s), "want NAME=VALUE, like net.ipv4.tcp_fin_timeout=10")
	}
	return newSysctl(key, value)
}

// newSysctl checks a key, in either spelling, and a value, and normalizes both.
func newSysctl(key, value string) (Sysctl, error) {
	c := Sysctl{Key: strings.TrimSpace(key), Value: strings.TrimSpace(value)}
	if sep := strings.IndexAny(c.Key, "./"); sep >= 0 && c.Key[sep] == '/' {
		c.Key = swapSeparators(c.Key)
	}
	if !strings.HasPrefix(c.Key, "net.") {
		return Sysctl{}, sockstate.BadValue("sysctl", strconv.Quote(key), "only net.* keys belong to a network namespace")
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

// perDefault tells keys that only count for links made afterwards.
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

// lossModulus is the resolution of Loss: the kernel draws a number below it for
// every packet (nft_ng_random_gen).
const lossModulus = 1_000_000

// Loss is the share of TCP packets dropped, from 0 to 1, in steps of a millionth.
type Loss float64

// ParseLoss reads a percentage, like 1% or 0.05%.
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
