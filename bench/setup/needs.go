package setup

import (
	"math"
	"math/bits"
	"time"

	"lastack/bench/model"
	"lastack/bench/sandbox"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// The memory of a connection in this process, in bytes.
const (
	// clientSlot and serverSlot are a connection, its timer and its socket, measured with a hundred
	// thousand connections. exchangeSlot is an exchange.
	clientSlot, serverSlot, exchangeSlot = 64, 40, 32
	// ownMemory is this process without connections.
	ownMemory = 20 << 20
)

// estimateNeeds estimates what the plan needs, and sizes the sandbox's connection hash for its TIME_WAITs.
func (r *resolver) estimateNeeds() error {
	n := &r.Needs
	n.ProcessBytes = ownMemory
	for i := range r.Plan.Groups {
		g := &r.Plan.Groups[i]
		sources := int64(max(len(g.Sources), 1))
		if r.chooses(g) {
			sources = max(sources, int64(r.sourceCount()))
		}
		ports := int64(r.portsOf(g))
		open, tw := r.open(g), r.timeWaits(g)
		if pairs := sources * ports * int64(max(len(g.Targets), 1)); pairs > 0 {
			if g.Connections == 0 {
				open = min(open, pairs)
			}
			if tw[sockstate.Client] == 0 && g.SourcePorts.IsZero() && g.Plateau == 0 {
				// The client's ports are free again at once, so connect always finds one in its first pass, and its SYN
				// reopens the server's TIME_WAIT of an earlier connection from that port (tcp_timewait_state_process).
				tw[sockstate.Server] = min(tw[sockstate.Server], int64(model.InUse(float64(open), float64(tw[sockstate.Server]), float64(pairs/model.Parities))))
			}
			for side := range tw {
				tw[side] = min(tw[side], pairs)
			}
			r.Sockets += r.inTime(g, tw, pairs)
		}
		r.Sockets += open*r.ends() + tw[sockstate.Client] + tw[sockstate.Server]
		n.Connections += open
		n.Sockets += open * r.ends()
		n.ProcessBytes += open * r.slotBytes(g)
		n.SourceAddresses = max(n.SourceAddresses, int(sources))
		n.PortsEach = max(n.PortsEach, int(ports))
		n.TimeWaits.Client += tw[sockstate.Client]
		n.TimeWaits.Server += tw[sockstate.Server]
	}
	n.ExchangeBytes = r.exchangeBytes()
	if r.Sandbox != nil && r.Server != nil && r.Sandbox.EhashEntries == 0 && !r.spec.SharedHash {
		r.Sandbox.EhashEntries = r.ehashEntries()
	}
	n.KernelBytes = n.Sockets*r.memory().Socket + r.timeWaitBytes()
	return nil
}

// timeWaitBytes is the kernel's memory for the plan's TIME_WAITs, at most as many as tcp_max_tw_buckets allows.
func (r *resolver) timeWaitBytes() int64 {
	m := r.memory()
	buckets := r.buckets()
	return min(r.Needs.TimeWaits.Client, buckets)*m.TimeWait[sockstate.Client] + min(r.Needs.TimeWaits.Server, buckets)*m.TimeWait[sockstate.Server]
}

// memory is the kernel's memory for one of each.
func (r *resolver) memory() model.Memory {
	return model.MemoryOf(r.facts.Host.Kernel, r.facts.Host.Slabs)
}

// buckets is the most TIME_WAITs at once in a namespace of the run.
func (r *resolver) buckets() int64 {
	if n, ok := r.inside.Sysctl(bucketsKey); ok && n >= 0 {
		return n
	}
	// In a new namespace it is half the size of the connection hash.
	if r.Sandbox != nil && r.Sandbox.EhashEntries > 0 {
		return int64(r.Sandbox.EhashEntries) / 2
	}
	if n, ok := r.sharedHash(); ok {
		return n / 2
	}
	return sandbox.MaxEhashEntries / 2
}

// sharedHash is the size of the connection hash that a new namespace has or shares. ok is false if the kernel does not have the sysctl;
// then a namespace cannot have a larger hash either.
func (r *resolver) sharedHash() (entries int64, ok bool) {
	n, ok := r.facts.Host.Sysctl("net.ipv4.tcp_ehash_entries")
	return max(n, -n), ok // negative if this namespace shares it
}

// slotBytes is the memory of a connection of the group in this process.
func (r *resolver) slotBytes(g *loadgen.Group) int64 {
	n := int64(clientSlot)
	if r.Server != nil {
		n += serverSlot
	}
	if g.Exchange.Kind != exchange.None {
		n += exchangeSlot * r.ends()
	}
	return n
}

// fastestPerCPU is more lifecycles per second than a CPU can do: 23,000 were measured with both ends on it, 38,000 with only the
// generator.
const fastestPerCPU = 50_000

// usualPerCPU is the lifecycles per second that a CPU does of a closed loop.
const usualPerCPU = 10_000

// inTime is about how many TIME_WAITs more than tw a closed loop leaves that closes as many connections as it comes to.
func (r *resolver) inTime(g *loadgen.Group, tw [sockstate.NumSides]int64, pairs int64) (more int64) {
	if g.OpenLoop() || g.Plateau > 0 || r.Plan.Count > 0 {
		return 0
	}
	rate := float64(r.inside.CPUs) * usualPerCPU
	if g.Hold > 0 {
		rate = min(rate, float64(g.Connections)/g.Hold.Seconds())
	}
	lasts := min(sockstate.TimeWaitLength, r.Plan.Warmup+r.Plan.Duration)
	closed := min(int64(rate*lasts.Seconds()), pairs)
	for _, n := range tw {
		if n > 0 {
			more += max(closed-n, 0)
		}
	}
	return more
}

// ends is how many sockets a connection has on this host.
func (r *resolver) ends() int64 {
	if r.Server != nil {
		return 2
	}
	return 1
}

// open is how many connections of a group are open at once: --connections, or, without a cap, as many as arrive while
// one is held.
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

// arrivals is the most connections that an open loop starts within a time.
func (r *resolver) arrivals(g *loadgen.Group, within time.Duration) int64 {
	if d := r.Plan.Warmup + r.Plan.Duration; r.Plan.Duration > 0 {
		within = min(within, d)
	}
	return int64(math.Ceil(max(g.RateFrom, g.RateTo) * within.Seconds()))
}

// timeWaits is how many sockets a group leaves in TIME_WAIT or as a FIN_WAIT_2 minisocket, on each side on this host: those closed within
// the longest time that a TIME_WAIT lasts (which depends on the kernel's HZ). The number that a closed loop closes is known only with
// a count, and bounded by the CPUs; otherwise its connections count.
func (r *resolver) timeWaits(g *loadgen.Group) (n [sockstate.NumSides]int64) {
	p := teardown.Predict(g.Close, g.OnEOF, g.Exchange, teardown.Env{})
	if p.TimeWaits.Max == 0 {
		return n
	}
	lasts := sockstate.TimeWaitLasts(r.inside.HZ).Max
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
		if r.inside.CPUs > 0 {
			closed = min(closed, int64(float64(r.inside.CPUs)*fastestPerCPU*lasts.Seconds()))
		}
	}
	for side := range sockstate.Side(sockstate.NumSides) {
		if g.Close.Active(side) && (side == sockstate.Client || r.Server != nil) {
			n[side] = closed
		}
	}
	return n
}

// exchangeBytes is the memory of TCP buffers on this host if all exchanges are in progress at once.
func (r *resolver) exchangeBytes() int64 {
	sum := int64(0)
	for i := range r.Plan.Groups {
		g := &r.Plan.Groups[i]
		e := g.Exchange
		if e.Kind == exchange.None || g.Plateau > 0 {
			continue // a plateau's connections exchange as they open, not at once
		}
		sum += r.open(g) * r.ends() * model.BufferBytes(e)
	}
	return sum
}

// ehashEntries is the size of the connection hash that the sandbox needs: a namespace keeps half as many TIME_WAITs. It is 0 if the host's
// hash is large enough, or if the user has set tcp_max_tw_buckets.
func (r *resolver) ehashEntries() int {
	shared, ok := r.sharedHash()
	if _, set := r.sysctl(bucketsKey); set || !ok {
		return 0
	}
	n := r.Needs.TimeWaits
	most := n.Client + n.Server
	if r.Sandbox.Topology.Split() {
		most = max(n.Client, n.Server)
	}
	if most <= shared/2 {
		return 0
	}
	wanted := uint64(most+most/4) * 2
	return min(1<<bits.Len64(wanted-1), sandbox.MaxEhashEntries)
}
