package verdict

import (
	"strings"

	"lastack/bench/record"
)

// haltedShare is the share of a run that the load may not have run, before the result says more about that.
const haltedShare = 0.05

// halted judges a run in which this program was stopped for part of the time.
func (j *judgement) halted() bool {
	// No gap fills tcp_max_tw_buckets. In open loop it makes arrivals late, which is the generator's fault first.
	if !j.haltedLong() || !j.openLoop() && j.r.TimeWait.Overflow > 0 {
		return false
	}
	j.limit(record.LimitHalted, false, "halted", j.haltedArgs())
	j.advise("let_it_run", nil)
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

func haltedWords(a args) string {
	var parts []string
	if n := a.integer("times"); n > 0 {
		times := "once"
		if n > 1 {
			times = a.count("times") + " times, the longest " + a.seconds("longest_s")
		}
		parts = append(parts, "the load stood still for "+a.seconds("halted_s")+" of "+a.seconds("elapsed_s")+" ("+times+"): this program was stopped")
	}
	if a.has("suspended_s") {
		parts = append(parts, "the machine was suspended for "+a.seconds("suspended_s"))
	}
	return strings.Join(parts, "; ")
}

func haltedCodes() []Code {
	return []Code{
		found("halted", "this program did not run for a part of the time, stopped or suspended", "run it again, and let it run", haltedWords),
		found("halted_too", "this program did not run for a part of the time, beside what bound the run", "run it again, and let it run", func(a args) string { return haltedWords(a) + ": rates and times include the gap" }),
		found("halted_briefly", "this program did not run for a short while, which spoils no rate", "do not rely on the slowest times", func(a args) string {
			return haltedWords(a) + ": too little of the run to spoil its rates, but the slowest times may be from then"
		}),
		remedy("let_it_run", "repeat it without a halt", fixed("run it again, and let it run: rates and times include the gap")),
	}
}
