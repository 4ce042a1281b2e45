package model

import (
	"slices"
	"time"

	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/exchange"
	"lastack/sockstate/teardown"
)

// Load is what arrives, and what becomes of it.
type Load struct {
	// RateFrom and RateTo are the lowest and the highest rate of arrivals, a second.
	RateFrom, RateTo float64
	// Growth are further rates, as multiples of RateTo. Over is the time in which the rate rises from RateFrom to RateTo, 0 if
	// nobody said.
	Growth []float64
	Over   time.Duration
	// Poisson is set if arrivals come by chance, not set if they are paced.
	Poisson bool

	// Hold is how long the side that closes first waits before it does.
	Hold     Time
	Close    teardown.Policy
	OnEOF    teardown.Reaction
	Exchange exchange.Spec
	Requests int
	// RTT is a round trip, Service the server's time for a reply, AcceptPause the longest time in which it does not accept.
	RTT, Service Time
	AcceptPause  time.Duration

	// Sources is the number of source addresses, Targets that of destinations (address and port).
	Sources, Targets int
}

// Host is what a host allows. What is 0 is unknown, and bounds nothing.
type Host struct {
	Kernel string
	HZ     int
	CPUs   float64
	// Ports is the number of local ports of an address for a destination, FirstPass the part of them that connect tries first.
	// PortRange is the sysctl.
	PortRange        string
	Ports, FirstPass int
	// Reuse is set if connect takes over ports in TIME_WAIT after ReuseDelay. ReuseMode is tcp_tw_reuse.
	Reuse      bool
	ReuseDelay time.Duration
	ReuseMode  string
	FinTimeout time.Duration

	// NrOpen is fs.nr_open, the most that NoFile may be.
	NoFile, NrOpen, Files, Buckets, Orphans int64
	// Backlog is somaxconn, SYNBacklog what bounds handshakes.
	Backlog, SYNBacklog int64
	// MemoryBytes is what processes may use, BufferBytes is tcp_mem.
	MemoryBytes, BufferBytes int64
	// Conntrack is nf_conntrack_max if the host tracks connections, ConntrackMax its value even if nothing does.
	Conntrack, ConntrackMax int64
	// ConntrackBuckets is the size of its hash table, nf_conntrack_buckets.
	ConntrackBuckets int64
	// TrackedTimeWait, TrackedCloseWait and TrackedClose are how long connection tracking keeps an entry after the last segment of these states;
	// 0 is the kernel's default: 120, 60 and 10 s.
	TrackedTimeWait, TrackedCloseWait, TrackedClose time.Duration
	// Slabs has the bytes of an object in the kernel's caches, by their names; nil if they could not be read.
	Slabs map[string]int64
}

// Input is everything that a plan is made of.
type Input struct {
	Load           Load
	Client, Server Host
	// ServerSame is set if nobody said what the server's host allows, so that it is taken to be like the client's.
	ServerSame bool
	Middle     *Middle
	// CPU is what a lifecycle costs, nil if it was not measured.
	CPU *CPU
	// Headroom is the share of each limit that is to stay free.
	Headroom float64
	// Assumed says what was assumed already, in a sentence each.
	Assumed []string
}

// CPU is what a lifecycle costs each side, in CPU seconds.
type CPU struct {
	client, server span
}

// assumedCPU is what the kernel alone needs, without an application: 38,000 lifecycles a second were measured on a CPU with one end on it,
// and 15,000 on two CPUs with both ends.
var assumedCPU = CPU{client: span{26e-6, 42e-6, 67e-6}, server: span{26e-6, 42e-6, 67e-6}}

// LifecyclesPerS is how many lifecycles a second so many CPUs bear with both ends on them, an exchange of a byte each included.
func LifecyclesPerS(cpus float64) (least, most float64) {
	return cpus / (assumedCPU.client.hi + assumedCPU.server.hi), cpus / (assumedCPU.client.lo + assumedCPU.server.lo)
}

// cpuOf is what the lifecycles of a run cost. It is not ok if the record does not tell. The interval begins with what the worker
// threads used, and ends with what the whole machine did.
func cpuOf(r *record.Run) (cpu CPU, ok bool) {
	c, n := r.Pressure.CPU, float64(r.Connections.Attempted)
	if n == 0 || c.WorkersNotRead != "" || c.GeneratorS <= 0 || !c.SharesTell() {
		return cpu, false
	}
	more := 1.0
	if all := c.UserS + c.SystemS; c.NotRead == "" && all > c.GeneratorS+c.ServerS {
		more = all / (c.GeneratorS + c.ServerS)
	}
	of := func(s float64) span { return span{s / n, s / n * (1 + more) / 2, s / n * more} }
	cpu = CPU{client: of(c.GeneratorS), server: assumedCPU.server}
	if c.ServerS > 0 {
		cpu.server = of(c.ServerS)
	}
	return cpu, true
}

// Calibrate takes the CPU time of a lifecycle from a run. It reports whether the run tells.
func (in *Input) Calibrate(r *record.Run) bool {
	cpu, ok := cpuOf(r)
	if ok {
		in.CPU = &cpu
	}
	return ok
}

// host is that of a side.
func (in *Input) host(side sockstate.Side) *Host {
	if side == sockstate.Server {
		return &in.Server
	}
	return &in.Client
}

// destinations is the number of those that the client connects to: the targets, or the addresses of the load balancer before them.
func (in *Input) destinations() int {
	if m := in.Middle; m != nil && m.Kind == Balancer {
		return m.Addresses
	}
	return in.Load.Targets
}

// pairs is the number of pairs of the client's addresses and those that it connects to.
func (in *Input) pairs() int64 { return int64(in.Load.Sources) * int64(in.destinations()) }

// place is a host that has sockets of the load. A proxy is a server to the clients and a client to the targets, and has the sockets of both.
type place struct {
	name  string
	host  *Host
	roles []sockstate.Side
}

func (p place) accepts() bool { return slices.Contains(p.roles, sockstate.Server) }

// places are the hosts with sockets of the load.
func (in *Input) places() []place {
	client, server := sockstate.Client, sockstate.Server
	all := []place{{client.String(), &in.Client, []sockstate.Side{client}}, {server.String(), &in.Server, []sockstate.Side{server}}}
	if m := in.Middle; m != nil && m.asClient {
		all = append(all, place{m.Kind, &m.host, []sockstate.Side{server, client}})
	}
	return all
}
