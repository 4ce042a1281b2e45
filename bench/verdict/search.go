package verdict

import (
	"cmp"
	"slices"
	"strings"

	"lastack/bench/model"
	"lastack/bench/record"
	"lastack/sockstate"
)

// portSearch is what the record tells of connect's search for a local port. connect first tries the ports of one parity, each in turn
// from where the last search ended (__inet_hash_connect). If none of them is free, or in a TIME_WAIT that it may take over, it has
// walked past all of them, each in less than a microsecond, before it tries the other parity.
//
//	first pass   half of the range; all of it with IP_LOCAL_PORT_RANGE (--source-ports, or a range that has the target's port)
//	bears        pairs x first pass / (tcp_tw_reuse_delay + the time that a connection is open)
type portSearch struct {
	first int
	// beyond is the number of ports in use that are not of the first pass: at least that many searches walked past the whole
	// first pass.
	beyond int64
	// bears is the rate a second at which ports of the first pass can be reused, 0 without reuse.
	bears float64
}

func (j *judgement) search() portSearch {
	p := j.r.Pressure.Ports
	s := portSearch{first: cmp.Or(p.FirstPass, p.Available/model.Parities)}
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
		s.bears = model.FirstPassBears(s.first, max(p.Pairs, 1), j.openS(), j.reuseDelay().Seconds())
	}
	return s
}

// openS is how long a connection is open, in seconds: the hold, and in closed loop the median lifecycle. In open loop a lifecycle
// starts before its connection does.
func (j *judgement) openS() float64 {
	if j.openLoop() {
		return j.holdS()
	}
	return j.holdS() + j.r.Latency["lifecycle"].P50Us/1e6
}

const (
	// nearRate is the share of portSearch.bears from which the search limits a load, if some searches went beyond the first pass;
	// fullRate is that share if none was seen to.
	nearRate, fullRate = 0.9, 0.97
	// walking is the share of the generator's CPU time from which walks past local ports limit it.
	walking = 0.1
	// slowConnectUs is slow for a connect on one host or in one network, in microseconds.
	slowConnectUs = 1000
)

// searchBinds reports whether the search for a port slowed the load down.
func (j *judgement) searchBinds() bool {
	s := j.search()
	if s.bears > 0 {
		rate := max(j.r.Rate.OpenedPerS, j.medianRate())
		taken := j.r.Pressure.Ports.PeakInUse*100 >= s.first*99
		return taken && rate >= fullRate*s.bears || s.beyond > 0 && rate >= nearRate*s.bears
	}
	walked := float64(s.beyond) * float64(s.first) * model.WalkS
	if j.r.Pressure.CPU.WorkersNotRead != "" {
		return false // the generator's CPU time is not known
	}
	return walked > 0 && walked >= walking*j.r.Pressure.CPU.GeneratorS && j.r.Latency["connect"].P99Us >= slowConnectUs
}

// medianRate is the median of the intervals' rates of opened connections, which a disturbance of one interval does not change. 0 if
// there are fewer than three.
func (j *judgement) medianRate() float64 {
	var rates []float64
	for from, iv := range j.intervals() {
		if took := iv.TS - from; iv.Phase != "warmup" && iv.Started > 0 && took > shortestS {
			rates = append(rates, float64(iv.Opened)/took)
		}
	}
	if len(rates) < 3 {
		return 0
	}
	slices.Sort(rates)
	return rates[(len(rates)-1)/2]
}

// portSearch judges a load that connect's search for a port slowed down.
func (j *judgement) portSearch() bool {
	if j.openLoop() && j.met() || !j.searchBinds() {
		return false
	}
	// Without reuse a search costs CPU time only, so it limits nothing if CPU is left; with reuse the rate is proof enough.
	if s := j.search(); s.bears == 0 && j.idle() >= 1-busy && j.generatorBusiest() < busy {
		return false
	}
	j.v.LimitedBy = record.LimitPortSearch
	j.v.Valid = j.v.Valid && j.shared()
	j.searchReasons()
	j.cpuReason()
	return true
}

// searchReasons says what the search for a port cost, and what helps, if it slowed the load down.
func (j *judgement) searchReasons() {
	if !j.searchBinds() {
		return
	}
	defer j.onHost()()
	s := j.search()
	r := j.r
	p, connect := r.Pressure.Ports, r.Latency["connect"]
	without, ok := j.withoutSearch(s)
	a := args{"first_pass": s.first, "ports": p.Available, "pairs": max(p.Pairs, 1), "opened_per_s": r.Rate.OpenedPerS}
	if s.bears > 0 {
		a["reuse_after_s"], a["bears_per_s"] = j.reuseDelay().Seconds(), s.bears
		j.because("first_pass_reused", a)
	} else {
		if until, before, after, ok := j.aroundFirstPass(s.first); ok {
			a["taken_after_s"], a["before_per_s"], a["after_per_s"] = until, before, after
		}
		// The interval in which the first pass ran out has both rates. The rate without the search separates them.
		n := float64(s.first * max(p.Pairs, 1))
		if taken := n / without; ok && r.Warmup == nil && taken < r.LoadS {
			a["taken_after_s"], a["before_per_s"], a["after_per_s"] = taken, without, max(float64(r.Connections.Opened)-n, 0)/(r.LoadS-taken)
			a["reckoned"] = true
		}
		j.because("first_pass_taken", a)
	}
	if ok {
		j.because("without_search", args{"opened_per_s": without})
	}
	if s.beyond > 0 {
		j.because("walked_past", args{"times": s.beyond, "first_pass": s.first, "connect_p50_us": connect.P50Us, "connect_mean_us": connect.MeanUs, "connect_p99_us": connect.P99Us})
	}
	j.searchAdvice(s)
}

// aroundFirstPass is when the first pass was used up, in seconds from the start, and the connections opened a second before and after
// that. It is not ok if the timeline does not tell.
func (j *judgement) aroundFirstPass(first int) (until, before, after float64, ok bool) {
	var all float64
	var opened, later int64
	from := 0.0
	for _, iv := range j.intervals() {
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

// withoutSearch is the rate that a closed loop would have if each connect found a port at once: its slots by the time of a lifecycle
// whose connect did not walk (Little's law). Those that walked are the slowest.
//
//	walked   ports in use beyond the first pass, and those in flight at the load's end: at most one a slot
//	rate     slots / (mean of the others + the lifecycle's own pauses)
func (j *judgement) withoutSearch(s portSearch) (perSecond float64, ok bool) {
	if j.openLoop() || s.bears > 0 || len(j.r.Plan.Groups) != 1 {
		return 0, false
	}
	slots := int64(j.r.Plan.Groups[0].Connections)
	h, err := j.r.Latency["lifecycle"].Histogram()
	if err != nil {
		return 0, false
	}
	others := h.TotalCount() - s.beyond - slots
	if others < leastSample {
		return 0, false
	}
	sum, n := 0.0, int64(0)
	for _, bucket := range h.Distribution() {
		k := min(bucket.Count, others-n)
		sum += float64(k) * float64(bucket.From+bucket.To) / 2
		n += k
	}
	return float64(slots) / (sum/float64(n)/1e9 + j.pauses()), true
}

// leastSample is the least number of lifecycles whose mean stands for others.
const leastSample = 100

// searchAdvice advises how connect finds a port sooner.
func (j *judgement) searchAdvice(s portSearch) {
	p := j.r.Pressure.Ports
	j.advise("more_addresses", args{"first_pass": s.first})
	j.advise("no_time_wait_at_client", nil)
	if lo, hi, ok := strings.Cut(p.Range, " "); ok {
		j.advise("one_pass", args{"low": lo, "high": hi})
	}
	if p.Available < model.WidenBelow {
		j.advise("wider_range", args{"first_pass": model.MostPorts / model.Parities})
	}
	switch {
	case s.bears == 0 && j.asksReuse():
		j.advise("switch_timestamps_on", args{"tcp_tw_reuse": j.sysctl(sockstate.ReuseSysctl)})
	case s.bears == 0 && j.clientWaits():
		j.advise("reuse_time_wait", args{"after_s": j.reuseDelay().Seconds()})
	case s.bears > 0 && j.sysctl(sockstate.ReuseDelaySysctl) != "":
		j.advise("reuse_sooner", nil)
	}
}

func searchCodes() []Code {
	const oneParity = "; they are the ports of one parity, {first_pass} of {ports}[ in each of {pairs:several} pairs]"
	return []Code{
		found("first_pass_reused", "the ports that connect tries first come back no faster than the load opened connections: it searched past them",
			"more addresses, no TIME_WAIT at the client, or a shorter tcp_tw_reuse_delay",
			"the load opened {opened_per_s}/s; the ports that connect tries first are enough for {bears_per_s}/s, as one in TIME_WAIT may be reused after {reuse_after_s} "+
				"(tcp_tw_reuse_delay)"+oneParity),
		found("first_pass_taken", "all ports that connect tries first were taken, so that each connect searched past them", "more addresses, no TIME_WAIT at the client, or reuse",
			"[the load opened {?before_per_s}][about {before_per_s:about}/s until {?reckoned}|{before_per_s}/s until ]all ports that connect tries first were taken"+
				"[, after {taken_after_s}, and {after_per_s}/s from then on]"+oneParity),
		found("walked_past", "how often a connect searched past all ports of the first pass, and what connects took", "see the finding that it goes with",
			"at least {times} connects walked past all {first_pass} to find one of the other parity; connects took {connect_p50_us} at the median, "+
				"{connect_mean_us} on average, {connect_p99_us} at p99"),
		found("without_search", "the rate that the load would have without searching", "follow one of the remedies, and see",
			"without the search the load would open about {opened_per_s:about}/s, as fast as while connect found ports at once"),
		remedy("one_pass", "a port range set on the socket, which connect searches in one pass",
			"all ports in one pass: --source-ports {low}-{high} (IP_LOCAL_PORT_RANGE, Linux 6.3)"),
		remedy("reuse_sooner", "a smaller net.ipv4.tcp_tw_reuse_delay", "reuse sooner: a smaller net.ipv4.tcp_tw_reuse_delay (ms)"),
	}
}
