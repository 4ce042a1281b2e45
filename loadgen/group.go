package loadgen

import (
	"net/netip"
	"sync/atomic"

	"lastack/sockstate"
	"lastack/sockstate/arrivals"
	"lastack/sockstate/exchange"
	"lastack/sockstate/sockio"
	"lastack/sockstate/teardown"
)

// shared is the state that the workers of a group share.
type shared struct {
	// left is how many lifecycles may still start, where the plan has a count.
	left atomic.Int64
	// settled counts the plateau's connections that are open or never will be.
	settled atomic.Int64
	// open counts the lifecycles in flight of an open loop with a cap, held those that stay open.
	open, held atomic.Int64
	// begun is set when a gated group may start.
	begun atomic.Bool
	// closeFrom is when the plateau's end begins, on the clock of clock.Now; 0: not yet.
	closeFrom atomic.Int64
	// wake wakes the other workers.
	wake func()
}

// group is one worker's part of a Group.
type group struct {
	*Group
	GroupResult // of this worker
	index       uint8
	shared      *shared
	course      course

	exchanges    int32
	requester    *exchange.Client
	closer       teardown.Closer
	closesFirst  bool
	leavesUnread bool  // client:unread: the last reply is not read
	leftUnread   bool  // server:unread: the last request is not read
	waitsForPeer bool  // the close has a part of the peer's to wait for
	predictsRST  bool  // the peer's RST is an end as the policy has it
	serverHold   int64 // the part of the close that is the server's hold

	targets, sources       []*sockio.Addr
	nextTarget, nextSource int
	dial                   sockio.Dial
	detour                 *detour // nil: any local port will do
	mayMeetItself          bool    // a connection may be one to itself, which is checked

	share    int // slots in closed loop, cap in open loop (0: none)
	schedule arrivals.Schedule
	chance   *arrivals.Chance // nil: arrivals are paced
	next     float64          // the next arrival of this worker, in arrivals of the schedule
	step     float64
	// cappedAt is the last arrival that was counted as capped.
	cappedAt float64

	// open counts lifecycles in flight, established those of them with a connection.
	open, established, heldOpen int64
	paused                      int64 // slots that rest
	sinceInfo                   int

	before int64 // connections that were open when the load was marked, and are
	closed int   // plateau connections whose close has begun
	// scan is the number of slots left to scan for a connection to close, the last first: io_uring keeps waiting requests in lists,
	// youngest first, and a close searches them for the connection's recv.
	scan   int
	gaveUp bool // what the plateau will never open is settled
}

func newGroup(p *Plan, i int, sh *shared, id, workers int) *group {
	spec := &p.Groups[i]
	who, how := spec.Close.Who, spec.Close.How
	g := &group{
		Group:       spec,
		GroupResult: newGroupResult(spec.Name),
		index:       uint8(i),
		shared:      sh,
		exchanges:   int32(spec.Exchanges()),
		closer:      teardown.Closer{Side: sockstate.Client, Policy: spec.Close, Reaction: spec.OnEOF},

		closesFirst:  spec.Close.Active(sockstate.Client),
		leavesUnread: who == teardown.ClientFirst && how.LeavesUnread(),
		leftUnread:   who == teardown.ServerFirst && how.LeavesUnread(),
		waitsForPeer: who == teardown.ServerFirst || who == teardown.ClientFirst && (how.ReadsEnd() || how.LeavesUnread()),
		predictsRST: who == teardown.ServerFirst && how.Resets() ||
			who == teardown.ClientFirst && how.ReadsEnd() && spec.OnEOF.Kind == teardown.ReactRST,

		step:     float64(workers),
		cappedAt: -1,
	}
	if who == teardown.ServerFirst {
		g.serverHold = int64(spec.Hold)
	}
	if g.exchanges > 0 {
		g.requester = exchange.NewClient(exchange.ClientConfig{
			Spec:       spec.Exchange,
			Host:       spec.host(),
			Headers:    spec.Headers,
			PeerCloses: who == teardown.ServerFirst,
		})
	}
	for _, t := range spec.Targets {
		g.targets = append(g.targets, sockio.NewAddr(t))
	}
	g.nextTarget = id % len(g.targets)
	for _, a := range spec.Sources {
		g.sources = append(g.sources, sockio.NewAddr(netip.AddrPortFrom(a, 0)))
	}
	if len(g.sources) > 0 {
		g.nextSource = id * len(g.sources) / workers
		g.dial.Opts = append(g.dial.Opts, sockio.NewBindNoPort())
	}
	if !spec.SourcePorts.IsZero() {
		g.dial.Opts = append(g.dial.Opts, sockio.NewPortRange(spec.SourcePorts))
	}
	g.share = part(spec.Connections, id, workers)
	if spec.OpenLoop() {
		g.schedule = p.schedule(spec)
		g.next = float64(id)
		idle := false
		if c := spec.Connections; c > 0 && c < workers {
			// The schedule is for those who may have a connection.
			g.step, idle = float64(c), id >= c
		}
		if spec.Poisson {
			g.chance = arrivals.NewChance(spec.Seed, id)
			g.next = g.step * g.chance.Gap()
		}
		if idle {
			g.endSchedule()
		}
	}
	return g
}

// scheduled reports whether an arrival is left.
func (g *group) scheduled() bool { return g.next < float64(g.schedule.Total()) }

// endSchedule leaves out the arrivals that are left.
func (g *group) endSchedule() { g.next = max(g.next, float64(g.schedule.Total())) }

// part is worker id's share of n.
func part(n, id, workers int) int {
	k := n / workers
	if id < n%workers {
		k++
	}
	return k
}

// schedule is that of an open loop, warm-up included. The rate of a plateau opens its connections and then stops by itself.
func (p *Plan) schedule(g *Group) arrivals.Schedule {
	l := arrivals.Load{From: g.RateFrom, To: g.RateTo, Warmup: p.Warmup, Ramp: p.Ramp, Duration: p.Duration, Count: p.Count, Phase: g.Phase}
	if g.Plateau > 0 {
		l = arrivals.Load{From: g.RateFrom, To: g.RateTo, Count: int64(g.Connections), Phase: g.Phase}
	}
	return l.Schedule()
}

// nextAddrs puts the next pair of addresses into the dial: all targets from a
// source, then the next source, so that every pair comes up.
func (g *group) nextAddrs() {
	g.dial.Remote = g.targets[g.nextTarget]
	if g.detour != nil {
		g.dial.Opts = g.detour.next()
	}
	if len(g.sources) > 0 {
		g.dial.Local = g.sources[g.nextSource]
	}
	if g.nextTarget++; g.nextTarget == len(g.targets) {
		g.nextTarget = 0
		if g.nextSource++; g.nextSource >= len(g.sources) {
			g.nextSource = 0
		}
	}
}

// attempted is the number of lifecycles started, warm-up included.
func (g *group) attempted() int64 { return g.Ledger.Attempted + g.Warmup.Attempted }

// claim takes one lifecycle from Plan.Count.
func (g *group) claim(p *Plan, measured bool) bool {
	if p.Count == 0 || !measured {
		return true
	}
	return g.shared.left.Add(-1) >= 0
}

// enter counts a connection against an open loop's cap, which all workers share, and reports whether there was room.
func (g *group) enter() bool {
	if !g.hasCap() {
		return true
	}
	if g.shared.open.Add(1) > int64(g.Connections) {
		g.shared.open.Add(-1)
		return false
	}
	return true
}

// leave is the reverse of enter.
func (g *group) leave() {
	if g.hasCap() {
		g.shared.open.Add(-1)
	}
}

// full reports whether there will never be room again: all open connections are held.
func (g *group) full() bool {
	if g.hasCap() {
		return g.shared.held.Load() >= int64(g.Connections)
	}
	return g.heldOpen > 0 && g.heldOpen == g.open
}

func (g *group) hasCap() bool { return g.OpenLoop() && g.Connections > 0 && g.Plateau == 0 }
