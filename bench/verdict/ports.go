package verdict

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

// ports judges a load that ran out of local ports.
func (j *judgement) ports() bool {
	r := j.r
	defer j.onHost()()
	n := r.Outcomes[sockstate.OutcomeNoLocalPort.String()]
	if n == 0 {
		return false
	}
	p := r.Pressure.Ports
	pairs := max(p.Pairs, len(r.Pressure.Pairs), 1)
	j.limit(record.LimitPorts, false, "no_local_port", args{"attempts": n, "attempted": r.Connections.Attempted, "ports": p.Available, "pairs": pairs, "in_use": p.PeakInUse})
	// The census leaves out what was there before the load (sockstate.Filter.Since), and connect does not.
	if rest := p.Available - p.PeakInUse; rest*100 > p.Available && p.PeakInUse > 0 {
		j.because("ports_of_others", j.timeWaitArgs(args{"ports": rest}))
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

// portsOfTimeWait: it was the client's own closed connections that held the ports.
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
		j.because("reuse_needs_timestamps", args{"tcp_tw_reuse": j.sysctl(reuseKey)})
		j.advise("switch_timestamps_on", args{"tcp_tw_reuse": j.sysctl(reuseKey)})
	}
	each := lasts.Seconds() + j.holdS()
	a["each_s"], a["sustained_per_s"] = each, float64(ports)/each
	if open := j.holdS(); open > 0 {
		a["open_s"] = open
	}
	j.because("ports_in_time_wait", j.timeWaitArgs(a))
	j.portAdvice(rate, each, pairs)
}

// timeWaitArgs adds how long a TIME_WAIT lasts to a.
func (j *judgement) timeWaitArgs(a args) args {
	lasts := j.timeWait()
	a["time_wait_min_s"], a["time_wait_max_s"] = lasts.Min.Seconds(), lasts.Max.Seconds()
	return a
}

// portAdvice is what bears so many connections a second, each of which keeps its port for each seconds, most in TIME_WAIT.
func (j *judgement) portAdvice(rate, each float64, pairs int) {
	available := j.r.Pressure.Ports.Available
	ports := int64(available) * int64(pairs)
	if available > 0 {
		// TIME_WAITs end in bursts, so that at times there are as many as if each lasted longest.
		keep := j.portKept()
		if need := int64(math.Ceil(rate * keep.Max.Seconds() / float64(available))); need > int64(pairs) {
			j.advise("more_addresses", args{"rate_per_s": rate, "keep_s": keep.Max.Seconds(), "exactly": keep.Min == keep.Max, "pairs": need, "ports": available})
		}
	}
	if available < widenBelow {
		j.advise("wider_range", args{"ports": mostPorts, "bears_per_s": float64(mostPorts*pairs) / each})
	}
	if !j.asksReuse() {
		delay := j.reuseDelay().Seconds()
		j.advise("reuse_time_wait", args{"after_s": delay, "bears_per_s": float64(ports) / (delay + j.holdS())})
	}
	j.advise("no_time_wait_at_client", nil)
}

// portsOfOpen: the client keeps no TIME_WAIT, so it was open connections that held the ports.
func (j *judgement) portsOfOpen(pairs int) {
	available := j.r.Pressure.Ports.Available
	j.because("ports_of_open_connections", args{"open": j.r.Connections.PeakOpen})
	j.advise("more_addresses", args{"ports": available})
	if available < widenBelow {
		j.advise("wider_range", args{"ports": mostPorts, "in_all": mostPorts * int64(pairs)})
	}
	j.advise("fewer_at_once", nil)
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
	if j.host == nil {
		return sockstate.TimeWaitLasts(0)
	}
	return sockstate.TimeWaitLasts(j.host.HZ)
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
	if j.host == nil {
		return ""
	}
	return j.host.Sysctls[name]
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

func portCodes() []Code {
	return []Code{
		found("no_local_port", "connect found no free local port: all were taken for each pair of source and destination", "more addresses, a wider port range, reuse, or no TIME_WAIT at the client", func(a args) string {
			where := "the 1 source and destination pair"
			if a.number("pairs") > 1 {
				where = "each of " + a.count("pairs") + " source and destination pairs"
			}
			return a.count("attempts") + " of " + a.count("attempted") + " attempts found no free local port (EADDRNOTAVAIL): " + a.count("ports") + " ports for " + where + ", " + a.count("in_use") + " in use at most"
		}),
		found("ports_of_others", "other sockets had local ports, such as an earlier load's TIME_WAITs", "wait until they are over (ss -tan state time-wait)", func(a args) string {
			return "no sample saw this load use the other " + a.count("ports") + ": other sockets may have them, such as TIME_WAITs of an earlier load on this target, which last for " +
				a.timeWait() + " (ss -tan state time-wait lists them)"
		}),
		found("reuse_needs_timestamps", "tcp_tw_reuse is on, but does nothing without TCP timestamps", "net.ipv4.tcp_timestamps=1", func(a args) string {
			return "tcp_tw_reuse=" + a.text("tcp_tw_reuse") + " reuses no port here: it needs TCP timestamps, and they are off (tcp_timestamps=0)"
		}),
		found("ports_in_time_wait", "the client closes first, so that its TIME_WAITs hold the local ports: what rate the ports bear", "more addresses, a wider port range, reuse, or no TIME_WAIT at the client", func(a args) string {
			keeps := a.timeWait()
			if a.has("reuse_after_s") {
				keeps = a.seconds("reuse_after_s") + ", after which connect may take it over (tcp_tw_reuse_delay)"
			}
			what := ""
			if a.has("open_s") {
				what = ", and is open for " + a.seconds("open_s") + " before"
			}
			against := "it opened up to"
			if a.yes("asked") {
				against = "it was asked for"
			}
			return "the client closes first, so each connection keeps its port in TIME_WAIT for " + keeps + what + ": " + a.count("ports") + " ports / " + a.seconds("each_s") + " = " +
				a.perSecond("sustained_per_s") + " connections/s sustained; " + against + " " + a.perSecond("rate_per_s") + "/s"
		}),
		found("ports_of_open_connections", "open connections held the local ports", "more addresses, a wider port range, or fewer connections at once", func(a args) string {
			return "no TIME_WAIT stays with the client here, so it was connections still open that held the ports: up to " + a.count("open") + " at once"
		}),
		remedy("more_addresses", "more source addresses or targets: each pair of them has local ports of its own", func(a args) string {
			switch {
			case a.has("pairs"):
				return "more addresses: " + a.perSecond("rate_per_s") + " connections/s for " + a.keep() + " each need " + a.count("pairs") + " pairs of " + a.count("ports") + " ports: --source with " +
					a.count("pairs") + " addresses, or that many targets"
			case a.has("first_pass"):
				return "more addresses: --source with several, or several targets: each pair has " + a.count("first_pass") + " ports for the first pass"
			}
			return "more addresses: --source with more of them, or more targets: each pair has " + a.count("ports") + " ports of its own"
		}),
		remedy("wider_range", "a wider net.ipv4.ip_local_port_range", func(a args) string {
			gives := a.count("ports") + " for each pair, " + a.count("in_all") + " in all"
			switch {
			case a.has("bears_per_s"):
				gives = a.count("ports") + " for each pair, " + a.perSecond("bears_per_s") + " connections/s with as many pairs"
			case a.has("first_pass"):
				gives = a.count("first_pass") + " for the first pass"
			}
			// A server that starts later may find its port taken.
			return `more ports: net.ipv4.ip_local_port_range="1024 65535" gives ` + gives + "; ip_local_reserved_ports keeps those that servers listen on"
		}),
		remedy("reuse_time_wait", "net.ipv4.tcp_tw_reuse=1, by which connect takes over ports in TIME_WAIT", func(a args) string {
			s := "reuse: net.ipv4.tcp_tw_reuse=1 lets connect take over a TIME_WAIT port after " + a.seconds("after_s") + " (tcp_tw_reuse_delay)"
			if a.has("bears_per_s") {
				s += ", up to " + a.perSecond("bears_per_s") + " connections/s here"
			}
			return s + "; 2, the default, does so on loopback only"
		}),
		remedy("switch_timestamps_on", "net.ipv4.tcp_timestamps=1, without which tcp_tw_reuse does nothing", func(a args) string {
			return "timestamps: net.ipv4.tcp_timestamps=1, without which tcp_tw_reuse=" + a.text("tcp_tw_reuse") + " takes over no port"
		}),
		remedy("no_time_wait_at_client", "a --close that leaves the client no TIME_WAIT",
			fixed("no TIME_WAIT at the client: --close client:rst, or let the server close first (--close server:fin), where TIME_WAIT costs the server no port")),
		remedy("fewer_at_once", "fewer connections at once", fixed("fewer connections at once: a smaller --connections or --rate, or a shorter --hold")),
	}
}

// timeWait is "60 to 62.0 s".
func (a args) timeWait() string {
	return sockstate.Span{Min: a.duration("time_wait_min_s"), Max: a.duration("time_wait_max_s")}.String()
}

// keep is the longest that a connection keeps its port, fine enough to multiply by a rate.
func (a args) keep() string {
	longest := a.seconds("keep_s")
	if a.number("keep_s") >= 10 {
		longest = fmt.Sprintf("%.2f s", a.number("keep_s"))
	}
	if a.yes("exactly") {
		return longest
	}
	return "up to " + longest
}
