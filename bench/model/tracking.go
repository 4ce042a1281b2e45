package model

import (
	"cmp"
	"math"
	"time"

	"lastack/sockstate"
)

// The timeouts of a tracked connection in seconds, unless a sysctl says otherwise (tcp_timeouts of nf_conntrack_proto_tcp.c).
const (
	trackedTimeWait  = 120
	trackedCloseWait = 60
	trackedClose     = 10
)

// TrackedS is how long connection tracking remembers a connection after its close by FINs, in seconds.
const TrackedS = trackedTimeWait

// The collector of entries that are over (gc_worker of nf_conntrack_core.c) sleeps between two scans for the mean of what all entries have left, of
// each at most mostLeft, and of scanBias more mostScan. It is at least leastScan and at most mostScan. In seconds.
const (
	scanBias  = 100
	leastScan = 1
	mostScan  = 60
	mostLeft  = 300
)

// tracked is how connection tracking remembers a connection: while it is open, from its first close to its second, and for so long after.
type tracked struct{ open, closing, after span }

// trackedFor is what connection tracking of a host does with the load's connections.
func (c *collector) trackedFor(h *Host) (t tracked) {
	t.open, t.closing = c.openFor()
	lasts := func(d time.Duration, otherwise float64) span { return exactly(cmp.Or(d.Seconds(), otherwise)) }
	t.after = lasts(h.TrackedTimeWait, trackedTimeWait)
	waits := lasts(h.TrackedCloseWait, trackedCloseWait)
	switch {
	case c.x.resets:
		t.after = lasts(h.TrackedClose, trackedClose)
	case math.IsInf(t.closing.hi, 1) || c.x.waits[sockstate.Client].hi+c.x.waits[sockstate.Server].hi == 0:
		t.closing, t.after = span{}, waits
	default:
		t.closing = t.closing.most(waits.mean)
	}
	return t
}

// scan is the time between two scans of the collector at a rate, if no other connections are tracked on the host.
func (t *tracked) scan(rate float64) float64 {
	if math.IsInf(t.open.mean, 1) {
		return mostScan
	}
	open, closed := rate*(t.open.mean+t.closing.mean), rate*t.after.mean
	left := (scanBias*mostScan + open*mostLeft + closed*min(t.after.mean/2, mostLeft)) / (scanBias + open + closed)
	return min(max(left, leastScan), mostScan)
}

// lasts is how long an entry is there at a rate. The collector sees all namespaces, so that others may make it scan sooner or later.
func (t *tracked) lasts(rate float64) span {
	return t.open.plus(t.closing).plus(t.after).plus(span{0, t.scan(rate) / 2, mostScan})
}

// entries is the number of tracked connections. A connection from a port that is free again takes the place of the one before, see the package's
// doc, also behind a NAT. A NAT that takes over the ports of closed connections if it finds no other has as many entries as it has ports, at most.
func (c *collector) entries(h *Host) amount {
	t := c.trackedFor(h)
	of := func(rate float64) amount { return c.populate([]part{{0, t.lasts(rate), exactly(1)}}) }
	most := math.Inf(1)
	m := c.Middle
	if m != nil && m.PortsEach > 0 && m.takesOver() {
		most = float64(m.Addresses) * float64(m.PortsEach) * float64(c.Load.Targets)
	}
	kept, pairs := c.keptPort(&c.Client), float64(c.pairs())
	tuples, first := pairs*float64(c.Client.Ports), pairs*float64(c.Client.FirstPass)
	if m != nil && m.Kind == Balancer {
		tuples = 0 // it has ports of its own, and so have its clients
	}
	// bound is what is left of all, of whose ports connections keep some. Connect chooses among the free ones that it tries first, and only if
	// it finds none there among the others.
	bound := func(all, kept float64) float64 {
		young := min(kept, tuples)
		switch {
		case tuples == 0:
			return all
		case all <= young:
			return min(all, tuples)
		case young < first:
			return young + replaced(all-young, first-young)
		}
		return young + replaced((all-young)*walked(first, young), tuples-young)
	}
	a := of(1)
	a.at = func(rate float64) span {
		all, k := of(rate).at(rate), kept.scale(rate)
		return span{min(all.lo, bound(all.lo, k.lo)), bound(all.mean, k.mean), bound(all.hi, k.hi)}.most(most)
	}
	a.after = func(rate, s float64) float64 {
		all := of(rate).after(rate, s)
		return min(bound(all, min(kept.scale(rate).hi, all)), a.at(rate).hi)
	}
	return a
}
