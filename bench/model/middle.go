package model

import (
	"fmt"
	"slices"

	"lastack/bench/record"
	"lastack/sockstate"
)

// The kinds of middle.
const (
	NAT       = "nat"
	Balancer  = "lb"
	Conntrack = "conntrack" // a firewall, or kube-proxy, that only tracks
)

// Middle stands between client and server. A NAT and a load balancer put an address and a port of their own in place of the client's.
type Middle struct {
	Kind, Name string
	// Addresses is how many it has, PortsEach the ports of one for each destination.
	Addresses int
	PortsEach int64
	// keptFIN and keptRST are how long it keeps a port after the close, in seconds. They say nothing if it closes as the client does,
	// with the same TIME_WAITs.
	keptFIN, keptRST span
	asClient         bool
	// mostAddresses is how many it may have, connections how many it tracks at once whatever the destination; 0 is no limit.
	mostAddresses int
	connections   int64
	// Conntrack is nf_conntrack_max, 0 if that is not known to bound it.
	Conntrack int64
	source    string
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
			Kind: NAT, Name: "linux", PortsEach: 64512, // of a source port from 1024 on: nf_nat_l4proto_unique_tuple
			source: "net/netfilter/nf_nat_core.c and nf_conntrack_proto_tcp.c of Linux 6.18, November 2026",
		},
		doubt: "the NAT runs Linux 6.3 or later, which takes the port of a closed connection if it finds no free one (nf_nat_may_kill); an older one keeps it for 120 s after FINs, 10 s after an RST",
	},
	{
		Middle: Middle{
			Kind: NAT, Name: "aws", PortsEach: 55000, mostAddresses: 8, keptFIN: span{0, 60, 120}, keptRST: span{0, 60, 120},
			source: "docs.aws.amazon.com/vpc/latest/userguide/nat-gateway-basics.html: 55,000 connections for each address and destination, or about 900 a second; November 2026",
		},
		doubt: "AWS does not say how long its NAT gateway keeps a port after the close: its 55,000 connections a minute are taken as 60 s, and 0 to 120 s is the interval",
	},
	{
		Middle: Middle{
			Kind: NAT, Name: "gcp", PortsEach: 64512, keptFIN: span{30, 30, 120}, keptRST: span{0, 30, 120},
			source: "cloud.google.com/nat/docs/ports-and-addresses, docs/tune-nat-configuration, and the release note of 31 March 2026; November 2026",
		},
		doubt: "Cloud NAT keeps a port for 30 s (tcp-time-wait-timeout of gateways made since 30 September 2026; those made before 30 June 2026 120 s), and gives each VM as " +
			"many ports as it needs (dynamic allocation; the static default is 64 a VM)",
	},
	{
		Middle: Middle{
			Kind: NAT, Name: "azure", PortsEach: 50000, mostAddresses: 16, connections: 2_000_000, keptFIN: exactly(65), keptRST: exactly(16),
			source: "learn.microsoft.com/azure/nat-gateway/nat-gateway-resource: 16 addresses, 50,000 connections for each and destination, 2 million in all, ports kept 65 s after a FIN and 16 s after an RST; November 2026",
		},
	},
	{
		Middle: Middle{
			Kind: Balancer, Name: "linux", asClient: true,
			source: "a proxy on a Linux host like the client's",
		},
		doubt: "the load balancer has the local ports of a host like the client's, opens a connection to a target for each of the client's, and closes it as the client would",
	},
	{
		Middle: Middle{
			Kind: Balancer, Name: "aws-nlb", PortsEach: 55000, keptFIN: span{0, 60, 120}, keptRST: span{0, 60, 120},
			source: "docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-target-groups.html: about 55,000 connections a minute for each of its addresses and target; November 2026",
		},
		doubt: "the load balancer does not preserve client addresses (otherwise it needs no ports); an address is one node, and 55,000 connections a minute are taken as 60 s for each port",
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
// nobody said how many; only for a load balancer is it then 1.
func newMiddle(kind, name string, addresses int, client *Host) (m *Middle, doubt string, err error) {
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
	case m.mostAddresses > 0 && addresses > m.mostAddresses:
		return nil, "", sockstate.BadValue(kind+"-addresses", fmt.Sprint(addresses), "one gateway of %s has at most %d", name, m.mostAddresses)
	}
	m.Addresses = addresses
	if m.asClient {
		m.PortsEach = int64(client.Ports)
	}
	return m, doubt, nil
}

// newTracker is a middle that only tracks connections.
func newTracker(most int64) *Middle { return &Middle{Kind: Conntrack, Name: "linux", Conntrack: most} }

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
		Kind: m.Kind, Name: m.Name, Addresses: m.Addresses, PortsEach: m.PortsEach, KeptMinS: k.lo, KeptMaxS: k.hi, Conntrack: m.Conntrack, Source: m.source,
	}
}

// The timeouts of a tracked connection in seconds, unless a sysctl says otherwise (tcp_timeouts of nf_conntrack_proto_tcp.c). Who collects the entries is late.
const (
	trackedTimeWait  = 120
	trackedCloseWait = 60
	trackedClose     = 10
)

// collectorLate is by how much: 10 s in the mean were measured.
var collectorLate = span{0, 10, 60}

// takesOver reports whether a NAT gives the port of a closed connection to a new one if no other is free (nf_nat_may_kill).
func (m *Middle) takesOver() bool { return m.Kind == NAT && m.Name == "linux" }

// TrackedS is how long connection tracking remembers a connection after its close by FINs, in seconds.
const TrackedS = trackedTimeWait
