package verdict

import (
	"cmp"
	"math"

	"lastack/bench/record"
	"lastack/sockstate"
)

// Outlook predicts how many local ports are in use if the load goes on. Their number grows with every arrival until the first
// TIME_WAITs are over; from then on as many ports come back as are taken (Little's law).
//
//	in use   rate x (hold + TIME_WAIT), or with reuse rate x (hold + tcp_tw_reuse_delay)
//	full     when pairs x ports connections have been opened, if that is less
//
// It does not extrapolate the censuses, which are noisy.
func Outlook(r *record.Run) record.Outlook { return judge(r).outlook() }

// Onset predicts when connect finds no free port for a pair of addresses, if sockets enter TIME_WAIT as fast as they did. It is nil if
// enough ports come back, if none entered it, and for a closed loop, whose rate falls as connect searches for longer.
func Onset(r *record.Run, p *record.PortPair) *record.Onset {
	j := judge(r)
	free := float64(r.Pressure.Ports.Available - p.Earlier)
	if p.EnteredPerS == 0 || free <= 0 || !j.clientWaits() || !j.openLoop() {
		return nil
	}
	return runsOut(free, p.EnteredPerS, j.portKept(), free/p.EnteredPerS)
}

// runsOut is when connect first finds no free port, if each is kept for that long, so many a second are taken, and at is when all are.
//
// TIME_WAITs end in bursts, at the ends of the timer wheel's buckets. Where those lie is not known. So from the shortest life on, ports
// may have come back: one bucket's at most, because a load whose ports all come back never runs out.
func runsOut(ports, rate float64, keep sockstate.Span, at float64) *record.Onset {
	if rate*keep.Max.Seconds() <= ports {
		return nil
	}
	o := &record.Onset{EarliestS: at, LatestS: at}
	if at >= keep.Min.Seconds() {
		o.LatestS += (keep.Max - keep.Min).Seconds()
	}
	return o
}

func (j *judgement) outlook() (o record.Outlook) {
	before, fullAt := j.foundFull()
	defer func() {
		if j.reuses() {
			o.ReuseAfterS = j.reuseDelay().Seconds()
		}
	}()
	p := &j.r.Pressure.Ports
	pairs := max(p.Pairs, 1)
	places, keep := float64(p.Available*pairs), j.portKept()
	observed := j.r.FirstFailureS[sockstate.OutcomeNoLocalPort.String()]
	found := record.Outlook{ExhaustedInS: cmp.Or(observed, fullAt), ObservedS: observed}
	if places == 0 || keep.Max == 0 || j.plateaus() {
		return found
	}
	if !j.openLoop() {
		if found.ExhaustedInS > 0 {
			return found // its rate fell with the ports
		}
		o = j.outlookClosed(keep)
		if o.Predicted != nil {
			o.ExhaustedInS = o.Predicted.EarliestS
		}
		return o
	}
	rate := j.finalRate()
	found.Predicted = runsOut(places, rate, keep, j.filledAt(places))
	switch at := found.Predicted; {
	case at == nil && found.ExhaustedInS == 0:
		found.LevelsOffAt = j.levelsOff(rate*keep.Max.Seconds(), pairs)
	case at == nil:
	case observed > 0:
		at.EarliestS = j.withEarlier(at.EarliestS)
	case fullAt == 0 && at.EarliestS >= j.scheduleEnd() || fullAt > 0 && at.EarliestS > before && at.EarliestS <= fullAt:
		at.EarliestS = j.withEarlier(at.EarliestS)
		found.ExhaustedInS = at.EarliestS
	}
	return found
}

// withEarlier is at, or when the ports are taken that earlier loads' TIME_WAITs left free at the start.
func (j *judgement) withEarlier(at float64) float64 {
	p := &j.r.Pressure.Ports
	if n := j.earlier(); n > 0 {
		return min(at, j.filledAt(float64(max(p.Available-n, 0)*max(p.Pairs, 1))))
	}
	return at
}

// earlier is the most ports of a pair that TIME_WAITs of before the load had.
func (j *judgement) earlier() (n int) {
	for i := range j.r.Pressure.Pairs {
		n = max(n, j.r.Pressure.Pairs[i].Earlier)
	}
	return n
}

// foundFull is when a census first found the fullest pair without a port that connect would take, and when the census before was taken, in
// seconds from the start. Both are 0 if none did.
func (j *judgement) foundFull() (before, at float64) {
	available := j.r.Pressure.Ports.Available
	for _, iv := range j.intervals() {
		if iv.PortsInUse == 0 || iv.Phase == "settle" {
			continue // no census, or one after the load
		}
		if available > 0 && iv.PortsInUse-iv.PortsReusable >= available {
			return before, iv.TS
		}
		before = iv.TS
	}
	return 0, 0
}

// finalRate is the rate of connections at the load's end, a second.
func (j *judgement) finalRate() float64 {
	if !j.openLoop() {
		return j.lateRate()
	}
	_, end := j.scheduledRates()
	return cmp.Or(end, j.r.Rate.TargetPerS)
}

// scheduledRates are the schedule's rates at its start and its end, a second.
func (j *judgement) scheduledRates() (from, to float64) {
	for g := range j.groups() {
		from += g.RateFrom
		to += g.RateTo
	}
	return from, to
}

// slope is a part of a schedule whose rate changes evenly.
type slope struct{ over, from, to float64 }

// slopes are those of an open loop's schedule, as loadgen makes it.
func (j *judgement) slopes() []slope {
	p := &j.r.Plan
	from, to := j.scheduledRates()
	warmup, ramp, over := float64(p.WarmupNs)/1e9, float64(p.RampNs)/1e9, float64(p.DurationNs)/1e9
	if ramp > 0 {
		return []slope{{ramp, 0, from}}
	}
	return []slope{{warmup, from, from}, {over, from, to}}
}

// filledAt is when an open loop has opened n connections, in seconds from its start, if it goes on at its final rate.
func (j *judgement) filledAt(n float64) (at float64) {
	for _, s := range j.slopes() {
		if all := (s.from + s.to) / 2 * s.over; n > all {
			at, n = at+s.over, n-all
			continue
		}
		if n <= 0 {
			return at
		}
		// from t + (to - from) t^2 / 2 over = n
		a := (s.to - s.from) / (2 * s.over)
		if a == 0 {
			return at + n/s.from
		}
		return at + (math.Sqrt(s.from*s.from+4*a*n)-s.from)/(2*a)
	}
	return at + n/j.finalRate()
}

// scheduleEnd is when an open loop's last lifecycle was due to start, in seconds from the load's start.
func (j *judgement) scheduleEnd() float64 {
	n, warmup := j.r.Connections.Scheduled, float64(j.r.Plan.WarmupNs)/1e9
	if w := j.r.Warmup; w != nil {
		n += w.Attempted
	}
	return min(warmup+j.r.LoadS, j.filledAt(float64(n)))
}
