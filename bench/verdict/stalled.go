package verdict

import "lastack/bench/record"

const (
	// stalledS is the shortest stretch without an end of a lifecycle that is worth a word, in seconds, and stalledLives how many lives
	// of the slower lifecycles it has to be long: a slow target has stretches too.
	stalledS, stalledLives = 0.9, 2
	// stalledShare is the share of the load's time from which a stretch is what bound the run, and stalledMost from which the
	// run's rates and latencies are of too little of it.
	stalledShare, stalledMost = 0.2, 0.5
)

// stretch is the longest of the load's time in which nothing was completed, though connections were in flight all the time.
type stretch struct{ from, to float64 }

func (s stretch) took() float64 { return s.to - s.from }

func (j *judgement) stretch() (longest stretch) {
	var now stretch
	begin, limit := 0.0, j.r.LoadS
	var inFlight int64 // when the interval began
	for i := range j.r.Timeline {
		iv := &j.r.Timeline[i]
		end := min(iv.TS, limit)
		switch {
		case iv.Phase == "warmup":
			end, limit = iv.TS, iv.TS+j.r.LoadS
		case inFlight == 0 || iv.InFlight == 0 && iv.TS < limit, iv.Completed > 0, iv.Requests > 0:
			now = stretch{}
		case now.to == 0:
			now = stretch{begin, end}
		default:
			now.to = end
		}
		if now.took() > longest.took() {
			longest = now
		}
		inFlight = iv.InFlight
		if begin = end; begin >= limit {
			break
		}
	}
	lives := j.r.Latency["lifecycle"]
	if lives.Count == 0 || longest.took() < stalledS || longest.took() < stalledLives*(lives.P90Us/1e6+j.pauses()) {
		return stretch{}
	}
	return longest
}

// pauses is how long a lifecycle waits of its own, in seconds: its latency is without that.
func (j *judgement) pauses() (s float64) {
	for g := range j.groups() {
		s = max(s, float64(g.HoldNs+g.PlateauNs+g.ThinkNs*max(int64(g.Requests), 1))/1e9)
	}
	return s
}

// stalled judges a target that answered nobody for part of the run.
func (j *judgement) stalled() bool {
	s := j.stretch()
	if s.took() < stalledShare*j.r.LoadS || s.took() == 0 {
		return false
	}
	return j.limit(record.LimitServer, s.took() < stalledMost*j.r.LoadS, "stalled", j.stalledArgs(s), "look_at_stall")
}

// stalledBriefly says of a stretch that did not bind the run.
func (j *judgement) stalledBriefly() {
	if s := j.stretch(); s.took() > 0 && !j.haltedLong() && s.took() < stalledShare*j.r.LoadS {
		j.because("stalled_briefly", j.stalledArgs(s))
	}
}

func (j *judgement) stalledArgs(s stretch) args {
	return args{"took_s": s.took(), "load_s": j.r.LoadS, "from_s": s.from, "to_s": s.to}
}

func stalledCodes() []Code {
	const words = "no lifecycle was completed for {took_s} of {load_s} of load, from {from_s} to {to_s}, with connections in flight: " +
		"the rates are of all that time, the latencies of those that ended"
	return []Code{
		found("stalled", "the target answered nobody for a fifth of the load's time or more", "look at what it did then", words),
		found("stalled_briefly", "the target answered nobody for a while", "look at what it did then", words),
		remedy("look_at_stall", "look at what the target did when it answered nobody",
			"look at what the target did then (the timeline has the time); a shorter --request-timeout counts those requests as failed"),
	}
}
