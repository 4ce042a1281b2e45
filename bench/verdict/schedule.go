package verdict

import (
	"slices"

	"lastack/bench/record"
)

const (
	// lateP99Us is how late an open loop may start its arrivals before the result says more about the generator.
	lateP99Us = 10_000
	// rateMet is the share of the scheduled rate that counts as met.
	rateMet = 0.99
	// shortestS is the shortest interval whose rate is looked at, in seconds.
	shortestS = 0.05
)

// asked is the rate of lifecycles that was asked for; in closed loop, which asks for none, the most
// that an interval opened: how fast the load is while it has what it needs.
func (j *judgement) asked() float64 {
	if j.openLoop() {
		return j.r.Rate.TargetPerS
	}
	best := j.r.Rate.OpenedPerS
	for from, iv := range j.intervals() {
		// A short interval, as the last one may be, says little.
		if took := iv.TS - from; took > shortestS {
			best = max(best, float64(iv.Opened)/took)
		}
	}
	return best
}

// lateness judges an open loop that could not keep its own schedule.
func (j *judgement) lateness() bool {
	lag, ok := j.r.Latency["lag"]
	if !j.openLoop() || !ok || lag.P99Us <= lateP99Us {
		return false
	}
	if j.r.Connections.Capped > 0 {
		return false // because of the cap
	}
	by := record.LimitGeneratorCPU
	if j.idle() < 1-busy {
		by = record.LimitCPU
	}
	if j.generatorBusiest() < busy && j.idle() >= 1-busy {
		by = record.LimitUnknown
	}
	if j.searchBinds() {
		by = record.LimitPortSearch
	}
	j.limit(by, false, "late_arrivals", args{"lag_p99_us": lag.P99Us, "target_per_s": j.r.Rate.TargetPerS})
	j.cpuReason()
	j.searchReasons()
	j.advise("less_to_generate", nil)
	return true
}

func (j *judgement) capped() bool {
	c := j.r.Connections
	if c.Capped == 0 {
		return false
	}
	by := record.LimitConnections
	a := args{"waited": c.Capped, "scheduled": c.Scheduled, "never_started": max(c.Scheduled-c.Attempted, 0)}
	more := args{"peak_open": c.PeakOpen}
	if !slices.ContainsFunc(j.r.Plan.Groups, func(g record.Group) bool { return g.Connections > 0 }) { // without --connections
		by = record.LimitFds
		a["fd_limit"], more["fds"] = j.r.Pressure.Fds.Limit, true
	}
	j.limit(by, false, "arrivals_capped", a)
	if j.idle() < 1-busy || j.cpuUnread() != "" {
		j.cpuReason()
	}
	j.advise("raise_cap", more)
	return true
}

// met reports whether an open loop's rate was reached.
func (j *judgement) met() bool {
	r := j.r
	return r.Connections.Scheduled > 0 && float64(r.Connections.Attempted) >= rateMet*float64(r.Connections.Scheduled)
}

func (j *judgement) rate() bool {
	if !j.openLoop() {
		return false
	}
	c := j.r.Connections
	a := args{"started": c.Attempted, "scheduled": c.Scheduled}
	if j.met() {
		a["lag_p99_us"] = j.r.Latency["lag"].P99Us
		if n := c.Scheduled - c.Attempted; n != 0 {
			a["missed"] = n
		}
		return j.limit(record.LimitTarget, true, "rate_met", a)
	}
	return j.limit(record.LimitUnknown, false, "rate_missed", a)
}

func scheduleCodes() []Code {
	return []Code{
		found("late_arrivals", "the generator could not keep its own schedule: latencies and rates are its own", "a lower --rate, or more CPUs for the generator",
			"the generator started arrivals late at {target_per_s}/s: lag p99 {lag_p99_us}"),
		found("arrivals_capped", "arrivals had to wait for a free slot, so the cap limited the rate", "raise the cap, or shorten --hold",
			"{waited} of {scheduled} arrivals had to wait for a free slot, {never_started} were never started: "+
				"[the {fd_limit} descriptors that this process may have (RLIMIT_NOFILE)|the cap of --connections] limited the rate"),
		found("rate_met", "the target rate was reached", "a higher --rate, to find the limit",
			"[{started} of {scheduled}{?missed}|all {started}] arrivals of the schedule were started, lag p99 {lag_p99_us}"),
		found("rate_missed", "the target rate was not reached, for an unknown reason", "look at the timeline for when it fell behind",
			"{started} of {scheduled} arrivals of the schedule were started"),
		remedy("less_to_generate", "ask less of the generator, or give it more CPUs", "a lower --rate, more CPUs for the generator, or a --close and --exchange that cost less"),
		remedy("raise_cap", "raise the cap on connections that are open at once",
			"raise [{?fds}the limit (ulimit -n)|--connections] above rate x lifecycle ({peak_open} were open at once), or shorten --hold"),
	}
}
