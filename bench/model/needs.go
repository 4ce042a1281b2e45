package model

import (
	"cmp"
	"math"
	"time"

	"lastack/sockstate"
	"lastack/sockstate/exchange"
)

// The units of needs.
const (
	sockets     = "sockets"
	ports       = "ports"
	connections = "connections"
	entries     = "entries"
	bytesUnit   = "bytes"
	cpus        = "cpus"
	share       = "share"
)

// need is a quantity that grows with the rate.
type need struct {
	name, side, unit, formula string
	at                        steady
	after                     transient // nil for what is there at once
	// shown is set for one that is worth a row even if nothing bounds it.
	shown bool
}

type (
	// steady is a quantity in the steady state of a rate. It may be infinite.
	steady func(rate float64) span
	// transient is its upper end t seconds after the load began at that rate.
	transient func(rate, t float64) float64
)

// part is a time in which a connection counts: it begins so long after the connection does, and weighs each.
type part struct {
	begins      float64
	lasts, each span
}

// populate is the population of the parts under the arrivals of the load, see the package's doc.
func (in *Input) populate(parts []part) (at steady, after transient) {
	at = func(rate float64) span {
		var sum span
		variance := 0.0
		for _, p := range parts {
			n := p.lasts.scale(rate)
			sum = sum.plus(n.times(p.each))
			if math.IsInf(n.mean, 1) {
				continue
			}
			random := rate * in.Load.Hold.spread()
			if in.Load.Poisson {
				random = n.mean
			}
			variance += random * p.each.mean * p.each.mean
		}
		return sum.plus(span{-deviations * math.Sqrt(variance), 0, deviations * math.Sqrt(variance)}).atLeast(0)
	}
	after = func(rate, t float64) float64 {
		sum := 0.0
		for _, p := range parts {
			sum += product(rate*min(max(t-p.begins, 0), p.lasts.hi), p.each.hi)
		}
		return sum
	}
	return at, after
}

// deviations of a normal distribution hold 99 % of it.
const deviations = 2.58

func (a span) atLeast(v float64) span { return span{max(a.lo, v), max(a.mean, v), max(a.hi, v)} }

// parts are the stages of a side that which accepts, each with its weight.
func (x *life) parts(side sockstate.Side, each func(*stage) (weight span, counts bool)) (all []part) {
	begins := 0.0
	for i := range x.sides[side] {
		st := &x.sides[side][i]
		if w, ok := each(st); ok {
			all = append(all, part{begins, st.lasts, st.share.times(w)})
		}
		begins += product(st.share.mean, st.lasts.mean)
	}
	return all
}

// collector gathers the needs of a load.
type collector struct {
	*Input
	x life
	// blocked is the share of connects that find no local port, nil if the ports are not known.
	blocked steady
	all     []need
}

// needsOf are all quantities of a load, in the order in which they are shown.
func needsOf(in *Input) []need {
	c := &collector{Input: in, x: lifeOf(in)}
	for side := range sockstate.Side(sockstate.NumSides) {
		for _, s := range []sockstate.State{sockstate.Established, sockstate.FinWait2, sockstate.CloseWait} {
			c.stages(need{name: s.String(), unit: sockets, formula: "states", shown: true}, side, func(st *stage) bool { return st.state == s })
		}
		c.stages(need{name: sockstate.TimeWait.String(), unit: sockets, formula: "time_wait", shown: true}, side, func(st *stage) bool { return st.state == sockstate.TimeWait })
		c.stages(need{name: "orphans", unit: sockets, formula: "orphans"}, side, c.orphan(side))
		c.stages(need{name: "minisockets", unit: sockets, formula: "time_wait"}, side, (*stage).minisocket)
		c.stages(need{name: "descriptors", unit: sockets, formula: "descriptors", shown: true}, side, func(st *stage) bool { return st.held })
		c.memory(side)
	}
	c.localPorts()
	c.middle()
	c.queues()
	c.cpus()
	return c.all
}

// stages adds the population of a side's stages that which accepts, if there are any.
func (c *collector) stages(n need, side sockstate.Side, which func(*stage) bool) {
	n.side = side.String()
	parts := c.x.parts(side, func(st *stage) (span, bool) { return exactly(1), which(st) })
	if len(parts) == 0 {
		return
	}
	if n.at, n.after = c.populate(parts); n.formula == "time_wait" {
		n.at, n.after = c.reused(side, n.at, n.after, n.name == sockstate.TimeWait.String())
	}
	c.all = append(c.all, n)
}

// add adds the population of parts, or a need that tells itself how it grows.
func (c *collector) add(n need, parts ...part) {
	if n.at == nil {
		n.at, n.after = c.populate(parts)
	}
	c.all = append(c.all, n)
}

// reused bounds TIME_WAITs whose ports are used again before they are over: by the client's connect (tcp_tw_reuse), or by a SYN that
// reopens the server's. A NAT chooses its ports otherwise. With displaced, open connections leave fewer ports to be in TIME_WAIT, so that
// there may be fewer of these at a higher rate; without it is what there are at most, which grows with the rate.
func (c *collector) reused(side sockstate.Side, at steady, after transient, displaced bool) (steady, transient) {
	first := float64(c.pairs()) * float64(c.Client.FirstPass)
	behind := c.Middle != nil && c.Middle.PortsEach > 0
	if first == 0 || side == sockstate.Client && !c.Client.Reuse || side == sockstate.Server && (c.x.waits[sockstate.Client].hi > 0 || behind) {
		return at, after
	}
	kept, ports := c.keptPort(), float64(c.pairs())*float64(c.Client.Ports)
	// of is what is left of all, while kept ports are in use.
	of := func(rate, all, kept float64) float64 {
		young := 0.0
		if side == sockstate.Client {
			young = min(rate*c.Client.ReuseDelay.Seconds(), all) // connect does not take these over
		}
		room := first
		if displaced {
			if room -= kept; room <= 0 {
				room = ports - kept // the second pass goes over all others
			}
		}
		return young + replaced(all-young, max(room, 0))
	}
	bound := func(rate float64) span {
		all, k := at(rate), kept.scale(rate)
		return span{min(all.lo, of(rate, all.lo, k.hi)), of(rate, all.mean, k.mean), of(rate, all.hi, k.lo)}
	}
	return bound, func(rate, t float64) float64 {
		all, k := after(rate, t), kept.scale(rate)
		return min(all, of(rate, all, k.lo), bound(rate).hi)
	}
}

// replaced is how many of n things that are left behind on free places are there, if each next one takes any of the places with equal chance,
// and what is on it with it: F(1 - exp(-n/F)) of F places.
func replaced(n, free float64) float64 {
	if free <= 0 || n <= 0 {
		return 0
	}
	return -free * math.Expm1(-n/free)
}

func (st *stage) minisocket() bool { return st.state == sockstate.TimeWait || st.mini }

// orphan tells the full sockets that no process has. One in FIN_WAIT_2 is full for as long as tcp_fin_timeout exceeds a TIME_WAIT.
func (c *collector) orphan(side sockstate.Side) func(*stage) bool {
	full := c.host(side).FinTimeout > sockstate.TimeWaitLength
	return func(st *stage) bool {
		switch st.state {
		case sockstate.FinWait1, sockstate.LastAck, sockstate.Closing:
			return !st.held
		case sockstate.FinWait2:
			return st.mini && full
		}
		return false
	}
}

// churn is how much more than its objects a cache holds whose objects come and go in bursts: 1.11 times as much was measured.
var churn = span{1, 1.1, 1.2}

// memory adds the kernel's memory of a side.
func (c *collector) memory(side sockstate.Side) {
	m := MemoryOf(c.host(side).Kernel, c.host(side).Slabs)
	request := func(st *stage) bool { return st.state == sockstate.SynRecv }
	socket := func(st *stage) bool { return !st.minisocket() && !request(st) }
	of := func(which func(*stage) bool) objects {
		at, after := c.populate(c.x.parts(side, func(st *stage) (span, bool) { return exactly(1), which(st) }))
		return objects{at, after}
	}
	mini := of((*stage).minisocket)
	mini.at, mini.after = c.reused(side, mini.at, mini.after, false)
	sum := need{name: "kernel_memory", side: side.String(), unit: bytesUnit, formula: "slabs", shown: true}
	var all []need
	add := func(o objects, bytes span, caches ...cache) {
		sum.at, sum.after = o.addTo(sum.at, sum.after, bytes)
		for _, k := range caches {
			n := need{name: "slab_" + k.name, side: side.String(), unit: bytesUnit, formula: "slabs"}
			n.at, n.after = o.addTo(nil, nil, bytes.scale(float64(k.bytes)/total(caches)))
			if n.shown = n.at(1).hi > 0; n.shown {
				all = append(all, n)
			}
		}
	}
	add(of(socket), m.bytes(m.Socket), m.socket...)
	add(of(request), m.bytes(m.Request), cache{"request_sock_TCP", m.Request})
	waiting := m.timeWait
	if side == sockstate.Server {
		waiting = waiting[:1] // its port has a bucket already
	}
	add(mini, m.bytes(m.TimeWait[side]).times(churn), waiting...)
	if c.host(side).Conntrack > 0 {
		at, after := c.entries(c.trackedFor(c.host(side)))
		add(objects{at, after}, m.bytes(m.Tracked), cache{"nf_conntrack", m.Tracked})
	}
	c.add(sum)
	c.all = append(c.all, all...)
	if e := c.Load.Exchange; e.Kind != exchange.None {
		c.add(need{name: "socket_buffers", side: side.String(), unit: bytesUnit, formula: "buffers"}, part{0, c.x.busy, exactly(float64(BufferBytes(e)))})
	}
}

// objects are as many of a kind as a load has.
type objects struct {
	at    steady
	after transient
}

// addTo adds their bytes to a sum, which is nil at first.
func (o objects) addTo(at steady, after transient, bytes span) (steady, transient) {
	return func(rate float64) span {
			n := o.at(rate).times(bytes)
			if at != nil {
				n = n.plus(at(rate))
			}
			return n
		}, func(rate, t float64) float64 {
			n := product(o.after(rate, t), bytes.hi)
			if after != nil {
				n += after(rate, t)
			}
			return n
		}
}

func total(caches []cache) (sum float64) {
	for _, k := range caches {
		sum += float64(k.bytes)
	}
	return sum
}

// pageBytes is the least that a socket takes of tcp_mem while a buffer is not empty (__sk_mem_schedule). An idle socket takes nothing,
// even after an exchange.
const pageBytes = 4096

// BufferBytes is the memory of the TCP buffers of one end while an exchange is in progress.
func BufferBytes(e exchange.Spec) int64 {
	return max(int64(max(e.Request, e.Response)+pageBytes-1)/pageBytes, 1) * pageBytes
}

// keptPort is how long a connection keeps its local port, in seconds.
func (c *collector) keptPort() span {
	kept := c.x.total(sockstate.Client, func(st *stage) bool { return st.state != sockstate.TimeWait })
	for i := range c.x.sides[sockstate.Client] {
		st := &c.x.sides[sockstate.Client][i]
		if st.state != sockstate.TimeWait {
			continue
		}
		lasts := st.lasts
		if c.Client.Reuse {
			lasts = lasts.most(c.Client.ReuseDelay.Seconds())
		}
		kept = kept.plus(st.share.times(lasts))
	}
	return kept
}

// lastTimer is how long the timer lasts that gives every connection's local port back: TIME_WAIT's, or that of an orphan in FIN_WAIT_2. It is 0 if
// they come back otherwise.
func (c *collector) lastTimer() sockstate.Span {
	waits := c.x.waits[sockstate.Client]
	if waits.hi > 0 {
		if c.Client.Reuse || waits.lo < 1 {
			return sockstate.Span{}
		}
		return sockstate.TimeWaitLasts(c.Client.HZ)
	}
	for i := range c.x.sides[sockstate.Client] {
		if st := &c.x.sides[sockstate.Client][i]; st.state == sockstate.FinWait2 && st.mini && st.share == exactly(1) {
			return c.orphanLasts(sockstate.Client)
		}
	}
	return sockstate.Span{}
}

// localPorts adds the client's ports, and what happens if there are too few.
func (c *collector) localPorts() {
	kept, pairs, waits := c.keptPort(), float64(c.pairs()), c.x.waits[sockstate.Client].hi > 0
	at, after := c.populate([]part{{0, kept, exactly(1)}})
	if c.Load.Poisson && pairs > 1 {
		// Each pair has its own share of the arrivals, and its own luck.
		of := at
		at = func(rate float64) span { return of(rate / pairs).scale(pairs) }
	}
	c.add(need{name: "local_ports", side: sockstate.Client.String(), unit: ports, formula: "ports_kept", at: at, after: after, shown: true})
	if c.Client.Ports == 0 {
		return
	}
	n := float64(c.Client.Ports)
	blocked := need{name: "blocked", side: sockstate.Client.String(), unit: share, formula: "port_bursts", shown: true}
	lost := func(admitted, rate float64) float64 { return max(0, 1-admitted/rate) }
	switch {
	case c.Load.Poisson:
		blocked.formula = "erlang_b"
		blocked.at = func(rate float64) span {
			each := kept.scale(rate / pairs)
			of := func(a float64) float64 { return erlangB(int64(n), a) }
			return span{of(each.lo), of(each.mean), of(each.hi)}
		}
	case c.lastTimer().Max > 0 && !math.IsInf(kept.mean, 1):
		lasts := c.lastTimer()
		open := kept.mean - spanOf(lasts).mean
		blocked.at = func(rate float64) span {
			a := admitted(n*pairs, rate, open, lasts)
			return span{lost(a.hi, rate), lost(a.mean, rate), lost(a.lo, rate)}
		}
	default:
		blocked.at = func(rate float64) span {
			return span{lost(n*pairs/kept.lo, rate), lost(n*pairs/kept.mean, rate), lost(n*pairs/kept.hi, rate)}
		}
	}
	c.blocked = blocked.at
	c.add(blocked)
	if c.Client.Reuse && waits && c.Client.FirstPass > 0 && c.Client.FirstPass < c.Client.Ports {
		c.add(need{name: "first_pass", side: sockstate.Client.String(), unit: ports, formula: "port_search", at: at})
	}
}

// middle adds what stands between both ends.
func (c *collector) middle() {
	m := c.Middle
	open, closing := c.openFor()
	if m != nil && m.PortsEach > 0 {
		n, kept := need{name: m.Kind + "_ports", side: m.Kind, unit: ports, formula: "nat_ports", shown: true}, open.plus(closing).plus(m.kept(c.x.resets))
		if m.asClient {
			n.formula, kept = "ports_kept", c.keptPort()
		}
		c.add(n, part{0, kept, exactly(1)})
	}
	add := func(side string, h *Host) {
		n := need{name: "tracked", side: side, unit: entries, formula: "conntrack", shown: true}
		n.at, n.after = c.entries(c.trackedFor(h))
		c.add(n)
	}
	if m != nil && (m.Conntrack > 0 || m.connections > 0) {
		add(m.Kind, new(Host)) // whose timeouts are not known
	}
	for side := range sockstate.Side(sockstate.NumSides) {
		if h := c.host(side); h.Conntrack > 0 {
			add(side.String(), h)
		}
	}
}

// openFor is how long a connection is open, and how long it is from its first close to its second.
func (c *collector) openFor() (open, closing span) {
	open = c.x.total(sockstate.Client, func(st *stage) bool { return st.state == sockstate.SynSent || st.state == sockstate.Established })
	closing = c.x.total(sockstate.Client, func(st *stage) bool {
		return st.state == sockstate.FinWait1 || st.state == sockstate.FinWait2 || st.state == sockstate.CloseWait || st.state == sockstate.LastAck
	})
	return open, closing
}

// trackedFor is how long connection tracking of a host has an entry for a connection.
func (c *collector) trackedFor(h *Host) span {
	open, closing := c.openFor()
	lasts := func(d time.Duration, otherwise float64) span { return exactly(cmp.Or(d.Seconds(), otherwise)) }
	tracked, waits := lasts(h.TrackedTimeWait, trackedTimeWait), lasts(h.TrackedCloseWait, trackedCloseWait)
	switch {
	case c.x.resets:
		tracked = lasts(h.TrackedClose, trackedClose)
	case math.IsInf(closing.hi, 1) || c.x.waits[sockstate.Client].hi+c.x.waits[sockstate.Server].hi == 0:
		closing, tracked = span{}, waits
	default:
		closing = closing.most(waits.mean)
	}
	return open.plus(closing).plus(tracked).plus(collectorLate)
}

// entries is the number of tracked connections that are remembered for so long. A connection from a port that is free again takes the place
// of the one before, see the package's doc. A NAT chooses ports whose entries are gone, and if there are none one of a closed connection if it takes
// those over: then there are as many entries as it has ports, at most.
func (c *collector) entries(lasts span) (steady, transient) {
	at, after := c.populate([]part{{0, lasts, exactly(1)}})
	kept, tuples := c.keptPort(), float64(c.pairs())*float64(c.Client.Ports)
	if m := c.Middle; m != nil && m.PortsEach > 0 {
		if !m.takesOver() {
			return at, after
		}
		most := float64(m.Addresses) * float64(m.PortsEach) * float64(c.Load.Targets)
		return func(rate float64) span { return at(rate).most(most) }, func(rate, t float64) float64 { return min(after(rate, t), most) }
	}
	if tuples == 0 {
		return at, after
	}
	bound := func(rate float64) span {
		all := at(rate)
		of := func(all, kept float64) float64 {
			young := min(rate*kept, tuples)
			if all <= young {
				return min(all, tuples)
			}
			return young + replaced(all-young, tuples-young)
		}
		return span{min(all.lo, rate*kept.lo, tuples), of(all.mean, kept.mean), of(all.hi, kept.hi)}
	}
	return bound, func(rate, t float64) float64 { return min(after(rate, t), bound(rate).hi) }
}

// queues adds the server's queues of connections.
func (c *collector) queues() {
	server := sockstate.Server.String()
	pause := c.Load.AcceptPause.Seconds()
	at := func(rate float64) span {
		n := rate * pause
		if c.Load.Poisson {
			return span{0, n, n + deviations*math.Sqrt(n)}
		}
		return span{0, n, n}
	}
	c.add(need{name: "accept_queue", side: server, unit: connections, formula: "accept_queue", at: at, shown: true})
	c.add(need{name: "syn_backlog", side: server, unit: connections, formula: "syn_backlog", shown: true}, part{0, c.Load.RTT.unsure(), exactly(1)})
}

// cpus adds the CPUs that lifecycles keep busy.
func (c *collector) cpus() {
	cost := assumedCPU
	if c.CPU != nil {
		cost = *c.CPU
	}
	each, first := float64(c.Client.Ports), float64(c.Client.FirstPass)
	kept, pairs := c.keptPort(), float64(c.pairs())
	client := func(rate float64) span {
		sum := cost.client.scale(rate)
		if c.blocked == nil || rate*kept.hi <= first*pairs {
			return sum
		}
		lost := c.blocked(rate)
		// of is how many ports in use all connects of a second walk past: all of them if none is free.
		of := func(lost, kept float64) float64 {
			inUse := min(rate*kept/pairs, each)
			return rate * (lost*each + (1-lost)*walked(first, inUse)*first)
		}
		return sum.plus(span{of(lost.lo, kept.lo) * WalkS, of(lost.mean, kept.mean) * usualWalkS, of(lost.hi, kept.hi) * LongWalkS})
	}
	c.add(need{name: "cpu", side: sockstate.Client.String(), unit: cpus, formula: "cpu", at: client, shown: true})
	c.add(need{name: "cpu", side: sockstate.Server.String(), unit: cpus, formula: "cpu", at: cost.server.scale, shown: true})
}
