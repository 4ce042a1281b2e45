package verdict

import (
	"iter"
	"slices"

	"lastack/bench/record"
	"lastack/sockstate"
)

// Judge says what limited a run, and whether it is a statement about the target. It is a pure function of the record.
//
// Each rule checks one limit, and the first that applies names it. Then Judge adds what the target did with its connections, what would
// limit the load next, and whether the numbers add up.
func Judge(r *record.Run) record.Verdict {
	j := judge(r)
	switch {
	case r.Drain != nil:
		j.drain()
	case r.Capacity != nil:
		j.plan()
	case r.Handshake != nil:
		// It was watched, and stands for nothing else.
	case len(r.Shards) > 0:
		j.shards()
	default:
		j.run()
	}
	reasons, advice := sentences(j.v.Findings)
	j.v.Reasons, j.v.Advice = append(j.v.Reasons, reasons...), advice
	return j.v
}

func (j *judgement) run() {
	for _, rule := range []func() bool{
		j.nothing, j.ports, j.descriptors, j.cgroupMemory, j.memory, j.conntrack, j.router, j.quota, j.halted, j.lateness, j.capped, j.buckets, j.queues,
		j.failures, j.plateau, j.held, j.portSearch, j.loss, j.stalled, j.cpu, j.rate, j.slots,
	} {
		if rule() {
			break
		}
	}
	j.haltedBriefly()
	j.stalledBriefly()
	j.closes()
	j.replies()
	j.greetings()
	j.noReplies()
	j.outlasts()
	j.fewCompleted()
	j.accounting()
	if j.r.Interrupted {
		j.v.LimitedBy = record.LimitInterrupted
		j.v.Findings = slices.Insert(j.v.Findings, 0, record.Finding{Code: "interrupted", Args: args{"after_s": j.r.ElapsedS}.plain()})
	}
}

type judgement struct {
	r *record.Run
	v record.Verdict
	// host is the client's, nil if unknown: of several hosts the one whose local ports come back last. hostN is its place in Run.Hosts
	// from 1, 0 if all are alike; about is hostN while a rule judges by it.
	host         *record.Host
	hostN, about int
}

func judge(r *record.Run) *judgement {
	j := &judgement{r: r, v: record.Verdict{Valid: true, Reasons: []string{}}}
	for i := range r.Hosts {
		at := judgement{r: r, host: &r.Hosts[i]}
		switch keeps := at.portKept().Max; {
		case j.host == nil:
			j.host = at.host
		case keeps > j.portKept().Max:
			j.host, j.hostN = at.host, i+1
		case keeps < j.portKept().Max && j.hostN == 0:
			j.hostN = 1 // the hosts before are alike
		}
	}
	return j
}

// onHost has findings name the host by which they judge, until what it returns is called.
func (j *judgement) onHost() func() {
	j.about = j.hostN
	return func() { j.about = 0 }
}

// limit names what limited the run, and remedies for it. It returns true: the rule that calls it is the one that applies.
func (j *judgement) limit(by string, valid bool, code string, a args, remedies ...string) bool {
	j.v.LimitedBy = by
	j.v.Valid = j.v.Valid && valid
	j.because(code, a)
	for _, r := range remedies {
		j.advise(r, nil)
	}
	return true
}

func (j *judgement) because(code string, a args) {
	j.v.Findings = append(j.v.Findings, record.Finding{Code: code, Args: a.plain(), Host: j.about})
}

func (j *judgement) advise(code string, a args) {
	j.v.Findings = append(j.v.Findings, record.Finding{Code: code, Args: a.plain(), Remedy: true, Host: j.about})
}

// outcome is the number of lifecycles with that outcome.
func (j *judgement) outcome(o sockstate.Outcome) int64 { return j.r.Outcomes[o.String()] }

// groups yields the plan's groups, each with its result.
func (j *judgement) groups() iter.Seq2[*record.Group, *record.Result] {
	return func(yield func(*record.Group, *record.Result) bool) {
		for i := range j.r.Plan.Groups {
			if !yield(&j.r.Plan.Groups[i], j.resultOf(i)) {
				return
			}
		}
	}
}

// intervals yields the intervals of the timeline, each with its start in seconds.
func (j *judgement) intervals() iter.Seq2[float64, *record.Interval] {
	return func(yield func(float64, *record.Interval) bool) {
		from := 0.0
		for i := range j.r.Timeline {
			if !yield(from, &j.r.Timeline[i]) {
				return
			}
			from = j.r.Timeline[i].TS
		}
	}
}

func (j *judgement) openLoop() bool { return j.r.Rate.TargetPerS > 0 }

// shared reports whether generator and server have the same CPUs.
func (j *judgement) shared() bool { return j.r.Server != nil }

func (j *judgement) nothing() bool {
	if j.r.Connections.Attempted > 0 {
		return false
	}
	return j.limit(record.LimitUnknown, false, "nothing_attempted", nil)
}

// fewCompleted: rates and latencies of the few that did not fail say little of the others.
func (j *judgement) fewCompleted() {
	c := j.r.Connections
	if c.Attempted == 0 || c.Failed*10 < c.Attempted*9 || !j.v.Valid {
		return
	}
	j.v.Valid = false
	j.because("few_completed", args{"not_failed": c.Attempted - c.Failed, "attempted": c.Attempted})
}

// accounting: a ledger that does not close makes every number doubtful.
func (j *judgement) accounting() {
	for _, c := range j.r.Accounting {
		if !c.OK && c.Exact {
			j.v.Valid = false
			j.because("accounting_mismatch", args{"name": c.Name, "min": c.Want.Min, "max": c.Want.Max, "got": c.Got})
		}
	}
}

func generalCodes() []Code {
	return []Code{
		found("interrupted", "a signal ended the run before its time", "run it again if the part until then is not enough",
			"stopped by a signal after {after_s}: what follows is the part until then"),
		found("nothing_attempted", "no lifecycle began in the measured time", "run for longer, or with a shorter --warmup",
			"no lifecycle was attempted in the measured time"),
		found("few_completed", "nine in ten lifecycles failed, so that rates and latencies are of too few", "find out why they failed first: the other findings say",
			"rates and latencies are of the {not_failed} of {attempted} lifecycles that did not fail: too few to speak for the target"),
		found("accounting_mismatch", "two counts that must agree do not, so that no number can be trusted", "report it as a bug of lastack, with the record",
			"the accounting does not close: {name} should be {range}, and is {got}"),
	}
}
