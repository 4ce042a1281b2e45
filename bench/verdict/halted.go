package verdict

import "lastack/bench/record"

// haltedShare is the share of a run that the load may not have run, before the result says more about that.
const haltedShare = 0.05

// halted judges a run in which this program was stopped for part of the time.
func (j *judgement) halted() bool {
	// No gap fills tcp_max_tw_buckets. In open loop it makes arrivals late, which is the generator's fault first.
	if !j.haltedLong() || !j.openLoop() && j.r.TimeWait.Overflow > 0 {
		return false
	}
	return j.limit(record.LimitHalted, false, "halted", j.haltedArgs(), "let_it_run")
}

func (j *judgement) haltedLong() bool {
	g := j.r.Generator
	return g != nil && g.HaltedS+g.SuspendedS >= haltedShare*j.r.ElapsedS
}

// haltedBriefly says of gaps that take little of the run.
func (j *judgement) haltedBriefly() {
	if j.haltedLong() && j.v.LimitedBy != record.LimitHalted {
		j.v.Valid = false
		j.because("halted_too", j.haltedArgs())
	}
	if j.r.Generator != nil && !j.haltedLong() {
		j.because("halted_briefly", j.haltedArgs())
	}
}

func (j *judgement) haltedArgs() args {
	g := j.r.Generator
	a := args{"elapsed_s": j.r.ElapsedS}
	if g.Halts > 0 {
		a["times"], a["halted_s"], a["longest_s"] = g.Halts, g.HaltedS, g.LongestHaltS
	}
	if g.SuspendedS > 0 {
		a["suspended_s"] = g.SuspendedS
	}
	return a
}

func haltedCodes() []Code {
	const (
		stood     = "the load stood still for {halted_s} of {elapsed_s} "
		stopped   = ": this program was stopped"
		suspended = "the machine was suspended for {suspended_s}"
		halted    = "[" + stood + "({times:several} times, the longest {longest_s})" + stopped + "|" + stood + "(once{?times})" + stopped + "]" +
			"[{?times}; " + suspended + "|" + suspended + "]"
	)
	return []Code{
		found("halted", "this program did not run for a part of the time, stopped or suspended", "run it again, and let it run", halted),
		found("halted_too", "this program did not run for a part of the time, beside what bound the run", "run it again, and let it run",
			halted+": rates and times include the gap"),
		found("halted_briefly", "this program did not run for a short while, which spoils no rate", "do not rely on the slowest times",
			halted+": too little of the run to spoil its rates, but the slowest times may be from then"),
		remedy("let_it_run", "repeat it without a halt", "run it again, and let it run: rates and times include the gap"),
	}
}
