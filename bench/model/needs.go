package model

import (
	"math"
	"slices"

	"lastack/bench/record"
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
	perS        = "rate"
)

// need is a quantity that grows with the rate.
type need struct {
	name, side, unit, formula string
	amount
	// shown is set for one that is worth a row even if nothing bounds it.
	shown bool
}

// amount is how much of something there is.
type amount struct {
	at    steady
	after transient // nil for what is there at once
	// grows is what one without an end grows by with each connection, in its unit.
	grows span
}

type (
	// steady is a quantity in the steady state of a rate. It may be infinite.
	steady func(rate float64) span
	// transient is its upper end t seconds after the load began at that rate.
	transient func(rate, t float64) float64
)

// estimate is the need at a rate for a record: what it grows by a second if it has no end.
func (n *need) estimate(rate float64) record.Estimate {
	now := n.at(rate)
	if !math.IsInf(now.mean, 1) {
		return now.estimate()
	}
	e := n.grows.scale(rate).estimate()
	e.Endless = true
	return e
}

// part is a time in which a connection counts: it begins so long after the connection does, and weighs each.
type part struct {
	begins      float64
	lasts, each span
}

// populate is the population of the parts under the arrivals of the load, see the package's doc.
func (in *Input) populate(parts []part) (a amount) {
	a.at = func(rate float64) span {
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
	a.after = func(rate, t float64) float64 {
		sum := 0.0
		for _, p := range parts {
			sum += product(rate*min(max(t-p.begins, 0), p.lasts.hi), p.each.hi)
		}
		return sum
	}
	for _, p := range parts {
		if math.IsInf(p.lasts.mean, 1) {
			a.grows = a.grows.plus(p.each)
		}
	}
	return a
}

// plus adds two amounts. One that is not there yet is nothing.
func (a amount) plus(b amount) amount {
	if a.at == nil {
		return b
	}
	return amount{
		at:    func(rate float64) span { return a.at(rate).plus(b.at(rate)) },
		after: func(rate, t float64) float64 { return a.after(rate, t) + b.after(rate, t) },
		grows: a.grows.plus(b.grows),
	}
}

// times is an amount of which each weighs so much.
func (a amount) times(each span) amount {
	return amount{
		at:    func(rate float64) span { return a.at(rate).times(each) },
		after: func(rate, t float64) float64 { return product(a.after(rate, t), each.hi) },
		grows: a.grows.times(each),
	}
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
	for _, p := range c.places() {
		for _, s := range []sockstate.State{sockstate.Established, sockstate.FinWait2, sockstate.CloseWait} {
			c.stages(need{name: s.String(), unit: sockets, formula: "states", shown: true}, p, func(st *stage) bool { return st.state == s })
		}
		c.stages(need{name: sockstate.TimeWait.String(), unit: sockets, formula: "time_wait", shown: true}, p, func(st *stage) bool { return st.state == sockstate.TimeWait })
		c.stages(need{name: "orphans", unit: sockets, formula: "orphans"}, p, orphan(p.host))
		c.stages(need{name: "minisockets", unit: sockets, formula: "time_wait"}, p, (*stage).minisocket)
		c.stages(need{name: "descriptors", unit: sockets, formula: "descriptors", shown: true}, p, func(st *stage) bool { return st.held })
		c.memory(p)
	}
	c.localPorts()
	c.middle()
	c.queues()
	c.cpus()
	return c.all
}

// stages adds the population of a host's stages that which accepts, if there are any.
func (c *collector) stages(n need, p place, which func(*stage) bool) {
	n.side = p.name
	for _, role := range p.roles {
		parts := c.x.parts(role, func(st *stage) (span, bool) { return exactly(1), which(st) })
		if len(parts) == 0 {
			continue
		}
		a := c.populate(parts)
		if n.formula == "time_wait" {
			a.at, a.after = c.reused(p, role, a.at, a.after, n.name == sockstate.TimeWait.String())
		}
		n.amount = n.plus(a)
	}
	if n.at != nil {
		c.all = append(c.all, n)
	}
}

// add adds the population of parts, or a need that tells itself how it grows.
func (c *collector) add(n need, parts ...part) {
	if n.at == nil {
		n.amount = c.populate(parts)
	}
	c.all = append(c.all, n)
}

// reused bounds TIME_WAITs whose ports are used again before they are over: by the client's connect (tcp_tw_reuse), or by a SYN that
// reopens the server's. A NAT chooses its ports otherwise. With displaced, open connections leave fewer ports to be in TIME_WAIT, so that
// there may be fewer of these at a higher rate; without it is what there are at most, which grows with the rate.
func (c *collector) reused(p place, side sockstate.Side, at steady, after transient, displaced bool) (steady, transient) {
	client, pairs := &c.Client, float64(c.pairs())
	if p.name == Balancer && side == sockstate.Client {
		client, pairs = p.host, float64(c.Middle.Addresses)*float64(c.Load.Targets)
	}
	first := pairs * float64(client.FirstPass)
	behind := p.name == sockstate.Server.String() && c.Middle != nil && c.Middle.PortsEach > 0
	if first == 0 || side == sockstate.Client && !client.Reuse || side == sockstate.Server && (c.x.waits[sockstate.Client].hi > 0 || behind) {
		return at, after
	}
	kept, ports := c.keptPort(client), pairs*float64(client.Ports)
	// of is what is left of all, while kept ports are in use.
	of := func(rate, all, kept float64) float64 {
		young := 0.0
		if side == sockstate.Client {
			young = min(rate*client.ReuseDelay.Seconds(), all) // connect does not take these over
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
func orphan(h *Host) func(*stage) bool {
	full := h.FinTimeout > sockstate.TimeWaitLength
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

// memory adds the kernel's memory of a host.
func (c *collector) memory(p place) {
	m := MemoryOf(p.host.Kernel, p.host.Slabs)
	request := func(st *stage) bool { return st.state == sockstate.SynRecv }
	socket := func(st *stage) bool { return !st.minisocket() && !request(st) }
	sum := need{name: "kernel_memory", side: p.name, unit: bytesUnit, formula: "slabs", shown: true}
	var slabs []need
	add := func(o amount, bytes span, caches ...cache) {
		sum.amount = sum.plus(o.times(bytes))
		for _, k := range caches {
			part := o.times(bytes.scale(float64(k.bytes) / total(caches)))
			if part.at(1).hi == 0 {
				continue
			}
			name := "slab_" + k.name
			i := slices.IndexFunc(slabs, func(n need) bool { return n.name == name })
			if i < 0 {
				slabs = append(slabs, need{name: name, side: p.name, unit: bytesUnit, formula: "slabs", shown: true, amount: part})
			} else {
				slabs[i].amount = slabs[i].plus(part)
			}
		}
	}
	for _, role := range p.roles {
		of := func(which func(*stage) bool) amount {
			return c.populate(c.x.parts(role, func(st *stage) (span, bool) { return exactly(1), which(st) }))
		}
		mini := of((*stage).minisocket)
		mini.at, mini.after = c.reused(p, role, mini.at, mini.after, false)
		add(of(socket), m.bytes(m.Socket), m.socket...)
		add(of(request), m.bytes(m.Request), cache{"request_sock_TCP", m.Request})
		waiting := m.timeWait
		if role == sockstate.Server {
			waiting = waiting[:1] // its port has a bucket already
		}
		add(mini, m.bytes(m.TimeWait[role]).times(churn), waiting...)
	}
	if p.host.Conntrack > 0 {
		add(c.entries(p.host), m.bytes(m.Tracked), cache{"nf_conntrack", m.Tracked})
	}
	c.add(sum)
	c.all = append(c.all, slabs...)
	if e := c.Load.Exchange; e.Kind != exchange.None {
		each := float64(len(p.roles)) * float64(BufferBytes(e))
		c.add(need{name: "socket_buffers", side: p.name, unit: bytesUnit, formula: "buffers"}, part{0, c.x.busy, exactly(each)})
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

// keptPort is how long a connection keeps its local port of a client's host, in seconds.
func (c *collector) keptPort(h *Host) span {
	kept := c.x.total(sockstate.Client, func(st *stage) bool { return st.state != sockstate.TimeWait })
	for i := range c.x.sides[sockstate.Client] {
		st := &c.x.sides[sockstate.Client][i]
		if st.state != sockstate.TimeWait {
			continue
		}
		lasts := st.lasts
		if h.Reuse {
			lasts = lasts.most(h.ReuseDelay.Seconds())
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
	kept, pairs, waits := c.keptPort(&c.Client), float64(c.pairs()), c.x.waits[sockstate.Client].hi > 0
	inUse := c.populate([]part{{0, kept, exactly(1)}})
	if hold := c.Load.Hold; hold.spread() > 0 && !math.IsInf(kept.hi, 1) {
		// Connections that are held for a short time are over before the mean is.
		rest := kept.hi - hold.Mean.Seconds()
		inUse.after = func(rate, t float64) float64 { return rate * (t - hold.over(t-rest)) }
	}
	if c.Load.Poisson && pairs > 1 {
		// Each pair has its own share of the arrivals, and its own luck.
		of := inUse.at
		inUse.at = func(rate float64) span { return of(rate / pairs).scale(pairs) }
	}
	c.add(need{name: "local_ports", side: sockstate.Client.String(), unit: ports, formula: "ports_kept", amount: inUse, shown: true})
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
	c.add(need{name: "carried", side: sockstate.Client.String(), unit: perS, formula: blocked.formula, shown: true, amount: amount{at: func(rate float64) span {
		b := blocked.at(rate)
		return span{rate * (1 - b.hi), rate * (1 - b.mean), rate * (1 - b.lo)}
	}}})
	if c.Client.Reuse && waits && c.Client.FirstPass > 0 && c.Client.FirstPass < c.Client.Ports {
		c.add(need{name: "first_pass", side: sockstate.Client.String(), unit: ports, formula: "port_search", amount: amount{at: inUse.at}})
	}
}

// middle adds what stands between both ends.
func (c *collector) middle() {
	m := c.Middle
	open, closing := c.openFor()
	if m != nil && m.PortsEach > 0 {
		n, kept := need{name: m.Kind + "_ports", side: m.Kind, unit: ports, formula: "nat_ports", shown: true}, open.plus(closing).plus(m.kept(c.x.resets))
		if m.asClient {
			n.formula, kept = "ports_kept", c.keptPort(&m.host)
		}
		c.add(n, part{0, kept, exactly(1)})
	}
	if m != nil && m.Kind == Balancer && !m.asClient {
		c.add(need{name: "flows", side: m.Kind, unit: connections, formula: "states", shown: true}, part{0, open.plus(closing), exactly(1)})
	}
	add := func(side string, h *Host) {
		n := need{name: "tracked", side: side, unit: entries, formula: "conntrack", shown: true, amount: c.entries(h)}
		if m != nil && side == m.Kind && m.asClient {
			n.amount = n.times(exactly(2)) // of both connections of the proxy
		}
		c.add(n)
	}
	if m != nil && (m.Conntrack > 0 || m.connections > 0) {
		add(m.Kind, &m.Router)
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

// queues adds the queues of connections of those that accept: the server's, and a proxy's.
func (c *collector) queues() {
	pause := c.Load.AcceptPause.Seconds()
	at := func(rate float64) span {
		n := rate * pause
		if c.Load.Poisson {
			return span{0, n, n + deviations*math.Sqrt(n)}
		}
		return span{0, n, n}
	}
	for _, p := range c.places() {
		if p.accepts() {
			c.add(need{name: "accept_queue", side: p.name, unit: connections, formula: "accept_queue", amount: amount{at: at}, shown: true})
			c.add(need{name: "syn_backlog", side: p.name, unit: connections, formula: "syn_backlog", shown: true}, part{0, c.Load.RTT.unsure(), exactly(1)})
		}
	}
}

// cpus adds the CPUs that lifecycles keep busy.
func (c *collector) cpus() {
	cost := assumedCPU
	if c.CPU != nil {
		cost = *c.CPU
	}
	each, first := float64(c.Client.Ports), float64(c.Client.FirstPass)
	kept, pairs := c.keptPort(&c.Client), float64(c.pairs())
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
	c.add(need{name: "cpu", side: sockstate.Client.String(), unit: cpus, formula: "cpu", amount: amount{at: client}, shown: true})
	c.add(need{name: "cpu", side: sockstate.Server.String(), unit: cpus, formula: "cpu", amount: amount{at: cost.server.scale}, shown: true})
	if m := c.Middle; m != nil && m.asClient {
		c.add(need{name: "cpu", side: m.Kind, unit: cpus, formula: "cpu", amount: amount{at: cost.client.plus(cost.server).scale}, shown: true})
	}
}
