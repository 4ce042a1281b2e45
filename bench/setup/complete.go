package setup

import (
	"cmp"
	"math"
	"net/netip"
	"time"

	"lastack/loadgen"
	"lastack/server"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

const (
	// DefaultConnections is the number of slots of a closed loop.
	DefaultConnections = 64
	// DefaultDuration is the duration of a load without a count or a plateau.
	DefaultDuration = 10 * time.Second

	defaultInterval = time.Second
	// ratePerWorker is the rate that one worker can sustain. Fewer workers sleep less often, so each is awake sooner: at
	// 10,000/s on two CPUs, one worker has half the lag of two (p99 over nine pairs of runs: medians 650 us and 1.28 ms).
	ratePerWorker = 12_000
)

// checkGiven refuses flags that do not apply to the run.
func (r *resolver) checkGiven() error {
	s := r.spec
	for i := range s.Plan.Groups {
		if g := &s.Plan.Groups[i]; s.given("on-eof") {
			if err := CheckReaction(g.Close, g.OnEOF); err != nil {
				return err
			}
		}
	}
	if s.Server != nil {
		if s.ServerPID != 0 {
			return sockstate.BadValue("server-pid", s.ServerPID, "needs a TARGET; the embedded server is in this process")
		}
		return nil
	}
	name := ""
	if len(s.Names) > 0 {
		name = s.Names[0]
	}
	for _, flag := range sandboxFlags {
		if s.given(flag) {
			return sockstate.BadValue(flag, "", "a sandbox contains both ends, so there can be no TARGET: leave out %s, or the flag", name)
		}
	}
	for _, flag := range []string{"backlog", "listeners", "delay", "ipv6"} {
		if s.given(flag) {
			return sockstate.BadValue(flag, "", "applies to the embedded server, and a run with a TARGET (%s) has none: leave it out", name)
		}
	}
	for i := range s.Plan.Groups {
		switch g := &s.Plan.Groups[i]; {
		case s.given("on-eof") && g.Close.Who == teardown.ClientFirst:
			return sockstate.BadValue("on-eof", g.OnEOF, "with --close %s the server reacts, and lastack does not control a TARGET: want --close server:*, or no TARGET", g.Close)
		case g.Hold > 0 && g.Close.Who == teardown.ServerFirst:
			return sockstate.BadValue("hold", g.Hold, "applies to the side that closes first, which with --close %s is the target: want --close client:*", g.Close)
		}
	}
	return nil
}

// CheckReaction refuses a reaction that was asked for if no side reads EOF first.
func CheckReaction(p teardown.Policy, r teardown.Reaction) error {
	if p.Who == teardown.BothAtOnce || p.Who == teardown.Nobody {
		return sockstate.BadValue("on-eof", r, "with --close %s no side reads EOF and reacts: want --close client:* or server:*", p)
	}
	return nil
}

// complete fills in the plan's defaults.
func (r *resolver) complete() error {
	p, plateau := &r.Plan, false
	if i := r.Interval; i != 0 && (i < 10*time.Millisecond || i > time.Hour) {
		return sockstate.BadValue("interval", i, "want 10ms to 1h")
	}
	r.Interval = cmp.Or(r.Interval, defaultInterval)
	if len(p.Groups) == 0 {
		return p.Validate()
	}
	for i := range p.Groups {
		g := &p.Groups[i]
		if g.Connections == 0 && !g.OpenLoop() {
			g.Connections = DefaultConnections
		}
		switch {
		case g.Plateau > 0 && p.Duration > 0:
			return sockstate.BadValue("duration", p.Duration, "not with --plateau, which ends when all connections are closed")
		case g.Plateau > 0 && p.Count > 0:
			return sockstate.BadValue("count", p.Count, "not with --plateau, which opens --connections once")
		case g.Close.Who == teardown.Nobody && !g.OpenLoop() && p.Count > int64(g.Connections):
			return sockstate.BadValue("count", p.Count, "with --close never no slot becomes free for another connection: want at most --connections, %d", g.Connections)
		}
		plateau = plateau || g.Plateau > 0
	}
	if p.Duration == 0 && p.Count == 0 && !plateau {
		p.Duration = DefaultDuration
	}
	if p.Workers == 0 {
		p.Workers = r.workers()
	}
	return nil
}

// cpuWorkers is how many threads can run at once.
func (r *resolver) cpuWorkers() int { return max(int(math.Ceil(r.facts.Host.UsableCPUs())), 1) }

// workers chooses the number of the load's workers.
func (r *resolver) workers() int {
	n := r.cpuWorkers()
	rate, connections := 0.0, 0
	for i := range r.Plan.Groups {
		g := &r.Plan.Groups[i]
		if rate += max(g.RateFrom, g.RateTo); !g.OpenLoop() {
			rate = math.Inf(1)
		}
		if connections += g.Connections; g.Connections == 0 {
			connections = math.MaxInt32
		}
	}
	if float64(n) > rate/ratePerWorker {
		n = min(n, int(rate/ratePerWorker)+1)
	}
	return max(min(n, connections), 1)
}

// embed makes the embedded server, as the first group needs it.
func (r *resolver) embed() error {
	s := r.spec.Server
	if s == nil {
		return nil
	}
	workers := s.Workers
	if workers == 0 {
		workers = r.cpuWorkers()
		if r.spec.Plan.Workers > 0 {
			workers = r.spec.Plan.Workers
		}
	}
	g := &r.Plan.Groups[0]
	r.V6 = s.V6
	r.Server = &server.Config{
		Listeners: cmp.Or(s.Listeners, workers), Backlog: cmp.Or(s.Backlog, server.DefaultBacklog), Workers: workers,
		Close: g.Close, OnEOF: g.OnEOF, Exchange: g.Exchange, Requests: g.Requests, Hold: g.Hold, Delay: s.Delay,
	}
	return nil
}

// validate checks the plan and the server, each on its own.
func (r *resolver) validate() error {
	if r.Server == nil {
		return r.Plan.Validate()
	}
	s := *r.Server
	s.Addrs = []netip.AddrPort{anyLoopback(r.V6)}
	if err := s.Validate(); err != nil {
		return err
	}
	p := r.Plan
	p.Groups = append([]loadgen.Group(nil), p.Groups...)
	for i := range p.Groups {
		p.Groups[i].Targets = s.Addrs
	}
	return p.Validate()
}

// anyLoopback stands for the embedded server's address, which is not known yet.
func anyLoopback(v6 bool) netip.AddrPort {
	if v6 {
		return netip.AddrPortFrom(netip.IPv6Loopback(), 1)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 1)
}
