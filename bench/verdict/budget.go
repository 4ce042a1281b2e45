package verdict

import (
	"cmp"

	"lastack/bench/model"
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
	return model.RunsOut(free, p.EnteredPerS, j.portKept(), free/p.EnteredPerS)
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
			found.Predicted = j.onsetClosed(keep) // its rate fell with the ports
			return found
		}
		o = j.outlookClosed(keep, j.atEnd())
		if o.Predicted != nil {
			o.ExhaustedInS = o.Predicted.EarliestS
		}
		return o
	}
	rate := j.finalRate()
	found.Predicted = model.RunsOut(places, rate, keep, j.filledAt(places))
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
	end := 0.0
	for g := range j.groups() {
		end += g.RateTo
	}
	return cmp.Or(end, j.r.Rate.TargetPerS)
}

// filledAt is when an open loop has opened n connections, in seconds from its start, if it goes on at its final rate.
func (j *judgement) filledAt(n float64) float64 {
	schedule := j.r.Plan.Schedule()
	at, more := schedule.When(n)
	if more > 0 {
		at += more / j.finalRate()
	}
	return at
}

// scheduleEnd is when an open loop's last lifecycle was due to start, in seconds from the load's start.
func (j *judgement) scheduleEnd() float64 {
	n, warmup := j.r.Connections.Scheduled, float64(j.r.Plan.WarmupNs)/1e9
	if w := j.r.Warmup; w != nil {
		n += w.Attempted
	}
	return min(warmup+j.r.LoadS, j.filledAt(float64(n)))
}
