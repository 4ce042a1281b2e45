package bench

import (
	"math"
	"math/bits"
	"strconv"
	"time"

	"lastack/bench/host"
	"lastack/bench/record"
	"lastack/bench/sandbox"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// What a connection takes, in bytes.
const (
	// clientTimeWait and serverTimeWait are a TIME_WAIT's minisocket, and at the client two bind buckets (tw_sock_TCP,
	// tcp_bind_bucket, tcp_bind2_bucket).
	clientTimeWait, serverTimeWait = 512, 256
	// clientSlot and serverSlot are this process's: a connection, its timer and its socket, as measured with a
	// hundred thousand; talkSlot is an exchange.
	clientSlot, serverSlot, talkSlot = 64, 40, 32
	// ownMemory is this process without a connection.
	ownMemory = 20 << 20
)

// parities is how many passes connect() makes over the ports of an address: those of one parity, then those of the other
// (__inet_hash_connect). The first is cheap; the second begins by walking past every port that the first has taken.
const parities = 2

// needs reckons what the plan takes. f holds the local ports of the client's namespace.
func (c *Config) needs(f *host.Facts) record.Needs {
	n := record.Needs{ProcessBytes: ownMemory}
	for i := range c.Plan.Groups {
		g := &c.Plan.Groups[i]
		sources := int64(max(len(g.Sources), 1))
		if c.chooses(g) {
			sources = max(sources, int64(c.sourceCount(f)))
		}
		ports := int64(c.portsOf(g, f))
		open, tw := c.open(g), c.timeWaits(g, f)
		if pairs := sources * ports * int64(max(len(g.Targets), 1)); pairs > 0 {
			if g.Connections == 0 {
				open = min(open, pairs)
			}
			if tw[sockstate.Client] == 0 && g.SourcePorts.IsZero() && g.Plateau == 0 {
				// The client's ports are free again at once, so that connect always finds one in its first pass, and the
				// server's TIME_WAIT of an earlier connection from that port is reopened by the SYN (tcp_timewait_state_process).
				tw[sockstate.Server] = min(tw[sockstate.Server], max(open, pairs/parities))
			}
			for side := range tw {
				tw[side] = min(tw[side], pairs)
			}
		}
		n.Connections += open
		n.Sockets += open * c.ends()
		n.ProcessBytes += open * c.slotBytes(g)
		n.SourceAddresses = max(n.SourceAddresses, int(sources))
		n.PortsEach = max(n.PortsEach, int(ports))
		n.TimeWaits.Client += tw[sockstate.Client]
		n.TimeWaits.Server += tw[sockstate.Server]
	}
	n.ExchangeBytes = c.exchangeBytes()
	n.KernelBytes = n.Sockets*host.SocketBytes + c.timeWaitBytes(f, &n)
	return n
}

// timeWaitBytes is the kernel's memory for the plan's TIME_WAITs: of those that tcp_max_tw_buckets lets be at once. f is the
// client's namespace.
func (c *Config) timeWaitBytes(f *host.Facts, n *record.Needs) int64 {
	buckets := c.buckets(f)
	return min(n.TimeWaits.Client, buckets)*clientTimeWait + min(n.TimeWaits.Server, buckets)*serverTimeWait
}

// buckets is how many TIME_WAITs a namespace of the experiment's keeps at once, at most.
func (c *Config) buckets(f *host.Facts) int64 {
	for _, v := range []string{c.Status.Sysctls[bucketsKey], f.Sysctls[bucketsKey]} {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil && n >= 0 {
			return n
		}
	}
	return sandbox.MaxEhashEntries / 2 // of a sandbox that is not there yet
}

// slotBytes is what a connection of the group takes of this process.
func (c *Config) slotBytes(g *loadgen.Group) int64 {
	n := int64(clientSlot)
	if c.Server != nil {
		n += serverSlot
	}
	if g.Exchange.Kind != exchange.None {
		n += talkSlot * c.ends()
	}
	return n
}

const (
	bucketsKey = "net.ipv4.tcp_max_tw_buckets"
	// fastestPerCPU is more lifecycles a second than a CPU does with both ends on it, or a generator alone: 23,000 and 38,000
	// were measured.
	fastestPerCPU = 50_000
)

// ends is how many sockets of this host a connection has.
func (c *Config) ends() int64 {
	if c.Server != nil {
		return 2
	}
	return 1
}

// open is how many connections of a group are open at once: as many as are asked for, or as a schedule without a
// cap piles up while each is held.
func (c *Config) open(g *loadgen.Group) int64 {
	n := int64(g.Connections)
	if n == 0 {
		held := g.Hold + g.Think*time.Duration(max(g.Exchanges()-1, 0))
		n = c.arrivals(g, held)
	}
	if c.Plan.Count > 0 && g.Plateau == 0 {
		n = min(n, c.Plan.Count)
	}
	return n
}

// arrivals is the most that an open loop starts within a time.
func (c *Config) arrivals(g *loadgen.Group, within time.Duration) int64 {
	if d := c.Plan.Warmup + c.Plan.Duration; c.Plan.Duration > 0 {
		within = min(within, d)
	}
	return int64(math.Ceil(max(g.RateFrom, g.RateTo) * within.Seconds()))
}

// timeWaits is how many sockets a group leaves in TIME_WAIT, or in the minisocket before it, on each side of
// this host: those closed within the longest time that it lasts (f has the kernel's HZ): they end in bursts, and before one there are most. How many a closed loop closes in a time
// nobody knows beforehand: it counts as it is, where a number of lifecycles does not say, of which the CPUs bound the pace.
func (c *Config) timeWaits(g *loadgen.Group, f *host.Facts) (n [sockstate.NumSides]int64) {
	p := teardown.Predict(g.Close, g.OnEOF, g.Exchange, teardown.Env{})
	if p.TimeWaits.Max == 0 {
		return n
	}
	lasts := sockstate.TimeWaitLasts(f.HZ).Max
	closed := int64(g.Connections)
	switch {
	case g.Plateau > 0 && g.CloseRate > 0:
		closed = min(closed, int64(math.Ceil(g.CloseRate*lasts.Seconds())))
	case g.Plateau > 0:
	case g.OpenLoop():
		closed = c.arrivals(g, lasts)
		if c.Plan.Count > 0 {
			closed = min(closed, c.Plan.Count)
		}
	case c.Plan.Count > 0:
		closed = c.Plan.Count
		if f.CPUs > 0 {
			closed = min(closed, int64(float64(f.CPUs)*fastestPerCPU*lasts.Seconds()))
		}
	}
	for side := range sockstate.Side(sockstate.NumSides) {
		if g.Close.Active(side) && (side == sockstate.Client || c.Server != nil) {
			n[side] = closed
		}
	}
	return n
}

// pageOfBuffers is the least that a socket takes of tcp_mem while it has anything in a buffer (__sk_mem_schedule). An
// idle one has nothing: not even after an exchange.
const pageOfBuffers = 4096

// exchangeBytes is what the exchanges have in buffers, at each end that is here, if all are under way at once.
func (c *Config) exchangeBytes() int64 {
	sum := int64(0)
	for i := range c.Plan.Groups {
		g := &c.Plan.Groups[i]
		e := g.Exchange
		if e.Kind == exchange.None || g.Plateau > 0 {
			continue // a plateau's connections have theirs as they open, one after the other
		}
		pages := int64(max(e.Request, e.Response)+pageOfBuffers-1) / pageOfBuffers
		sum += c.open(g) * c.ends() * max(pages, 1) * pageOfBuffers
	}
	return sum
}

// EhashEntries is the size of the connection hash that the experiment's sandbox needs for its TIME_WAITs, which
// may be half as many; 0 if they fit where the namespaces share the host's, or if the user has set their number.
func EhashEntries(c Config) int {
	if _, set := c.Status.Sysctls[bucketsKey]; set || c.Server == nil || c.Host == nil {
		return 0
	}
	// A namespace starts with half of the hash that it has, or shares.
	shared, ok := c.Host.Sysctl("net.ipv4.tcp_ehash_entries")
	if !ok {
		return 0 // a kernel that has no larger one either
	}
	n := c.needs(c.presumed(c.Host)).TimeWaits
	most := n.Client + n.Server
	if c.Status.Topology == string(sandbox.Veth) {
		most = max(n.Client, n.Server)
	}
	if shared < 0 {
		shared = -shared
	}
	if most <= shared/2 {
		return 0
	}
	wanted := uint64(most+most/4) * 2
	return min(1<<bits.Len64(wanted-1), sandbox.MaxEhashEntries)
}

// presumed is f with the local ports that a sandbox will have: it starts with the kernel's defaults.
func (c *Config) presumed(f *host.Facts) *host.Facts {
	if c.Server == nil || c.Sandbox != nil {
		return f
	}
	inside := *f
	inside.Sysctls = map[string]string{portRangeKey: "32768 60999"} // inet_init_net
	for _, key := range []string{portRangeKey, "net.ipv4.ip_local_reserved_ports"} {
		if v, ok := c.Status.Sysctls[key]; ok {
			inside.Sysctls[key] = v
		}
	}
	return &inside
}
