package verdict

import (
	"slices"

	"lastack/bench/record"
)

func (j *judgement) plateau() bool {
	for g := range j.groups() {
		if g.PlateauNs == 0 {
			continue
		}
		a := args{"open": j.r.Connections.PeakOpen, "asked": g.Connections}
		for _, iv := range j.intervals() {
			if iv.InFlight > 0 && iv.InFlight >= j.r.Connections.PeakOpen {
				a["found_after_s"] = iv.TS
				break
			}
		}
		return j.limit(record.LimitConnections, true, "plateau_reached", a)
	}
	return false
}

func (j *judgement) held() bool {
	c := j.r.Connections
	if c.Unfinished == 0 || c.Completed > 0 || j.r.Interrupted {
		return false
	}
	return j.limit(record.LimitConnections, true, "all_held", args{"held": c.Unfinished})
}

// slots applies if nothing else was found, and says what was not read.
func (j *judgement) slots() bool {
	open := j.r.Connections.PeakOpen
	if unread := j.unread(); len(unread) > 0 {
		j.limit(record.LimitUnknown, true, "limit_not_read", args{"open": open, "not_read": unread})
		j.searchReasons()
		j.advise("allow_reading", nil)
		return true
	}
	if c := j.r.Pressure.CPU; c.ElapsedS > 0 && !j.cpuKnown() {
		return j.limit(record.LimitUnknown, true, "too_short_for_cpu", args{"measured_s": c.ElapsedS})
	}
	a := args{"open": open}
	if l, ok := j.r.Latency["lifecycle"]; ok {
		a["lifecycle_mean_us"] = l.MeanUs
		if g := j.r.Plan.Groups; len(g) == 1 && float64(g[0].HoldNs)/1e3 > l.MeanUs {
			a["hold_s"] = float64(g[0].HoldNs) / 1e9
			return j.limit(record.LimitConnections, true, "held_open", a)
		}
	}
	return j.limit(record.LimitConnections, true, "waiting_for_the_other_side", a)
}

// unread says what was not read of that which may have bound a closed loop.
func (j *judgement) unread() (all []string) {
	if why := j.cpuUnread(); why != "" {
		all = append(all, why)
	}
	for _, u := range []struct{ name, why string }{
		{record.UnreadPorts, "the local ports in use were not read (sock_diag, /proc/net/tcp)"},
		{record.UnreadCounters, "the counters of lost segments and full queues were not read (/proc/net/snmp, /proc/net/netstat)"},
		{record.UnreadMemory, "the memory of TCP's buffers was not read (/proc/net/sockstat)"},
		{record.UnreadQuota, "whether the CPU quota of this process's control group was used up was not read (cpu.stat)"},
	} {
		// What leaves no TIME_WAIT at the client has few ports in use.
		if slices.Contains(j.r.Pressure.Unread, u.name) && (u.name != record.UnreadPorts || j.clientWaits()) {
			all = append(all, u.why)
		}
	}
	return all
}

func restCodes() []Code {
	return []Code{
		found("plateau_reached", "a plateau's connections were open at once: their number was the limit", "nothing, if they are all",
			"{open} connections were open at once, of {asked} asked for[; a sample found them after {found_after_s}]"),
		found("all_held", "connections were opened and never closed, as asked", "nothing", "{held} connections were opened and held"),
		found("held_open", "each connection was held, as asked, for most of its life: nothing else limited a closed loop",
			"more --connections or a shorter --hold give more, until something else is the limit",
			"{open} connections at once, each held for {hold_s} (--hold) beside a lifecycle of {lifecycle_mean_us} on average; more connections would give more"),
		found("limit_not_read", "what may have limited the run could not be read", "let this user read those files of /proc and /sys",
			"what limited the {open} connections is not known: {not_read}"),
		found("waiting_for_the_other_side", "each connection waited for the other side most of the time: nothing else limited a closed loop",
			"more --connections give more, until something else is the limit",
			"{open} connections at once, each waiting for the other side most of the time: "+
				"[a lifecycle took {lifecycle_mean_us} on average; more connections would give more|more would give more]"),
		remedy("allow_reading", "let this user read what was not read",
			"let this user read these files of /proc and /sys (a container or a security module may hide them), and run it again"),
	}
}
