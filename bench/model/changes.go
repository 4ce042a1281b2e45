package model

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/sockstate"
)

// The places of a change.
const (
	PlaceSysctl      = "sysctl.d"
	PlaceLimits      = "limits.d"
	PlaceAddresses   = "addresses"
	PlaceMiddle      = "nat"
	PlaceHosts       = "hosts"
	PlaceApplication = "application"
)

// The keys of what a middle has more of.
const (
	KeyAddresses = "addresses"
	KeyGateways  = "gateways"
)

// The widest range of local ports.
const (
	// widestRange is ip_local_port_range at its widest without the ports below 1024.
	widestRange = "1024 65535"
	// MostPorts is its size.
	MostPorts = 64512
	// WidenBelow is the size of a range from which on widening it is not worth a word.
	WidenBelow = 64000
)

// changer changes an input step by step, so that the load at the rate to leaves the headroom free. Each change builds on those before it.
type changer struct {
	in  *Input
	to  float64
	all []record.CapacityChange
}

func (c *changer) changes() []record.CapacityChange {
	c.leaks()
	c.ports()
	c.middle()
	c.sysctls()
	c.hosts()
	return c.all
}

// lacks returns what the limit of a side is short of: the need and the limit, if the headroom is not free.
func (c *changer) lacks(name, side string) (need, most float64, endless, short bool) {
	needs := needsOf(c.in)
	for _, l := range limitsOf(c.in, needs) {
		if l.name == name && l.need.side == side {
			n := l.need.at(c.to)
			return n.hi, l.max, math.IsInf(n.mean, 1), n.hi > l.max*(1-c.in.Headroom)
		}
	}
	return 0, 0, false, false
}

func (c *changer) add(limit, side, where, key, from, to, why string) {
	// One sysctl for two limits is one change, as far as both need.
	for i := range c.all {
		if a := &c.all[i]; a.Where == where && a.Key == key && a.Side == side {
			if !slices.Contains(a.Limits, limit) {
				a.Limits = append(a.Limits, limit)
			}
			was, err := strconv.ParseInt(a.To, 10, 64)
			if n, bad := strconv.ParseInt(to, 10, 64); err == nil && bad == nil && n > was {
				a.To = to
			}
			return
		}
	}
	c.all = append(c.all, record.CapacityChange{Limits: []string{limit}, Side: side, Where: where, Key: key, From: from, To: to, Why: why})
}

// with is a need with the headroom on top.
func (c *changer) with(need float64) float64 { return need / (1 - c.in.Headroom) }

// ports gives the client local ports: a wider range first, which costs nothing, then addresses.
func (c *changer) ports() {
	limit := c.lacksPorts()
	if limit == "" {
		return
	}
	client, h := sockstate.Client.String(), &c.in.Client
	if h.Ports < WidenBelow {
		c.add(limit, client, PlaceSysctl, "net.ipv4.ip_local_port_range", h.PortRange, widestRange,
			fmt.Sprintf("%s ports for each pair of addresses; ip_local_reserved_ports keeps those that servers listen on", quantity.Count(MostPorts)))
		h.Ports, h.FirstPass = MostPorts, MostPorts/Parities
	}
	was := c.in.Load.Sources
	for c.lacksPorts() != "" && c.in.Load.Sources < math.MaxInt32 {
		need, _, _, _ := c.lacks(record.LimitPorts, client)
		targets := float64(c.in.destinations())
		// Beyond the first pass every connect walks past all of it, which costs far more than addresses do: a rate just above takes many CPUs.
		n := max(enough(need, float64(h.Ports)*targets, c.in.Headroom), enough(need, float64(h.FirstPass)*targets, c.in.Headroom))
		c.in.Load.Sources = max(n, c.in.Load.Sources+c.in.Load.Sources/100+1)
	}
	if c.in.Load.Sources == was {
		return
	}
	others := "targets"
	if c.in.Middle != nil && c.in.Middle.Kind == Balancer {
		others = "addresses of the load balancer"
	}
	why := fmt.Sprintf("source addresses, or as many "+others+": connect finds a port at once among the first %s of each", quantity.Count(int64(h.FirstPass)))
	if !h.Reuse && h.ReuseDelay > 0 && c.waits() {
		why += "; or net.ipv4.tcp_tw_reuse=1, which lets connect take over a TIME_WAIT port after " + h.ReuseDelay.String()
	}
	c.add(limit, client, PlaceAddresses, "sources", quantity.Count(int64(was)), quantity.Count(int64(c.in.Load.Sources)), why)
}

// lacksPorts names the limit by which the client is short of ports: there are too few, or connect's search for them takes too much CPU. It is
// empty if it is not.
func (c *changer) lacksPorts() string {
	client := sockstate.Client.String()
	for _, limit := range []string{record.LimitPorts, record.LimitPortSearch} {
		if _, _, endless, short := c.lacks(limit, client); short && !endless {
			return limit
		}
	}
	need, _, endless, _ := c.lacks(record.LimitPorts, client)
	_, _, _, busy := c.lacks(record.LimitCPU, client)
	if busy && !endless && c.waits() && !c.in.Client.Reuse && need > float64(c.in.Client.FirstPass)*float64(c.in.pairs()) && c.in.Client.FirstPass > 0 {
		return record.LimitPorts
	}
	return ""
}

func (c *changer) waits() bool {
	x := lifeOf(c.in)
	return x.waits[sockstate.Client].hi > 0
}

// middle gives the NAT or the load balancer addresses, and entries.
func (c *changer) middle() {
	m := c.in.Middle
	if m == nil {
		return
	}
	if need, _, endless, short := c.lacks(m.Kind+"_ports", m.Kind); short && !endless {
		n := enough(need, float64(m.PortsEach)*float64(c.in.Load.Targets), c.in.Headroom)
		c.add(m.Kind+"_ports", m.Kind, PlaceMiddle, KeyAddresses, quantity.Count(int64(m.Addresses)), quantity.Count(int64(n)), fmt.Sprintf("each has %s ports for each target", quantity.Count(m.PortsEach)))
		if m.Addresses = n; m.gatewaysOf(n) > m.Gateways {
			c.gateways(m.Kind+"_ports", m.gatewaysOf(n), fmt.Sprintf("one has at most %d addresses", m.mostAddresses))
		}
	}
	if need, most, endless, short := c.lacks(record.LimitConntrack, m.Kind); short && !endless {
		each := float64(m.Gateways)
		c.conntrack(m.Kind, most/each, need/each, 0)
	}
	if need, _, endless, short := c.lacks(record.LimitMiddleConnections, m.Kind); short && !endless {
		c.gateways(record.LimitMiddleConnections, enough(need, float64(m.connections), c.in.Headroom), "each tracks "+quantity.Count(m.connections)+" connections")
	}
}

// gateways are as many as a limit takes. Each has an address at least.
func (c *changer) gateways(limit string, n int, why string) {
	m := c.in.Middle
	c.add(limit, m.Kind, PlaceMiddle, KeyGateways, quantity.Count(int64(m.Gateways)), quantity.Count(int64(n)), why)
	if m.Gateways = n; n > m.Addresses {
		c.add(limit, m.Kind, PlaceMiddle, KeyAddresses, quantity.Count(int64(m.Addresses)), quantity.Count(int64(n)), "each gateway has one at least")
		m.Addresses = n
	}
}

// conntrack raises the number of tracked connections, and that of the buckets that they are found by, which are as many unless somebody has changed
// that (nf_conntrack_init_start). have is how many buckets there are, 0 if that is not known.
func (c *changer) conntrack(side string, most, need float64, have int64) {
	c.raise(record.LimitConntrack, side, "net.netfilter.nf_conntrack_max", most, need, "entries for connections that are open or were closed a short while ago, two minutes unless nf_conntrack_tcp_timeout_time_wait is shorter")
	to := powerOfTwo(c.with(need))
	if have >= to {
		return
	}
	from := "unknown"
	if have > 0 {
		from = strconv.FormatInt(have, 10)
	}
	c.add(record.LimitConntrack, side, PlaceSysctl, "net.netfilter.nf_conntrack_buckets", from, strconv.FormatInt(to, 10), "the hash table of these entries: with fewer buckets every packet walks a longer chain")
}

// raise is a sysctl that is raised to the next power of two.
func (c *changer) raise(limit, side, key string, from, need float64, why string) {
	c.add(limit, side, PlaceSysctl, key, strconv.FormatInt(int64(from), 10), strconv.FormatInt(powerOfTwo(c.with(need)), 10), why)
}

func powerOfTwo(v float64) int64 { return 1 << bits.Len64(uint64(max(math.Ceil(v), 1)-1)) }

// sysctls raises what the sysctls and rlimits of both hosts bound.
func (c *changer) sysctls() {
	for _, p := range c.in.places() {
		s := p.name
		for _, r := range []struct{ limit, key, why string }{
			{record.LimitTWBuckets, "net.ipv4.tcp_max_tw_buckets", "above it a socket skips TIME_WAIT"},
			{record.LimitOrphans, "net.ipv4.tcp_max_orphans", "above it a close becomes a reset"},
			{record.LimitFiles, "fs.file-max", "open files of the host"},
		} {
			if need, most, endless, short := c.lacks(r.limit, s); short && !endless {
				c.raise(r.limit, s, r.key, most, need, r.why)
			}
		}
		if need, most, endless, short := c.lacks(record.LimitConntrack, s); short && !endless && p.host.Conntrack > 0 {
			c.conntrack(s, most, need, p.host.ConntrackBuckets)
		}
		if need, _, endless, short := c.lacks(record.LimitAcceptQueue, s); short && !endless {
			c.raise(record.LimitAcceptQueue, s, somaxconn, float64(p.host.Backlog), need, "a full accept queue drops SYNs; the listener's backlog must be as long")
		}
		c.synBacklog(p)
		if need, most, endless, short := c.lacks(record.LimitFds, s); short && !endless {
			n := powerOfTwo(c.with(need))
			c.add(record.LimitFds, s, PlaceLimits, "nofile", strconv.FormatInt(int64(most), 10), strconv.FormatInt(n, 10), "descriptors of a process; LimitNOFILE= in a systemd unit")
			if most := cmp.Or(p.host.NrOpen, defaultNrOpen); n > most {
				c.add(record.LimitFds, s, PlaceSysctl, "fs.nr_open", strconv.FormatInt(most, 10), strconv.FormatInt(n, 10), "the most that nofile may be")
			}
		}
		if need, most, endless, short := c.lacks(record.LimitTCPMemory, s); short && !endless {
			// In the proportions of tcp_init_mem.
			pages := int64(c.with(need))/pageBytes + 1
			c.add(record.LimitTCPMemory, s, PlaceSysctl, "net.ipv4.tcp_mem", "max "+strconv.FormatInt(int64(most)/pageBytes, 10), fmt.Sprintf("%d %d %d", pages/2, pages*2/3, pages),
				"pages for the buffers of all sockets: the third value is the most")
		}
	}
}

const somaxconn = "net.core.somaxconn"

// synBacklog lengthens the queue of handshakes: it is as long as the listener's backlog, or, without SYN cookies, three quarters of
// tcp_max_syn_backlog if that is less (tcp_conn_request).
func (c *changer) synBacklog(p place) {
	s, h := p.name, p.host
	need, _, endless, short := c.lacks(record.LimitSYNDrops, s)
	if !short || endless {
		return
	}
	if h.SYNBacklog < h.Backlog {
		c.raise(record.LimitSYNDrops, s, "net.ipv4.tcp_max_syn_backlog", float64(h.SYNBacklog)*4/3, need*4/3, "handshakes in progress, without SYN cookies")
	}
	if c.with(need) > float64(h.Backlog) {
		c.raise(record.LimitSYNDrops, s, somaxconn, float64(h.Backlog), need, "handshakes in progress: the listener's backlog must be as long")
	}
}

// defaultNrOpen is fs.nr_open unless somebody has changed it, for a host that does not say.
const defaultNrOpen = 1 << 20

// hosts divides among several hosts what no sysctl gives.
func (c *changer) hosts() {
	for _, p := range c.in.places() {
		if hosts, by, why := c.machines(p.name); hosts > 1 {
			c.add(by, p.name, PlaceHosts, "hosts", "1", quantity.Count(int64(hosts)), why)
		}
	}
}

// generators is what generates the load: machines like the client's, with everything changed that can be.
func (c *changer) generators() record.CapacityGenerators {
	n, by, _ := c.machines(sockstate.Client.String())
	return record.CapacityGenerators{Machines: n, Addresses: c.in.Load.Sources, By: by}
}

// machines is how many hosts a side needs, and by which limit.
func (c *changer) machines(s string) (hosts int, by, why string) {
	hosts = 1
	for _, limit := range []string{record.LimitMemory, record.LimitCPU} {
		need, most, endless, short := c.lacks(limit, s)
		if !short || endless {
			continue
		}
		if n := enough(need, most, c.in.Headroom); n > hosts {
			hosts, by = n, limit
			why = fmt.Sprintf("%.1f CPUs are needed, a host has %.1f", need, most)
			if limit == record.LimitMemory {
				why = fmt.Sprintf("%s of kernel memory are needed, a host has %s available", quantity.Bytes(int64(need)), quantity.Bytes(int64(most)))
			}
		}
	}
	return hosts, by, why
}

// leaks: no limit is wide enough for what only grows.
func (c *changer) leaks() {
	needs := needsOf(c.in)
	for _, l := range limitsOf(c.in, needs) {
		if math.IsInf(l.need.at(c.to).mean, 1) {
			c.add(l.name, l.need.side, PlaceApplication, "leak", "", "close what is kept open", "sockets that nobody closes use up any limit")
		}
	}
}
