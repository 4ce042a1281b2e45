package verdict

import "lastack/bench/record"

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
	best, from := j.r.Rate.OpenedPerS, 0.0
	for i := range j.r.Timeline {
		iv := &j.r.Timeline[i]
		// A short interval, as the last one may be, says little.
		if took := iv.TS - from; took > shortestS {
			best = max(best, float64(iv.Opened)/took)
		}
		from = iv.TS
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
	if !j.hasCap() {
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

// hasCap reports whether --connections capped an open loop.
func (j *judgement) hasCap() bool {
	for i := range j.r.Plan.Groups {
		if j.r.Plan.Groups[i].Connections > 0 {
			return true
		}
	}
	return false
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
		return j.limit(record.LimitTarget, true, "rate_met", a)
	}
	return j.limit(record.LimitUnknown, false, "rate_missed", a)
}

func scheduleCodes() []Code {
	return []Code{
		found("late_arrivals", "the generator could not keep its own schedule: latencies and rates are its own", "a lower --rate, or more CPUs for the generator", func(a args) string {
			return "the generator started 1 % of the arrivals more than " + a.micros("lag_p99_us") + " late (lag p99) at " + a.perSecond("target_per_s") + "/s"
		}),
		found("arrivals_capped", "arrivals had to wait for a free slot, so the cap limited the rate", "raise the cap, or shorten --hold", func(a args) string {
			what := "the cap of --connections"
			if a.has("fd_limit") {
				what = "the " + a.count("fd_limit") + " descriptors that this process may have (RLIMIT_NOFILE)"
			}
			return a.count("waited") + " of " + a.count("scheduled") + " arrivals had to wait for a free slot, " + a.count("never_started") + " were never started: " + what + " limited the rate"
		}),
		found("rate_met", "the target rate was reached", "a higher --rate, to find the limit", func(a args) string {
			all := "all " + a.count("started")
			if a.number("started") != a.number("scheduled") {
				all = a.count("started") + " of " + a.count("scheduled")
			}
			return all + " arrivals of the schedule were started, lag p99 " + a.micros("lag_p99_us")
		}),
		found("rate_missed", "the target rate was not reached, for an unknown reason", "look at the timeline for when it fell behind", func(a args) string {
			return a.count("started") + " of " + a.count("scheduled") + " arrivals of the schedule were started"
		}),
		remedy("less_to_generate", "ask less of the generator, or give it more CPUs", fixed("a lower --rate, more CPUs for the generator, or a --close and --exchange that cost less")),
		remedy("raise_cap", "raise the cap on connections that are open at once", func(a args) string {
			what := "--connections"
			if a.yes("fds") {
				what = "the limit (ulimit -n)"
			}
			return "raise " + what + " above rate x lifecycle (" + a.count("peak_open") + " were open at once), or shorten --hold"
		}),
	}
}
