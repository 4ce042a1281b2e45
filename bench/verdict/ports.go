package verdict

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

// ports: every local port of a pair was taken.
func (j *judgement) ports() bool {
	r := j.r
	n := r.Outcomes[sockstate.OutcomeNoLocalPort.String()]
	if n == 0 {
		return false
	}
	p := r.Pressure.Ports
	pairs := max(p.Pairs, len(r.Pressure.Pairs), 1)
	where := "the 1 source and destination pair"
	if pairs > 1 {
		where = fmt.Sprintf("each of %s source and destination pairs", quantity.Count(int64(pairs)))
	}
	j.limit(record.LimitPorts, false, "%s of %s attempts found no free local port (EADDRNOTAVAIL): %s ports for %s, %s in use at the fullest",
		quantity.Count(n), quantity.Count(r.Connections.Attempted), quantity.Count(int64(p.Available)), where, quantity.Count(int64(p.PeakInUse)))
	// The census leaves out what was there before the load (sockstate.Filter.Since), and connect does not.
	if rest := p.Available - p.PeakInUse; rest*100 > p.Available && p.PeakInUse > 0 {
		j.because("no sample saw the other %s in use by this load: sockets that are not of it may have them, such as TIME_WAITs of an earlier load on this target, which last for %v (ss -tan state time-wait lists them)",
			quantity.Count(int64(rest)), j.timeWait())
	}
	if j.clientWaits() {
		j.portsOfTimeWait(pairs)
	} else {
		j.portsOfOpen(pairs)
	}
	return true
}

const (
	// mostPorts is what ip_local_port_range="1024 65535" gives; widenBelow is where that is worth advising.
	mostPorts  = 64512
	widenBelow = 64000
)

// reserveListeners is for a range in which servers of this host listen: connect takes no port that one is bound to, and one that
// starts later may find its port taken.
const reserveListeners = "ip_local_reserved_ports keeps those that servers listen on"

// portsOfTimeWait: it was the client's own closed connections that held the ports.
func (j *judgement) portsOfTimeWait(pairs int) {
	available := j.r.Pressure.Ports.Available
	ports := int64(available) * int64(pairs)
	rate := j.asked()
	against := "it opened up to"
	if j.openLoop() {
		against = "it was asked for"
	}
	lasts, keeps := j.timeWait().Mean(), fmt.Sprintf("%v", j.timeWait())
	switch {
	case j.reuses():
		lasts = j.reuseDelay()
		keeps = quantity.Seconds(lasts.Seconds()) + ", after which connect may take it over (tcp_tw_reuse_delay)"
	case j.asksReuse():
		j.because("tcp_tw_reuse=%s takes over no port here: it needs TCP timestamps, and they are off (tcp_timestamps=0)", j.sysctl(reuseKey))
		j.advise("timestamps: net.ipv4.tcp_timestamps=1, without which tcp_tw_reuse does nothing")
	}
	each := lasts.Seconds() + j.holdS()
	what := ""
	if open := j.holdS(); open > 0 {
		what = fmt.Sprintf(", and is open for %s before", quantity.Seconds(open))
	}
	j.because("the client closes first, so each connection keeps its port in TIME_WAIT for %s%s: %s ports / %s = %s connections/s sustained; %s %s/s",
		keeps, what, quantity.Count(ports), quantity.Seconds(each), quantity.PerSecond(float64(ports)/each), against, quantity.PerSecond(rate))
	j.portAdvice(rate, each, pairs)
}

// portAdvice is what bears so many connections a second, each of which keeps its port for each seconds, most in TIME_WAIT.
func (j *judgement) portAdvice(rate, each float64, pairs int) {
	available := j.r.Pressure.Ports.Available
	ports := int64(available) * int64(pairs)
	if available > 0 {
		// TIME_WAITs end in bursts, so that at times there are as many as if each lasted longest.
		keep := j.portKept()
		if need := int64(math.Ceil(rate * keep.Max.Seconds() / float64(available))); need > int64(pairs) {
			j.advise("more addresses: %s connections/s for %s each need %s pairs of %s ports: --source with %s addresses, or that many targets",
				quantity.PerSecond(rate), atMost(keep), quantity.Count(need), quantity.Count(int64(available)), quantity.Count(need))
		}
	}
	if available < widenBelow {
		j.advise(`more ports: net.ipv4.ip_local_port_range="1024 65535" gives %s for each pair, %s connections/s with as many pairs; `+reserveListeners,
			quantity.Count(mostPorts), quantity.PerSecond(float64(mostPorts*pairs)/each))
	}
	if !j.asksReuse() {
		delay := j.reuseDelay().Seconds()
		j.advise("reuse: net.ipv4.tcp_tw_reuse=1 lets connect take over a TIME_WAIT port after %s (tcp_tw_reuse_delay), up to %s connections/s here; 2, the default, does so on loopback only",
			quantity.Seconds(delay), quantity.PerSecond(float64(ports)/(delay+j.holdS())))
	}
	j.advise("no TIME_WAIT at the client: --close client:rst, or let the server close first (--close server:fin), where TIME_WAIT costs the server no port")
}

// portsOfOpen: the client keeps no TIME_WAIT, so it was open connections that held the ports.
func (j *judgement) portsOfOpen(pairs int) {
	available := j.r.Pressure.Ports.Available
	j.because("no TIME_WAIT stays with the client here, so it was connections still open that held the ports: up to %s at once", quantity.Count(j.r.Connections.PeakOpen))
	j.advise("more addresses: --source with more of them, or more targets: each pair has %s ports of its own", quantity.Count(int64(available)))
	if available < widenBelow {
		j.advise(`more ports: net.ipv4.ip_local_port_range="1024 65535" gives %s for each pair, %s in all; `+reserveListeners, quantity.Count(mostPorts), quantity.Count(mostPorts*int64(pairs)))
	}
	j.advise("fewer connections at once: a smaller --connections or --rate, or a shorter --hold")
}

// parities is how many passes connect makes over the ports of an address: those of one parity, then those of the other
// (__inet_hash_connect).
const parities = 2

// portSearch is what is known of connect's search for a local port. connect tries the ports of one parity first
// (__inet_hash_connect), each in turn from where the last search ended; when none of them is free, or in a TIME_WAIT that
// may be taken over, it has walked past all of them, under a microsecond each, before it tries the first of the other parity.
//
//	first pass   half the ports of the range; all of them with IP_LOCAL_PORT_RANGE (--source-ports, or a target's port among them)
//	bears        pairs x first pass / (tcp_tw_reuse_delay + the time that a connection is open)
type portSearch struct {
	first int
	// beyond is how many ports were in use that a search finds only behind all of the first: at least so many
	// searches walked past them.
	beyond int64
	// bears is the rate at which the ports of the first pass come back, 0 where they do not before TIME_WAIT is over.
	bears float64
}

func (j *judgement) search() portSearch {
	p := j.r.Pressure.Ports
	s := portSearch{first: p.FirstPass}
	if s.first == 0 {
		s.first = p.Available / parities
	}
	if s.first == 0 || s.first >= p.Available {
		return s
	}
	s.beyond = int64(max(p.PeakInUse-s.first, 0))
	if len(j.r.Pressure.Pairs) > 0 {
		s.beyond = 0
		for i := range j.r.Pressure.Pairs {
			s.beyond += int64(max(j.r.Pressure.Pairs[i].PeakInUse-s.first, 0))
		}
	}
	if j.reuses() && j.clientWaits() {
		s.bears = float64(s.first) * float64(max(p.Pairs, 1)) / (j.reuseDelay().Seconds() + j.openS())
	}
	return s
}

// holdS is how long a connection is held open, in seconds: as planned, on the average of the groups' connections.
func (j *judgement) holdS() float64 {
	held, rate := 0.0, 0.0
	for i := range j.r.Plan.Groups {
		g := &j.r.Plan.Groups[i]
		each := 1.0
		switch {
		case j.allScheduled():
			each = g.RateTo
		case len(j.r.Groups) == len(j.r.Plan.Groups):
			each = float64(j.r.Groups[i].Connections.Opened)
		}
		held += each * float64(g.HoldNs) / 1e9
		rate += each
	}
	if rate == 0 {
		return 0
	}
	return held / rate
}

// allScheduled reports whether each group has a rate with which it ends.
func (j *judgement) allScheduled() bool {
	return !slices.ContainsFunc(j.r.Plan.Groups, func(g record.Group) bool { return g.RateTo == 0 })
}

// openS is holdS, and in closed loop what half of the lifecycles took at most. An open loop's begin before their connections.
func (j *judgement) openS() float64 {
	if j.openLoop() {
		return j.holdS()
	}
	return j.holdS() + j.r.Latency["lifecycle"].P50Us/1e6
}

const (
	// nearRate is the share of the rate that the ports bear at which they are what bounds it, if searches went beyond them;
	// fullRate is where they are in any case.
	nearRate, fullRate = 0.9, 0.97
	// walkS is what a walk past one port takes, in seconds, and walking the share of the generator's CPU time from which
	// walks bound it. A walk took 0.1 to 0.25 µs.
	walkS, walking = 100e-9, 0.1
	// slowConnectUs is a connect that takes long for a host or a network nearby.
	slowConnectUs = 1000
)

// searchBinds reports whether the search for a port is what bound a load that did not come as fast as it could.
func (j *judgement) searchBinds() bool {
	s := j.search()
	if s.bears > 0 {
		rate := max(j.r.Rate.OpenedPerS, j.medianRate())
		taken := j.r.Pressure.Ports.PeakInUse*100 >= s.first*99
		return taken && rate >= fullRate*s.bears || s.beyond > 0 && rate >= nearRate*s.bears
	}
	walked := float64(s.beyond) * float64(s.first) * walkS
	if j.r.Pressure.CPU.WorkersNotRead != "" {
		return false // a share of nobody knows what
	}
	return walked > 0 && walked >= walking*j.r.Pressure.CPU.GeneratorS && j.r.Latency["connect"].P99Us >= slowConnectUs
}

// medianRate is the rate at which the half of the intervals opened connections, at least: what others do to the machine in one of
// them is not in it. 0 if there are too few.
func (j *judgement) medianRate() float64 {
	var rates []float64
	from := 0.0
	for i := range j.r.Timeline {
		iv := &j.r.Timeline[i]
		if took := iv.TS - from; iv.Phase != "warmup" && iv.Started > 0 && took > shortestS {
			rates = append(rates, float64(iv.Opened)/took)
		}
		from = iv.TS
	}
	if len(rates) < 3 {
		return 0
	}
	slices.Sort(rates)
	return rates[(len(rates)-1)/2]
}

// portSearch: connect walked past taken ports for most of its time.
func (j *judgement) portSearch() bool {
	if j.openLoop() && j.met() || !j.searchBinds() {
		return false
	}
	// Without reuse each search costs CPU time, and nothing else; with it the rate says enough.
	if s := j.search(); s.bears == 0 && j.idle() >= 1-busy && j.generatorBusiest() < busy {
		return false
	}
	j.v.LimitedBy = record.LimitPortSearch
	j.v.Valid = j.v.Valid && j.shared()
	j.searchReasons()
	j.cpuReason()
	return true
}

// searchReasons says what the search for a port cost and what helps, where it is what bound the load.
func (j *judgement) searchReasons() {
	if !j.searchBinds() {
		return
	}
	s := j.search()
	r := j.r
	p, connect := r.Pressure.Ports, r.Latency["connect"]
	first, pairs := quantity.Count(int64(s.first)), int64(max(p.Pairs, 1))
	each := "the pair"
	if pairs > 1 {
		each = fmt.Sprintf("each of %s pairs", quantity.Count(pairs))
	}
	switch delay := j.reuseDelay(); {
	case s.bears > 0:
		j.because("connect tries one parity of the local ports first (%s of the %s of %s), and a port in TIME_WAIT may be taken over after %s (tcp_tw_reuse_delay): enough for %s connections/s; it opened %s/s",
			first, quantity.Count(int64(p.Available)), each, quantity.Seconds(delay.Seconds()), quantity.PerSecond(s.bears), quantity.PerSecond(r.Rate.OpenedPerS))
	default:
		j.because("connect tries one parity of the local ports first (%s of the %s of %s), and all of these were taken%s",
			first, quantity.Count(int64(p.Available)), each, j.beforeAndAfter(s.first))
	}
	if s.beyond > 0 {
		j.because("at least %s times it walked past all %s before it found one of the other parity; a connect took %s at the median, %s on average, 1 %% more than %s",
			quantity.Count(s.beyond), first, quantity.Micros(connect.P50Us), quantity.Micros(connect.MeanUs), quantity.Micros(connect.P99Us))
	}
	j.searchAdvice(s)
}

// beforeAndAfter is how fast it went until the ports of the first pass were taken, and from then on; empty if that cannot be
// told from the timeline.
func (j *judgement) beforeAndAfter(first int) string {
	until, before, after, ok := j.aroundFirstPass(first)
	if !ok {
		return ""
	}
	return fmt.Sprintf(" after %s: it opened %s/s until then, %s/s from then on", quantity.Seconds(until), quantity.PerSecond(before), quantity.PerSecond(after))
}

// aroundFirstPass is when the ports of the first pass were taken, in seconds from the start, and the connections opened a second
// until then and from then on; all 0, and not ok, if the timeline does not tell.
func (j *judgement) aroundFirstPass(first int) (until, before, after float64, ok bool) {
	var all float64
	var opened, later int64
	from := 0.0
	for i := range j.r.Timeline {
		iv := &j.r.Timeline[i]
		if iv.Phase != "" && iv.Phase != "load" && until == 0 {
			from = iv.TS
			continue
		}
		switch {
		case until == 0:
			opened += iv.Opened
			if iv.PortsInUse*100 >= first*99 {
				until = iv.TS
			}
			all = iv.TS
		case iv.Opened > 0:
			later += iv.Opened
			all = iv.TS
		}
	}
	if until-from < shortestS || all-until < 0.5 {
		return 0, 0, 0, false
	}
	return until, float64(opened) / (until - from), float64(later) / (all - until), true
}

// searchAdvice is what keeps connect from walking.
func (j *judgement) searchAdvice(s portSearch) {
	p := j.r.Pressure.Ports
	j.advise("more addresses: --source with several, or several targets: each pair has %s ports for the first pass", quantity.Count(int64(s.first)))
	j.advise("no TIME_WAIT at the client: --close client:rst, or let the server close first (--close server:fin)")
	if lo, hi, ok := strings.Cut(p.Range, " "); ok {
		j.advise("all ports in one pass: --source-ports %s-%s (IP_LOCAL_PORT_RANGE, Linux 6.3)", lo, hi)
	}
	if p.Available < widenBelow {
		j.advise(`more ports: net.ipv4.ip_local_port_range="1024 65535" gives %s for the first pass; `+reserveListeners, quantity.Count(mostPorts/parities))
	}
	switch {
	case s.bears == 0 && j.asksReuse():
		j.advise("reuse: net.ipv4.tcp_timestamps=1, without which tcp_tw_reuse=%s takes over no port", j.sysctl(reuseKey))
	case s.bears == 0 && j.clientWaits():
		j.advise("reuse: net.ipv4.tcp_tw_reuse=1 lets connect take over a port that has been in TIME_WAIT for %s (tcp_tw_reuse_delay)", quantity.Seconds(j.reuseDelay().Seconds()))
	case s.bears > 0 && j.sysctl(reuseDelayKey) != "":
		j.advise("reuse sooner: a smaller net.ipv4.tcp_tw_reuse_delay (ms)")
	}
}

// clientWaits reports whether the policy leaves TIME_WAIT at the client, where it holds a local port.
func (j *judgement) clientWaits() bool {
	h := j.r.Predicted.TimeWait
	return h != sockstate.Server.String() && h != teardown.HeldByNone.String()
}

const (
	reuseKey      = "net.ipv4.tcp_tw_reuse"
	reuseDelayKey = "net.ipv4.tcp_tw_reuse_delay"
)

// timeWait is how long a TIME_WAIT lasts at the client.
func (j *judgement) timeWait() sockstate.Span {
	if len(j.r.Hosts) == 0 {
		return sockstate.TimeWaitLasts(0)
	}
	return sockstate.TimeWaitLasts(j.r.Hosts[0].HZ)
}

// reuseDelay is tcp_tw_reuse_delay; kernels that have no such sysctl wait up to 1 s.
func (j *judgement) reuseDelay() time.Duration {
	if ms, err := strconv.Atoi(j.sysctl(reuseDelayKey)); err == nil {
		return time.Duration(ms) * time.Millisecond
	}
	return time.Second
}

// sysctl is one of the client's namespace, empty if unknown.
func (j *judgement) sysctl(name string) string {
	if len(j.r.Hosts) == 0 {
		return ""
	}
	return j.r.Hosts[0].Sysctls[name]
}

// reuses reports whether connect may take over ports in TIME_WAIT: tcp_tw_reuse 1, or 2, which is on for loopback, and
// timestamps, by which the peer tells the old connection's segments (tcp_twsk_unique).
func (j *judgement) reuses() bool {
	if j.sysctl("net.ipv4.tcp_timestamps") == "0" {
		return false
	}
	return j.asksReuse()
}

// asksReuse reports whether tcp_tw_reuse is on for the load's addresses.
func (j *judgement) asksReuse() bool {
	switch j.sysctl(reuseKey) {
	case "1":
		return true
	case "2":
		return j.r.Sandbox.Topology == "lo" || j.onLoopback()
	}
	return false
}

// onLoopback reports whether all targets are loopback addresses.
func (j *judgement) onLoopback() bool {
	n := 0
	for i := range j.r.Plan.Groups {
		for _, t := range j.r.Plan.Groups[i].Targets {
			a, err := netip.ParseAddrPort(t)
			if err != nil || !a.Addr().Unmap().IsLoopback() {
				return false
			}
			n++
		}
	}
	return n > 0
}
