package verdict

import (
	"fmt"

	"lastack/bench/quantity"
	"lastack/bench/record"
)

// haltedShare is the share of a run that the load may not have run, before the result says more about that.
const haltedShare = 0.05

// halted: this program was stopped for a part of the run.
func (j *judgement) halted() bool {
	// No gap fills tcp_max_tw_buckets. In open loop it makes arrivals late, which is the generator's fault first.
	if !j.haltedLong() || !j.openLoop() && j.r.TimeWait.Overflow > 0 {
		return false
	}
	j.limit(record.LimitHalted, false, "%s", j.haltedWords())
	j.advise("run it again, and let it run: rates and times hold the gap")
	return true
}

func (j *judgement) haltedLong() bool {
	g := j.r.Generator
	return g != nil && g.HaltedS+g.SuspendedS >= haltedShare*j.r.ElapsedS
}

// haltedBriefly says of gaps that take little of the run.
func (j *judgement) haltedBriefly() {
	if j.haltedLong() && j.v.LimitedBy != record.LimitHalted {
		j.v.Valid = false
		j.because("%s: rates and times hold the gap", j.haltedWords())
	}
	if j.r.Generator != nil && !j.haltedLong() {
		j.because("%s: too little of the run to spoil its rates, but the slowest times may be from then", j.haltedWords())
	}
}

func (j *judgement) haltedWords() string {
	g := j.r.Generator
	var s string
	if g.Halts > 0 {
		times := "once"
		if g.Halts > 1 {
			times = fmt.Sprintf("%s times, the longest %s", quantity.Count(int64(g.Halts)), quantity.Seconds(g.LongestHaltS))
		}
		s = fmt.Sprintf("the load stood still for %s of %s (%s): this program was stopped", quantity.Seconds(g.HaltedS), quantity.Seconds(j.r.ElapsedS), times)
	}
	if g.SuspendedS > 0 {
		if s != "" {
			s += "; "
		}
		s += "the machine was suspended for " + quantity.Seconds(g.SuspendedS)
	}
	return s
}
