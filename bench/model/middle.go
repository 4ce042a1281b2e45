package model

import (
	"slices"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/sockstate"
)

// The kinds of middle.
const (
	NAT       = "nat"
	Balancer  = "lb"
	Conntrack = "conntrack" // a firewall, or kube-proxy, that only tracks
)

// LinuxNAT is the row of a NAT on a Linux host, as the router of a sandbox is.
const LinuxNAT = "linux"

// Middle stands between client and server. A NAT and a load balancer put an address and a port of their own in place of the client's.
type Middle struct {
	Kind, Name string
	// Addresses is how many it has, PortsEach the ports of one for each destination. They are those of so many Gateways.
	Addresses int
	PortsEach int64
	Gateways  int
	// keptFIN and keptRST are how long it keeps a port after the close, in seconds. They say nothing if it closes as the client does,
	// with the same TIME_WAITs.
	keptFIN, keptRST span
	asClient         bool
	// host is what it allows itself if it is such a proxy.
	host Host
	// mostAddresses is how many a gateway may have, connections how many it tracks at once whatever the destination; 0 is no limit.
	mostAddresses int
	connections   int64
	// Conntrack is nf_conntrack_max of each gateway, 0 if that is not known to bound it.
	Conntrack int64
	// Router says for how long it tracks a connection after its close. What is 0 is the kernel's default; nothing else of it counts.
	Router Host
	source string
}

// ofGateways says how many there are, if there are several.
func (m *Middle) ofGateways() string {
	if m.Gateways < 2 {
		return ""
	}
	return ", of " + quantity.Count(int64(m.Gateways)) + " gateways together"
}

// provider is a row of the table of middles.
type provider struct {
	Middle
	doubt string // what of the row is assumed
}

// providers is the table of what NATs and load balancers allow. It is meant to be corrected: each row names where its figures are from,
// and when they were read there.
var providers = []provider{
	{
		Middle: Middle{
			Kind: NAT, Name: LinuxNAT, PortsEach: 64512, // of a source port from 1024 on: nf_nat_l4proto_unique_tuple
			source: "net/netfilter/nf_nat_core.c and nf_conntrack_proto_tcp.c of Linux 6.18, November 2026",
		},
		doubt: "the NAT runs Linux 6.3 or later, which takes the port of a closed connection if it finds no free one (nf_nat_may_kill); an older one keeps it for 120 s after FINs, 10 s after an RST",
	},
	{
		Middle: Middle{
			Kind: NAT, Name: "aws", PortsEach: 55000, mostAddresses: 8, keptFIN: span{0, 60, 120}, keptRST: span{0, 60, 120},
			source: "docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html: 55,000 connections for each address and destination, or about 900 a second; November 2026",
		},
		doubt: "an AWS NAT gateway has 8 addresses at most, and 2 until a higher quota is asked for; AWS does not say how long its NAT gateway keeps a port after the close: its 55,000 connections a minute are taken as 60 s, and 0 to 120 s is the interval",
	},
	{
		Middle: Middle{
			Kind: NAT, Name: "gcp", PortsEach: 64512, keptFIN: span{30, 30, 120}, keptRST: span{0, 30, 120},
			source: "cloud.google.com/nat/docs/ports-and-addresses, docs/tune-nat-configuration, and the release note of 31 March 2026; November 2026",
		},
		doubt: "Cloud NAT keeps a port for 30 s (tcp-time-wait-timeout of gateways made since 30 September 2026; those made before 30 June 2026 120 s, which is the interval's end), and " +
			"gives each VM as many ports as it needs (dynamic allocation): with static allocation a VM has 64 for each destination, unless min-ports-per-vm says otherwise",
	},
	{
		Middle: Middle{
			Kind: NAT, Name: "azure", PortsEach: 50000, mostAddresses: 16, connections: 2_000_000, keptFIN: exactly(65), keptRST: exactly(16),
			source: "learn.microsoft.com/azure/nat-gateway/nat-gateway-resource: 16 addresses, 50,000 connections for each and destination, 2 million in all, ports kept 65 s after a FIN and 16 s after an RST; November 2026",
		},
		doubt: "an Azure address has 64,512 ports, of which 50,000 are for one destination; its two times after the close are as documented, and not measured",
	},
	{
		Middle: Middle{
			Kind: Balancer, Name: "linux", asClient: true,
			source: "a proxy on a Linux host like the client's",
		},
		doubt: "the load balancer is one host like the client's, with its local ports, opens a connection to a target for each of the client's, and closes it as the client would; its CPU time is the kernel's alone",
	},
	{
		Middle: Middle{
			Kind: Balancer, Name: "aws-nlb", PortsEach: 55000, keptFIN: span{0, 60, 120}, keptRST: span{0, 60, 120},
			source: "docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-target-groups.html: about 55,000 connections a minute for each of its addresses and target; November 2026",
		},
		doubt: "the load balancer does not preserve client addresses (otherwise it needs no ports); an address is one node, 55,000 connections a minute are taken as 60 s for each port, and its number of flows has no limit that AWS names",
	},
}

// MiddleNames lists the middles of a kind.
func MiddleNames(kind string) (names []string) {
	for i := range providers {
		if providers[i].Kind == kind {
			names = append(names, providers[i].Name)
		}
	}
	return names
}

// newMiddle returns a middle of the table with that many addresses, and what of it is assumed, empty if nothing. addresses is 0 if
// nobody said how many; only for a load balancer is it then 1. gateways is 0 for as many as the addresses take.
func newMiddle(kind, name string, addresses, gateways int, client *Host) (m *Middle, doubt string, err error) {
	i := slices.IndexFunc(providers, func(p provider) bool { return p.Kind == kind && p.Name == name })
	if i < 0 {
		return nil, "", sockstate.BadValue(kind, name, "unknown")
	}
	row := providers[i]
	m, doubt = &row.Middle, row.doubt
	switch {
	case addresses == 0 && kind == NAT:
		return nil, "", sockstate.BadValue(kind, name, "a NAT needs addresses: add --nat-addresses N, as many as it has")
	case addresses == 0:
		addresses = 1
	case gateways > addresses:
		return nil, "", sockstate.BadValue("gateways", gateways, "each has an address at least: want at most %d, or more --%s-addresses", addresses, kind)
	case gateways > 0 && m.gatewaysOf(addresses) > gateways:
		return nil, "", sockstate.BadValue("gateways", gateways, "a gateway of %s has at most %d addresses: want at least %d for %d", name, m.mostAddresses, m.gatewaysOf(addresses), addresses)
	}
	m.Addresses, m.Gateways = addresses, max(gateways, m.gatewaysOf(addresses))
	if m.asClient {
		m.PortsEach, m.host = int64(client.Ports), *client
		m.host.Conntrack = 0 // Conntrack says it
	}
	return m, doubt, nil
}

// gatewaysOf is how many gateways so many addresses take.
func (m *Middle) gatewaysOf(addresses int) int {
	if m.mostAddresses == 0 {
		return 1
	}
	return (addresses + m.mostAddresses - 1) / m.mostAddresses
}

// newTracker is a middle that only tracks connections.
func newTracker(most int64) *Middle {
	return &Middle{Kind: Conntrack, Name: "linux", Conntrack: most, Gateways: 1}
}

// kept is how long a port stays taken after a close.
func (m *Middle) kept(resets bool) span {
	if resets {
		return m.keptRST
	}
	return m.keptFIN
}

func (m *Middle) recorded(resets bool) *record.CapacityMiddle {
	if m == nil {
		return nil
	}
	k := m.kept(resets)
	return &record.CapacityMiddle{
		Kind: m.Kind, Name: m.Name, Addresses: m.Addresses, Gateways: m.Gateways, PortsEach: m.PortsEach, KeptMinS: k.lo, KeptMaxS: k.hi, Conntrack: m.Conntrack, Source: m.source,
	}
}

// takesOver reports whether a NAT gives the port of a closed connection to a new one if no other is free (nf_nat_may_kill).
func (m *Middle) takesOver() bool { return m.Kind == NAT && m.Name == LinuxNAT }
