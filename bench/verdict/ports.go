package verdict

import (
	"math"
	"net/netip"
	"slices"
	"time"

	"lastack/bench/model"
	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

// ports judges a load that ran out of local ports.
func (j *judgement) ports() bool {
	r := j.r
	defer j.onHost()()
	n := j.outcome(sockstate.OutcomeNoLocalPort)
	if n == 0 {
		return false
	}
	p := r.Pressure.Ports
	pairs := max(p.Pairs, len(r.Pressure.Pairs), 1)
	a := args{"attempts": n, "attempted": r.Connections.Attempted, "ports": p.Available, "pairs": pairs, "in_use": p.PeakInUse}
	if p.ObservedS > 0 {
		a["first_after_s"] = p.ObservedS
	}
	if o := p.Predicted; o != nil {
		a["predicted_s"] = o.EarliestS
		if o.LatestS > o.EarliestS {
			a["latest_s"] = o.LatestS
		}
	}
	j.limit(record.LimitPorts, false, "no_local_port", a)
	// The load has none of the ports that sockets from before it have (sockstate.Filter.Since); connect meets those.
	switch rest := p.Available - p.PeakInUse; {
	case j.earlier() > 0:
		j.because("ports_of_earlier", j.timeWaitArgs(args{"ports": j.earlier()}))
		j.advise("flush_earlier", nil)
	case rest*100 > p.Available && p.PeakInUse > 0:
		j.because("ports_of_others", j.timeWaitArgs(args{"ports": rest}))
	}
	_, orphans := j.orphansLast()
	switch {
	case orphans:
		j.portsOfOrphans(pairs)
	case j.clientWaits():
		j.portsOfTimeWait(pairs)
	default:
		j.portsOfOpen(pairs)
	}
	return true
}

// portsOfTimeWait: the client's TIME_WAITs held the ports.
func (j *judgement) portsOfTimeWait(pairs int) {
	ports := int64(j.r.Pressure.Ports.Available) * int64(pairs)
	rate := j.asked()
	lasts := j.timeWait().Mean()
	a := args{"ports": ports, "asked": j.openLoop(), "rate_per_s": rate}
	switch {
	case j.reuses():
		lasts = j.reuseDelay()
		a["reuse_after_s"] = lasts.Seconds()
	case j.asksReuse():
		j.because("reuse_needs_timestamps", args{"tcp_tw_reuse": j.sysctl(sockstate.ReuseSysctl)})
		j.advise("switch_timestamps_on", args{"tcp_tw_reuse": j.sysctl(sockstate.ReuseSysctl)})
	}
	each := lasts.Seconds() + j.holdS()
	a["each_s"], a["sustained_per_s"] = each, float64(ports)/each
	if open := j.holdS(); open > 0 {
		a["open_s"] = open
	}
	j.because("ports_in_time_wait", j.timeWaitArgs(a))
	j.portAdvice(rate, each, pairs)
}

// timeWaitArgs adds to a how long a TIME_WAIT lasts.
func (j *judgement) timeWaitArgs(a args) args {
	lasts := j.timeWait()
	a["time_wait_min_s"], a["time_wait_max_s"] = lasts.Min.Seconds(), lasts.Max.Seconds()
	return a
}

// portAdvice advises how to get ports for rate connections a second, each of which keeps one for that many seconds, most in TIME_WAIT.
func (j *judgement) portAdvice(rate, each float64, pairs int) {
	available := j.r.Pressure.Ports.Available
	ports := int64(available) * int64(pairs)
	if available > 0 {
		// TIME_WAITs end in bursts, so that at times there are as many as if each lasted for the longest time.
		keep := j.portKept()
		if need := int64(math.Ceil(rate * keep.Max.Seconds() / float64(available))); need > int64(pairs) {
			j.advise("more_addresses", args{"rate_per_s": rate, "keep_s": keep.Max.Seconds(), "exactly": keep.Min == keep.Max, "pairs": need, "ports": available})
		}
	}
	if available < model.WidenBelow {
		j.advise("wider_range", args{"ports": model.MostPorts, "bears_per_s": float64(model.MostPorts*pairs) / each})
	}
	if !j.asksReuse() {
		delay := j.reuseDelay().Seconds()
		j.advise("reuse_time_wait", args{"after_s": delay, "bears_per_s": float64(ports) / (delay + j.holdS())})
	}
	j.advise("no_time_wait_at_client", nil)
}

// portsOfOpen: nothing keeps a port of the client's after the close, so open connections held the ports.
func (j *judgement) portsOfOpen(pairs int) {
	available := j.r.Pressure.Ports.Available
	j.because("ports_of_open_connections", args{"open": j.r.Connections.PeakOpen})
	j.advise("more_addresses", args{"ports": available})
	if available < model.WidenBelow {
		j.advise("wider_range", args{"ports": model.MostPorts, "in_all": model.MostPorts * int64(pairs)})
	}
	j.advise("fewer_at_once", nil)
}

// holdS is for how long connections are open as planned, in seconds: their hold, and the delay of the side that closes second. It is the
// average over the connections of all groups.
func (j *judgement) holdS() float64 {
	held, rate := 0.0, 0.0
	scheduled := !slices.ContainsFunc(j.r.Plan.Groups, func(g record.Group) bool { return g.RateTo == 0 })
	for g, result := range j.groups() {
		each, open := 1.0, float64(g.HoldNs)/1e9+j.reactS(g)
		switch {
		case scheduled:
			each = g.RateTo
		case len(j.r.Groups) == len(j.r.Plan.Groups):
			each = float64(result.Connections.Opened)
		}
		held += each * open
		rate += each
	}
	if rate == 0 {
		return 0
	}
	return held / rate
}

// clientWaits reports whether the client has the TIME_WAIT, which then holds a local port.
func (j *judgement) clientWaits() bool {
	h := j.r.Predicted.TimeWait
	return h != sockstate.Server.String() && h != teardown.HeldByNone.String()
}

// timeWait is how long the client's TIME_WAITs last.
func (j *judgement) timeWait() sockstate.Span { return sockstate.TimeWaitLasts(j.hz()) }

// reuse is what connect does with TIME_WAITs.
func (j *judgement) reuse() sockstate.Reuse {
	if j.host == nil {
		return sockstate.Reuse{Delay: time.Second}
	}
	return sockstate.ReuseOf(j.host.Sysctls)
}

func (j *judgement) reuseDelay() time.Duration { return j.reuse().Delay }

// sysctl is a value in the client's namespace, empty if unknown.
func (j *judgement) sysctl(name string) string {
	if j.host == nil {
		return ""
	}
	return j.host.Sysctls[name]
}

// reuses reports whether connect takes over ports in TIME_WAIT.
func (j *judgement) reuses() bool { return j.reuse().On(j.onLoopback()) }

// asksReuse reports whether tcp_tw_reuse is on for the load's addresses.
func (j *judgement) asksReuse() bool { return j.reuse().Asked(j.onLoopback()) }

// onLoopback reports whether all targets are loopback addresses.
func (j *judgement) onLoopback() bool {
	n := 0
	return j.r.Sandbox.Topology == "lo" || !slices.ContainsFunc(j.r.Plan.Groups, func(g record.Group) bool {
		n += len(g.Targets)
		return slices.ContainsFunc(g.Targets, func(t string) bool {
			a, err := netip.ParseAddrPort(t)
			return err != nil || !a.Addr().Unmap().IsLoopback()
		})
	}) && n > 0
}

func portCodes() []Code {
	const remedies = "more addresses, a wider port range, reuse, or no TIME_WAIT at the client"
	return []Code{
		found("no_local_port", "connect found no free local port: all were taken for each pair of source and destination", remedies,
			"{attempts} of {attempted} attempts found no free local port (EADDRNOTAVAIL): {ports} ports for [each of {pairs:several} source and destination pairs|"+
				"the 1 source and destination pair], {in_use} in use at most[; the first after {first_after_s}][, predicted after {predicted_s} to {latest_s}|, predicted after {predicted_s}]"),
		found("ports_of_earlier", "TIME_WAITs from before the load had local ports", "run --flush, or wait until they are over",
			"TIME_WAITs from before the load, of {time_wait} each, had {ports} ports of a pair"),
		found("ports_of_others", "other sockets had local ports, such as an earlier load's TIME_WAITs", "wait until they are over (ss -tan state time-wait)",
			"no sample saw this load use the other {ports}: other sockets may have them, such as TIME_WAITs of an earlier load on this target, which last for {time_wait} "+
				"(ss -tan state time-wait lists them)"),
		remedy("flush_earlier", "run --flush, which ends the TIME_WAITs of earlier loads on the load's own ports",
			"the ports of earlier loads: --flush ends their TIME_WAITs before the load (needs CAP_NET_ADMIN)"),
		found("reuse_needs_timestamps", "tcp_tw_reuse is on, but does nothing without TCP timestamps", "net.ipv4.tcp_timestamps=1",
			"tcp_tw_reuse={tcp_tw_reuse} reuses no port here: it needs TCP timestamps, and they are off (tcp_timestamps=0)"),
		found("ports_in_time_wait", "the client closes first, so that its TIME_WAITs hold the local ports: what rate the ports bear", remedies,
			"the client closes first, so each connection keeps its port in TIME_WAIT for [{reuse_after_s}, after which connect may take it over (tcp_tw_reuse_delay)|{time_wait}]"+
				"[, and is open for {open_s} before]: {ports} ports / {each_s} = {sustained_per_s} connections/s sustained; [{?asked}it was asked for|it opened up to] {rate_per_s}/s"),
		found("ports_of_open_connections", "open connections held the local ports", "more addresses, a wider port range, or fewer connections at once",
			"the client has no TIME_WAIT here, so open connections held the ports: up to {open} at once"),
		remedy("more_addresses", "more source addresses or targets: each pair of them has local ports of its own",
			"more addresses: [{rate_per_s} connections/s for {keep} each need {pairs} pairs of {ports} ports: --source with {pairs} addresses, or that many targets|"+
				"--source with several, or several targets: each pair has {first_pass} ports for the first pass|"+
				"--source with more of them, or more targets: each pair has {ports} ports of its own]"),
		// A server that starts later may find its port taken.
		remedy("wider_range", "a wider net.ipv4.ip_local_port_range",
			`more ports: net.ipv4.ip_local_port_range="1024 65535" gives [{first_pass} for the first pass|{ports} for each pair, {bears_per_s} connections/s with as many pairs|`+
				"{ports} for each pair, {in_all} in all]; ip_local_reserved_ports keeps those that servers listen on"),
		remedy("reuse_time_wait", "net.ipv4.tcp_tw_reuse=1, by which connect takes over ports in TIME_WAIT",
			"reuse: net.ipv4.tcp_tw_reuse=1 lets connect take over a TIME_WAIT port after {after_s} (tcp_tw_reuse_delay)[, up to {bears_per_s} connections/s here]; 2, the default, does so "+
				"on loopback only"),
		remedy("switch_timestamps_on", "net.ipv4.tcp_timestamps=1, without which tcp_tw_reuse does nothing",
			"timestamps: net.ipv4.tcp_timestamps=1, without which tcp_tw_reuse={tcp_tw_reuse} takes over no port"),
		remedy("no_time_wait_at_client", "a --close that leaves the client no TIME_WAIT",
			"no TIME_WAIT at the client: --close client:rst, or let the server close first (--close server:fin), where TIME_WAIT costs the server no port"),
		remedy("fewer_at_once", "fewer connections at once", "fewer connections at once: a smaller --connections or --rate, or a shorter --hold"),
	}
}
