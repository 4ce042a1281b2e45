package verdict

import (
	"slices"
	"strings"

	"lastack/bench/record"
)

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
		return false // the share's base is not known
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
		// An interval in which the first pass ran out is fast and slow: by the rate without a search that is told apart.
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

// withoutSearch is the rate that a closed loop would have if each connect found a port at once: that of its slots by what the
// lifecycles took before the ports of the first pass were taken (Little's law). Those whose connect walked are the slowest.
//
//	walked   ports in use beyond the first pass, and those under way when the load ended, at most all slots
//	rate     slots / (mean of the others + what a lifecycle waits of its own)
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

// leastSample is the number of lifecycles from which their mean is taken for that of others.
const leastSample = 100

// searchAdvice lists what keeps connect from walking past ports.
func (j *judgement) searchAdvice(s portSearch) {
	p := j.r.Pressure.Ports
	j.advise("more_addresses", args{"first_pass": s.first})
	j.advise("no_time_wait_at_client", nil)
	if lo, hi, ok := strings.Cut(p.Range, " "); ok {
		j.advise("one_pass", args{"low": lo, "high": hi})
	}
	if p.Available < widenBelow {
		j.advise("wider_range", args{"first_pass": mostPorts / parities})
	}
	switch {
	case s.bears == 0 && j.asksReuse():
		j.advise("switch_timestamps_on", args{"tcp_tw_reuse": j.sysctl(reuseKey)})
	case s.bears == 0 && j.clientWaits():
		j.advise("reuse_time_wait", args{"after_s": j.reuseDelay().Seconds()})
	case s.bears > 0 && j.sysctl(reuseDelayKey) != "":
		j.advise("reuse_sooner", nil)
	}
}

func searchCodes() []Code {
	tries := func(a args) string {
		each := "the pair"
		if a.number("pairs") > 1 {
			each = "each of " + a.count("pairs") + " pairs"
		}
		return "connect tries one parity of the local ports first (" + a.count("first_pass") + " of the " + a.count("ports") + " of " + each + "), and "
	}
	return []Code{
		found("first_pass_reused", "the ports that connect tries first come back no faster than the load opened connections: it searched past them", "more addresses, no TIME_WAIT at the client, or a shorter tcp_tw_reuse_delay", func(a args) string {
			return tries(a) + "a port in TIME_WAIT may be reused after " + a.seconds("reuse_after_s") + " (tcp_tw_reuse_delay): enough for " + a.perSecond("bears_per_s") +
				" connections/s; it opened " + a.perSecond("opened_per_s") + "/s"
		}),
		found("first_pass_taken", "all ports that connect tries first were taken, so that each connect searched past them", "more addresses, no TIME_WAIT at the client, or reuse", func(a args) string {
			s := tries(a) + "all of these were taken"
			if a.has("taken_after_s") {
				before := a.perSecond("before_per_s")
				if a.yes("reckoned") {
					before = "about " + a.about("before_per_s")
				}
				s += " after " + a.seconds("taken_after_s") + ": it opened " + before + "/s until then, " + a.perSecond("after_per_s") + "/s from then on"
			}
			return s
		}),
		found("walked_past", "how often a connect searched past all ports of the first pass, and what connects took", "see the finding that it goes with", func(a args) string {
			return "at least " + a.count("times") + " times it walked past all " + a.count("first_pass") + " before it found one of the other parity; a connect took " + a.micros("connect_p50_us") +
				" at the median, " + a.micros("connect_mean_us") + " on average, 1 % more than " + a.micros("connect_p99_us")
		}),
		found("without_search", "the rate that the load would have without searching", "follow one of the remedies, and see", func(a args) string {
			return "without the search it would open about " + a.about("opened_per_s") + "/s, as fast as it did while connect found ports at once"
		}),
		remedy("one_pass", "a port range set on the socket, which connect searches in one pass", func(a args) string {
			return "all ports in one pass: --source-ports " + a.text("low") + "-" + a.text("high") + " (IP_LOCAL_PORT_RANGE, Linux 6.3)"
		}),
		remedy("reuse_sooner", "a smaller net.ipv4.tcp_tw_reuse_delay", fixed("reuse sooner: a smaller net.ipv4.tcp_tw_reuse_delay (ms)")),
	}
}
