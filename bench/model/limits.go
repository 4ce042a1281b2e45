package model

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"lastack/bench/record"
	"lastack/sockstate"
)

// limit is what bounds a need.
type limit struct {
	name, source string
	need         *need
	max          float64
}

// limitsOf are the limits of a load that are known.
func limitsOf(in *Input, needs []need) []limit {
	var all []limit
	of := func(name, side, needed string, most float64, source string) {
		i := slices.IndexFunc(needs, func(n need) bool { return n.name == needed && n.side == side })
		if i >= 0 && most > 0 {
			all = append(all, limit{name: name, source: source, need: &needs[i], max: most})
		}
	}
	client := sockstate.Client.String()
	pairs := float64(in.pairs())
	of(record.LimitPorts, client, "local_ports", pairs*float64(in.Client.Ports), "net.ipv4.ip_local_port_range"+each(in.pairs(), in.Client.Ports, "pair", "pairs"))
	of(record.LimitPortSearch, client, "first_pass", pairs*float64(in.Client.FirstPass), "the ports of one parity of ip_local_port_range")
	if m := in.Middle; m != nil {
		of(m.Kind+"_ports", m.Kind, m.Kind+"_ports", float64(m.Addresses)*float64(m.PortsEach)*float64(in.Load.Targets),
			m.Name+each(int64(m.Addresses), int(m.PortsEach), "address", "addresses"))
		of(record.LimitConntrack, m.Kind, "tracked", float64(m.Conntrack)*float64(m.Gateways), "nf_conntrack_max of the "+KindWords(m.Kind)+m.ofGateways())
		of(record.LimitMiddleConnections, m.Kind, "tracked", float64(m.connections)*float64(m.Gateways), m.Name+", of all connections of a gateway"+m.ofGateways())
	}
	for _, p := range in.places() {
		h, s := p.host, p.name
		of(record.LimitFds, s, "descriptors", float64(h.NoFile), "RLIMIT_NOFILE of one process")
		of(record.LimitFiles, s, "descriptors", float64(h.Files), "fs.file-max")
		of(record.LimitTWBuckets, s, "minisockets", float64(h.Buckets), "net.ipv4.tcp_max_tw_buckets")
		of(record.LimitOrphans, s, "orphans", float64(h.Orphans), "net.ipv4.tcp_max_orphans")
		of(record.LimitMemory, s, "kernel_memory", float64(h.MemoryBytes), "available memory")
		of(record.LimitTCPMemory, s, "socket_buffers", float64(h.BufferBytes), "net.ipv4.tcp_mem")
		of(record.LimitConntrack, s, "tracked", float64(h.Conntrack), "net.netfilter.nf_conntrack_max")
		of(record.LimitCPU, s, "cpu", h.CPUs, "CPUs of one host")
		if h.Backlog > 0 {
			of(record.LimitAcceptQueue, s, "accept_queue", float64(h.Backlog+1), "net.core.somaxconn")
		}
		of(record.LimitSYNDrops, s, "syn_backlog", float64(h.SYNBacklog), "the backlog of the listener")
	}
	return all
}

// KindWords is what a kind of middle is called in a sentence.
func KindWords(kind string) string {
	return map[string]string{NAT: "NAT", Balancer: "load balancer", Conntrack: "firewall"}[kind]
}

func each(n int64, of int, one, many string) string {
	if n == 1 {
		return fmt.Sprintf(": %d for the 1 %s", of, one)
	}
	return fmt.Sprintf(": %d for each of %d %s", of, n, many)
}

// MostRate is the fastest rate that is looked at, a second. A limit that is reached at most at that rate may never be.
const MostRate = 1e9

// rateAt is the rate at which a quantity that grows with it reaches most: 0 if each rate does, +Inf if none.
func rateAt(most float64, of func(rate float64) float64) float64 {
	lo, hi := 1e-6, MostRate
	switch {
	case of(lo) >= most:
		return 0
	case of(hi) < most:
		return math.Inf(1)
	}
	for range 200 {
		mid := math.Sqrt(lo * hi)
		if mid <= lo || mid >= hi {
			break
		}
		if of(mid) < most {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// reached is the rate at which the limit is reached: from where the need's upper end does to where its lower end does.
func (l *limit) reached() span {
	return span{
		rateAt(l.max, func(r float64) float64 { return l.need.at(r).hi }),
		rateAt(l.max, func(r float64) float64 { return l.need.at(r).mean }),
		rateAt(l.max, func(r float64) float64 { return l.need.at(r).lo }),
	}
}

// fullAfter is how long a rate must go on until the limit is reached, in seconds. It is not ok if it never is.
func (l *limit) fullAfter(rate float64, poisson bool) (t span, ok bool) {
	if l.need.after == nil || l.need.at(rate).hi < l.max {
		return span{}, false
	}
	const forever = 1e9
	at := func(most float64) float64 {
		return rateAt(most, func(t float64) float64 { return l.need.after(rate, t) })
	}
	mid := at(l.max)
	if mid > forever {
		return span{}, false // only by chance
	}
	d, late := 0.0, mid
	if poisson {
		d = deviations * math.Sqrt(mid/rate) // of the time of the n-th arrival: sqrt(n)/rate
	}
	// Some may have come back before, together.
	if now := l.need.at(rate); !math.IsInf(now.hi, 1) {
		seconds := func(n float64) time.Duration { return time.Duration(n / rate * 1e9) }
		if o := RunsOut(l.max, rate, sockstate.Span{Min: seconds(now.lo), Max: seconds(now.hi)}, mid); o != nil {
			late = o.LatestS
		}
	}
	return span{max(0, mid-d), mid, late + d}, true
}

// judged are the limits, in the order in which a growing rate reaches them.
func judged(in *Input, limits []limit) []record.CapacityLimit {
	type ranked struct {
		record.CapacityLimit
		rate, full float64
	}
	var all []ranked
	to := in.Load.RateTo
	for i := range limits {
		l := &limits[i]
		peak, at := l.need.at(to), l.reached()
		row := ranked{
			CapacityLimit: record.CapacityLimit{
				Name: l.name, Side: l.need.side, Need: l.need.name, Unit: l.need.unit, Max: l.max, Source: l.source, Peak: l.need.estimate(to),
			},
			rate: at.mean, full: math.Inf(1),
		}
		if !row.Peak.Endless {
			row.Use = peak.hi / l.max
		}
		if !math.IsInf(at.mean, 1) {
			at.hi = min(at.hi, MostRate)
			e := at.estimate()
			row.Reached = &e
			if from, over := in.Load.RateFrom, in.Load.Over.Seconds(); over > 0 && at.mean <= to {
				when := 0.0
				if at.mean > from {
					when = over * (at.mean - from) / (to - from)
				}
				row.WhenS = &when
			}
		}
		if t, ok := l.fullAfter(to, in.Load.Poisson); ok {
			e := t.estimate()
			row.FullAfterS, row.full = &e, t.mean
		}
		all = append(all, row)
	}
	slices.SortStableFunc(all, func(a, b ranked) int {
		return cmp.Or(cmp.Compare(a.rate, b.rate), cmp.Compare(a.full, b.full), cmp.Compare(a.Name, b.Name))
	})
	out := make([]record.CapacityLimit, len(all))
	for i := range all {
		out[i] = all[i].CapacityLimit
	}
	return out
}
