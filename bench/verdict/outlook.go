package verdict

import (
	"math"
	"slices"
	"time"

	"lastack/bench/model"
	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

// stand is where a closed loop stands at a time, in seconds from the start: how many ports the fullest pair has in use, and how many connections
// are opened a second.
type stand struct {
	at, rate float64
	inUse    int
}

// atEnd takes for the rate that of the second half.
func (j *judgement) atEnd() stand {
	return stand{j.loadEnd(), j.lateRate(), j.r.Pressure.Ports.PeakInUse}
}

// onsetClosed is the onset that the load let expect when ports of the first pass were last free. A rate that was not steady is uncertain: the
// intervals' counts vary like a random walk, and the walk until the onset adds to that until now, at twice the standard error. It is nil if a rate
// within that does not use up the ports before they come back, or if no interval ended before the first pass was taken.
//
//	rate +- 2 sqrt(v (1/T + 1/R))   v: variance of the count a second, T: time until now, R: time from then on
func (j *judgement) onsetClosed(keep sockstate.Span) *record.Onset {
	const errors = 2
	p, first := &j.r.Pressure.Ports, j.search().first
	pairs := float64(max(p.Pairs, 1))
	var s stand
	var opened, inUse float64
	var until []record.Interval
	for _, iv := range j.intervals() {
		opened += float64(iv.Opened)
		if inUse += float64(iv.Opened) / pairs; iv.PortsInUse > 0 {
			inUse = float64(iv.PortsInUse) // by a census, which not every interval has
		}
		if inUse*100 >= float64(first)*99 {
			break
		}
		if until = append(until, *iv); iv.TS > shortestS {
			s = stand{at: iv.TS, rate: opened / iv.TS, inUse: int(inUse)}
		}
	}
	if s.rate == 0 {
		return nil
	}
	squares, from := 0.0, 0.0
	for _, iv := range until {
		off := float64(iv.Opened) - s.rate*(iv.TS-from)
		squares, from = squares+off*off, iv.TS
	}
	spread := 0.0
	if n := float64(len(until)); n > 1 {
		rest := float64(p.Available-s.inUse) * pairs / s.rate
		spread = errors * math.Sqrt(squares/s.at*n/(n-1)*(1/s.at+1/rest))
	}
	fast, slow := s, s
	fast.rate, slow.rate = s.rate+spread, s.rate-spread
	early, late := j.outlookClosed(keep, fast).Predicted, j.outlookClosed(keep, slow).Predicted
	if early == nil || late == nil {
		return nil
	}
	return &record.Onset{EarliestS: early.EarliestS, LatestS: late.LatestS}
}

// outlookClosed is the outlook of a closed loop that stands there: it opens as many connections a second, less what searches beyond the first
// pass cost.
func (j *judgement) outlookClosed(keep sockstate.Span, from stand) (o record.Outlook) {
	p := &j.r.Pressure.Ports
	pairs := float64(max(p.Pairs, 1))
	rate, now := from.rate, from.at
	if rate <= 0 {
		return o
	}
	first, s := j.search().first, steady(rate)
	taken := from.inUse*100 >= first*99
	if !j.reuses() && first > 0 && first < p.Available && (taken || rate*keep.Max.Seconds() > float64(first)*pairs) {
		s = j.beyondFirst(rate, first)
		if _, _, after, ok := j.aroundFirstPass(first); ok && taken && s.slows {
			// Now each search walks past the first pass, so the rate before that says nothing. When the first TIME_WAITs end,
			// connect finds their ports at once, and the rate changes again.
			if at := now + float64(p.Available-from.inUse)*pairs/after; after > 0 && at < keep.Min.Seconds() {
				o.Predicted = &record.Onset{EarliestS: at, LatestS: at}
			}
			return o
		}
	}
	if rate*keep.Max.Seconds() <= float64(p.Available)*pairs {
		return record.Outlook{LevelsOffAt: j.levelsOff(rate*keep.Max.Seconds(), int(pairs)), MaySlow: s.slows}
	}
	if j.reuses() {
		return o
	}
	now += float64(max(first-from.inUse, 0)) * pairs / rate
	rest := float64(p.Available-max(first, from.inUse)) * pairs
	if s.full && now+rest/s.least >= keep.Min.Seconds() {
		return o // enough ports may come back before
	}
	earliest := now + rest/s.most
	return record.Outlook{Predicted: &record.Onset{EarliestS: earliest, LatestS: max(now+rest/s.least, earliest)}, MaySlow: s.slows}
}

// pace is the rate of a closed loop, a second, when all ports of the first pass are taken.
type pace struct {
	least, most float64
	slows       bool // connect may get slower
	full        bool // the idle CPU time may be too little for the walks
}

func steady(rate float64) pace { return pace{least: rate, most: rate} }

// beyondFirst predicts the pace of a closed loop that opens rate connections a second, when each search walks past the whole first
// pass:
//
//	walk   rate x first x time to walk past a port: CPU seconds a second
//	most   what the workers open if they do nothing but walk
//	least  rate / (1 + walk / CPUs of the workers): each walk delays the worker's other connections
//	slows  if a walk on a worker that busy takes a share of a slot's time (slots / rate) that matters
func (j *judgement) beyondFirst(rate float64, first int) pace {
	const matters = 0.05 // the smallest fall of the rate that is worth a word
	workers, has, left, known := j.workersCPU()
	slots := 0
	for g := range j.groups() {
		slots += g.Connections
	}
	walk := rate * float64(first) * model.LongWalkS
	p := pace{least: rate / (1 + walk/has), most: min(rate, workers/(float64(first)*model.WalkS)), slows: true, full: walk >= left}
	if known && !p.full && walk/float64(max(slots, 1))*workers/(left-walk) <= matters {
		return steady(rate)
	}
	return p
}

// workersCPU says in CPUs how much the load's workers can use at most; how much of that they have, the server's part included, which
// becomes free as they get slower; and how much was idle during the load. If CPU times are not known, each is the most.
func (j *judgement) workersCPU() (most, has, left float64, known bool) {
	c := &j.r.Pressure.CPU
	cpus := float64(max(c.CPUs, 1))
	most = cpus
	if n := j.r.Plan.Workers; n > 0 {
		most = min(most, float64(n))
	}
	if c.Quota > 0 {
		most = min(most, c.Quota)
	}
	if !j.cpuKnown() {
		return most, most, most, false
	}
	// Take all CPU time for the load's: what came after held connections, or closed them.
	over := c.ElapsedS
	if j.r.LoadS > 0 {
		over = min(over, j.r.LoadS)
	}
	left = min(cpus-(c.ElapsedS*cpus-c.IdleS)/over, most-most*c.GeneratorBusiest*c.ElapsedS/over)
	if c.Quota > 0 {
		left = min(left, c.Quota-ours(*c)/over)
	}
	left = max(left, 0)
	return most, min(most, left+(c.GeneratorS+c.ServerS)/over), left, true
}

// levelsOff is the steady number of ports in use per pair, if all pairs have that many. With reuse, connect goes round and round the
// first pass, so that all of its ports are in use.
func (j *judgement) levelsOff(all float64, pairs int) int {
	n := int(math.Ceil(all / float64(pairs)))
	if !j.reuses() || !j.clientWaits() {
		return n
	}
	unused := math.Ceil(j.finalRate() * (j.timeWait().Max.Seconds() + j.holdS()) / float64(pairs))
	return int(model.InUse(float64(n), unused, float64(j.search().first)))
}

// portKept is how long a connection keeps its local port: while it is open, and in TIME_WAIT if the client has that, or as an orphan in
// FIN_WAIT_2. 0 if none of it is planned.
func (j *judgement) portKept() sockstate.Span {
	hold, waits := time.Duration(j.holdS()*float64(time.Second)), sockstate.Span{}
	orphan, left := j.orphansLast()
	switch {
	case left:
		waits = orphan
	case !j.clientWaits():
	case j.reuses():
		waits = sockstate.Span{Min: j.reuseDelay(), Max: j.reuseDelay()}
	default:
		waits = j.timeWait()
	}
	return sockstate.Span{Min: hold + waits.Min, Max: hold + waits.Max}
}

// plateaus reports whether a group opens its connections only once: it has no rate that could go on.
func (j *judgement) plateaus() bool {
	return slices.ContainsFunc(j.r.Plan.Groups, func(g record.Group) bool { return g.PlateauNs > 0 })
}

// loadEnd is the end of the last interval in which lifecycles started, in seconds from the load's start.
func (j *judgement) loadEnd() float64 {
	end := 0.0
	for _, iv := range j.intervals() {
		if iv.Started > 0 {
			end = iv.TS
		}
	}
	return end
}

// lateRate is how many connections a closed loop opened a second in the second half of its time.
func (j *judgement) lateRate() float64 {
	end := j.loadEnd()
	from, opened := 0.0, int64(0)
	for _, iv := range j.intervals() {
		if iv.TS <= end/2 {
			from = iv.TS
		} else if iv.TS <= end {
			opened += iv.Opened
		}
	}
	if end-from < shortestS {
		return 0
	}
	return float64(opened) / (end - from)
}

// outlasts says what would limit the load if it went on at its rate, though nothing did yet. In a short run a rate that cannot last
// looks as good as any.
func (j *judgement) outlasts() {
	r := j.r
	p := &r.Pressure.Ports
	if !j.openLoop() || j.plateaus() || !j.met() || r.Outcomes[sockstate.OutcomeNoLocalPort.String()] > 0 {
		return
	}
	defer j.onHost()()
	rate := j.finalRate()
	if at := p.ExhaustedInS; at > 0 && at >= j.scheduleEnd() {
		pairs := max(p.Pairs, 1)
		keep := j.portKept()
		a := args{
			"rate_per_s": rate, "keep_s": keep.Max.Seconds(), "exactly": keep.Min == keep.Max, "needed": math.Ceil(rate * keep.Max.Seconds()),
			"ports": p.Available, "pairs": pairs, "in_all": p.Available * pairs, "after_s": at,
		}
		if o := p.Predicted; o != nil && o.LatestS > o.EarliestS {
			a["latest_s"] = o.LatestS
		}
		j.because("ports_run_out", a)
		_, orphans := j.orphansLast()
		switch {
		case orphans:
			j.orphanAdvice(rate, keep, pairs)
		case j.clientWaits():
			j.portAdvice(rate, keep.Max.Seconds(), pairs)
		default:
			j.advise("more_addresses", args{"ports": p.Available})
			j.advise("shorter_hold", nil)
		}
	}
	j.bucketsLast(rate)
	if c := r.Pressure.Conntrack; c != nil && c.Limit > 0 && c.Peak*2 > r.Connections.Opened {
		// Unless somebody has changed nf_conntrack_tcp_timeout_time_wait.
		if n := rate * (model.TrackedS + j.holdS()); n > float64(c.Limit) {
			j.because("conntrack_runs_out", args{"rate_per_s": rate, "tracked_s": model.TrackedS, "needed": math.Floor(n), "limit": c.Limit, "after_s": float64(c.Limit) / rate})
			j.advise("raise_conntrack", nil)
		}
	}
}

// bucketsLast says when tcp_max_tw_buckets would be full.
func (j *judgement) bucketsLast(rate float64) {
	tw := &j.r.TimeWait
	n := rate * j.timeWait().Max.Seconds()
	switch h := j.r.Predicted.TimeWait; {
	case h == teardown.HeldByNone.String() || h == "" || tw.MaxBuckets == 0 || tw.Overflow > 0:
		return
	case h == sockstate.Server.String() && j.r.Server == nil:
		return // on a host of which this run knows nothing
	case h == sockstate.Server.String():
		n = min(n, float64(j.search().first*max(j.r.Pressure.Ports.Pairs, 1)))
	default:
		n = min(n, float64(j.r.Pressure.Ports.Available*max(j.r.Pressure.Ports.Pairs, 1)))
	}
	if n <= float64(tw.MaxBuckets) {
		return
	}
	j.because("tw_buckets_run_out", j.timeWaitArgs(args{"rate_per_s": rate, "needed": math.Ceil(n), "limit": tw.MaxBuckets, "after_s": float64(tw.MaxBuckets) / rate}))
	j.advise("raise_tw_buckets", nil)
}

func outlookCodes() []Code {
	const not = "this rate does not last: "
	return []Code{
		found("ports_run_out", "the rate was met, and would use up the local ports if it went on", "more addresses, a wider port range, reuse, or no TIME_WAIT at the client",
			not+"{rate_per_s} connections/s that keep a local port for {keep} each need {needed} ports, and there are {in_all} "+
				"([{ports} for each of {pairs:several} pairs|of the 1 pair]): the first connect finds none after {after_s}[ to {latest_s}]"),
		found("tw_buckets_run_out", "the rate was met, and would fill tcp_max_tw_buckets if it went on", "raise net.ipv4.tcp_max_tw_buckets, or accept it",
			not+"{rate_per_s} closes/s leave up to {needed} TIME_WAITs of {time_wait} each, and tcp_max_tw_buckets is {limit}, full after {after_s}"),
		found("conntrack_runs_out", "the rate was met, and would fill connection tracking if it went on", "raise net.netfilter.nf_conntrack_max, or do not track the load",
			not+"{rate_per_s} connections/s, each tracked for {tracked_s} after its close, take {needed} entries, and nf_conntrack_max is {limit}, full after {after_s}"),
		remedy("shorter_hold", "a shorter --hold", "a shorter --hold"),
	}
}
