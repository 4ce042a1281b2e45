package setup

import (
	"math"
	"math/bits"
	"time"

	"lastack/bench/host"
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

// reckon says what the plan takes, and gives the sandbox a connection hash for its TIME_WAITs.
func (r *resolver) reckon() error {
	f, n := r.inside, &r.Needs
	n.ProcessBytes = ownMemory
	for i := range r.Plan.Groups {
		g := &r.Plan.Groups[i]
		sources := int64(max(len(g.Sources), 1))
		if r.chooses(g) {
			sources = max(sources, int64(r.sourceCount(f)))
		}
		ports := int64(r.portsOf(g, f))
		open, tw := r.open(g), r.timeWaits(g, f)
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
		n.Sockets += open * r.ends()
		n.ProcessBytes += open * r.slotBytes(g)
		n.SourceAddresses = max(n.SourceAddresses, int(sources))
		n.PortsEach = max(n.PortsEach, int(ports))
		n.TimeWaits.Client += tw[sockstate.Client]
		n.TimeWaits.Server += tw[sockstate.Server]
	}
	n.ExchangeBytes = r.exchangeBytes()
	if r.Sandbox != nil && r.Server != nil && r.Sandbox.EhashEntries == 0 {
		r.Sandbox.EhashEntries = r.ehashEntries()
	}
	n.KernelBytes = n.Sockets*host.SocketBytes + r.timeWaitBytes()
	return nil
}

// timeWaitBytes is the kernel's memory for the plan's TIME_WAITs: of those that tcp_max_tw_buckets lets be at once.
func (r *resolver) timeWaitBytes() int64 {
	buckets := r.buckets()
	return min(r.Needs.TimeWaits.Client, buckets)*clientTimeWait + min(r.Needs.TimeWaits.Server, buckets)*serverTimeWait
}

// buckets is the most TIME_WAITs that a namespace of the run keeps at once.
func (r *resolver) buckets() int64 {
	if n, ok := r.inside.Sysctl(bucketsKey); ok && n >= 0 {
		return n
	}
	// A new namespace keeps half as many as its connection hash has entries.
	if r.Sandbox != nil && r.Sandbox.EhashEntries > 0 {
		return int64(r.Sandbox.EhashEntries) / 2
	}
	if n, ok := r.sharedHash(); ok {
		return n / 2
	}
	return sandbox.MaxEhashEntries / 2
}

// sharedHash is the size of the connection hash that a new namespace has or shares; ok is unset where the kernel, which then has no
// larger one either, does not tell.
func (r *resolver) sharedHash() (entries int64, ok bool) {
	n, ok := r.facts.Host.Sysctl("net.ipv4.tcp_ehash_entries")
	return max(n, -n), ok // negative where it is shared already
}

// slotBytes is what a connection of the group takes of this process.
func (r *resolver) slotBytes(g *loadgen.Group) int64 {
	n := int64(clientSlot)
	if r.Server != nil {
		n += serverSlot
	}
	if g.Exchange.Kind != exchange.None {
		n += talkSlot * r.ends()
	}
	return n
}

// fastestPerCPU is more lifecycles a second than a CPU does with both ends on it, or a generator alone: 23,000 and 38,000 were
// measured.
const fastestPerCPU = 50_000

// ends is how many sockets of this host a connection has.
func (r *resolver) ends() int64 {
	if r.Server != nil {
		return 2
	}
	return 1
}

// open is how many connections of a group are open at once: as many as are asked for, or as a schedule without a
// cap piles up while each is held.
func (r *resolver) open(g *loadgen.Group) int64 {
	n := int64(g.Connections)
	if n == 0 {
		held := g.Hold + g.Think*time.Duration(max(g.Exchanges()-1, 0))
		n = r.arrivals(g, held)
	}
	if r.Plan.Count > 0 && g.Plateau == 0 {
		n = min(n, r.Plan.Count)
	}
	return n
}

// arrivals is the most that an open loop starts within a time.
func (r *resolver) arrivals(g *loadgen.Group, within time.Duration) int64 {
	if d := r.Plan.Warmup + r.Plan.Duration; r.Plan.Duration > 0 {
		within = min(within, d)
	}
	return int64(math.Ceil(max(g.RateFrom, g.RateTo) * within.Seconds()))
}

// timeWaits is how many sockets a group leaves in TIME_WAIT, or in the minisocket before it, on each side that is here: those closed
// within the longest time that one lasts (f has the kernel's HZ), as they end in bursts. How many a closed loop closes is known for a
// number of lifecycles only, at most as fast as the CPUs allow; else its connections count.
func (r *resolver) timeWaits(g *loadgen.Group, f *host.Facts) (n [sockstate.NumSides]int64) {
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
		closed = r.arrivals(g, lasts)
		if r.Plan.Count > 0 {
			closed = min(closed, r.Plan.Count)
		}
	case r.Plan.Count > 0:
		closed = r.Plan.Count
		if f.CPUs > 0 {
			closed = min(closed, int64(float64(f.CPUs)*fastestPerCPU*lasts.Seconds()))
		}
	}
	for side := range sockstate.Side(sockstate.NumSides) {
		if g.Close.Active(side) && (side == sockstate.Client || r.Server != nil) {
			n[side] = closed
		}
	}
	return n
}

// pageOfBuffers is the least that a socket takes of tcp_mem while it has anything in a buffer (__sk_mem_schedule). An
// idle one has nothing: not even after an exchange.
const pageOfBuffers = 4096

// exchangeBytes is what the exchanges have in buffers, at each end that is here, if all are under way at once.
func (r *resolver) exchangeBytes() int64 {
	sum := int64(0)
	for i := range r.Plan.Groups {
		g := &r.Plan.Groups[i]
		e := g.Exchange
		if e.Kind == exchange.None || g.Plateau > 0 {
			continue // a plateau's connections have theirs as they open, one after the other
		}
		pages := int64(max(e.Request, e.Response)+pageOfBuffers-1) / pageOfBuffers
		sum += r.open(g) * r.ends() * max(pages, 1) * pageOfBuffers
	}
	return sum
}

// ehashEntries is the size of the connection hash that the sandbox needs for the TIME_WAITs, which may be half as many; 0 if they fit
// where the namespaces share the host's, or if the user has set their number.
func (r *resolver) ehashEntries() int {
	shared, ok := r.sharedHash()
	if _, asked := r.askedFor(bucketsKey); asked || !ok {
		return 0
	}
	n := r.Needs.TimeWaits
	most := n.Client + n.Server
	if r.Sandbox.Topology == sandbox.Veth {
		most = max(n.Client, n.Server)
	}
	if most <= shared/2 {
		return 0
	}
	wanted := uint64(most+most/4) * 2
	return min(1<<bits.Len64(wanted-1), sandbox.MaxEhashEntries)
}
