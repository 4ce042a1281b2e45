package verdict

import (
	"slices"
	"strconv"

	"lastack/bench/record"
	"lastack/bench/shard"
)

// lateStart is how much later than the common moment a shard may start, in seconds, before it is named.
const lateStart = 1e-3

// shards says of a merged run whether it is one load: all parts of it, at the same time, each valid by itself. What makes it invalid comes first.
func (j *judgement) shards() {
	stopped := j.stopped()
	if len(stopped) > 0 {
		j.v.Valid = false
		j.because("shards_stopped", args{}.of(stopped))
	}
	if missing := j.r.ShardsMissing; len(missing) > 0 {
		j.v.Valid = false
		j.because("shards_missing", args{}.of(missing))
	}
	if absent := j.r.Shards[0].Absent; len(absent) > 0 {
		j.because("shards_absent", args{}.of(absent))
	}
	for i := range j.r.Shards {
		s := &j.r.Shards[i]
		a := args{"shard": s.I}
		if !s.Verdict.Valid {
			j.v.Valid = false
			if len(s.Verdict.Reasons) > 0 {
				a["why"] = s.Verdict.Reasons[0]
			}
			j.because("shard_invalid", a)
		}
	}
	j.limitOfShards()
	for i := range j.r.Shards {
		s := &j.r.Shards[i]
		if late := float64(s.StartSkewUs) / 1e6; late > lateStart {
			j.because("shard_late", args{"shard": s.I, "late_s": late, "full": s.Pressure.CPU.GeneratorBusiest > 0.9})
		}
	}
	if apart, known := j.apart(); len(j.r.Shards) == 1 {
		// Nothing that it could be apart from.
	} else if known {
		j.because("shards_together", args{"shards": len(j.r.Shards), "apart_s": apart})
	} else {
		j.because("shards_unsynchronized", nil)
	}
	j.accounting()
	if j.r.Interrupted {
		j.v.LimitedBy = record.LimitInterrupted
		if len(stopped) == 0 {
			j.v.Findings = slices.Insert(j.v.Findings, 0, record.Finding{Code: "interrupted", Args: args{"after_s": j.r.ElapsedS}.plain()})
		}
	}
}

// stopped lists the shards that a signal ended before the others.
func (j *judgement) stopped() (some []int) {
	for i := range j.r.Shards {
		if j.r.Shards[i].Interrupted {
			some = append(some, j.r.Shards[i].I)
		}
	}
	if len(some) == len(j.r.Shards) {
		return nil
	}
	return some
}

// limitOfShards names what limited most shards, of two that limited as many the one of the lower number. That the target rate was met is a limit only
// if it was for all.
func (j *judgement) limitOfShards() {
	by := map[string][]int{}
	limit := record.LimitTarget
	for i := range j.r.Shards {
		s := &j.r.Shards[i]
		l := s.Verdict.LimitedBy
		by[l] = append(by[l], s.I)
	}
	for i := range j.r.Shards {
		if l := j.r.Shards[i].Verdict.LimitedBy; l != record.LimitTarget && len(by[l]) > len(by[limit]) || limit == record.LimitTarget {
			limit = l
		}
	}
	j.v.LimitedBy = limit
	if n := len(by[limit]); n == len(j.r.Shards) || limit == record.LimitInterrupted {
		return // it is said by itself
	}
	a := args{"of": j.r.Shards[0].N - 1}.of(by[limit])
	if l, ok := record.LimitNamed(limit); ok {
		a["words"] = l.Words
	}
	j.because("shards_limited", a)
}

// apart is how far from each other the shards can have started, in seconds: by how much later each was than its clock said, and how wrong that may
// be. It is not known unless they agreed on a moment.
func (j *judgement) apart() (most float64, known bool) {
	first, last := 0.0, 0.0
	for i := range j.r.Shards {
		s := &j.r.Shards[i]
		if s.StartAt == nil || s.N > 1 && s.I > 0 && s.ClockUncertaintyUs == 0 {
			return 0, false
		}
		late, unsure := float64(s.StartSkewUs), float64(s.ClockUncertaintyUs)
		if i == 0 {
			first, last = late-unsure, late+unsure
		}
		first, last = min(first, late-unsure), max(last, late+unsure)
	}
	return (last - first) / 1e6, true
}

// of names shards in a finding's arguments.
func (a args) of(shards []int) args {
	var all []any
	for _, n := range shards {
		all = append(all, strconv.Itoa(n))
	}
	a["shards"], a["which"], a["one"] = all, shard.Names(shards), len(all) == 1
	return a
}

func shardCodes() []Code {
	const (
		again = "repeat the run with all shards"
		which = "{which}"
	)
	return []Code{
		found("shards_limited", "not all shards of a run had the same limit", "look at the shards that did, and their hosts", "[{words}|another limit than the others]: "+which+"[, of 0 to {of}]"),
		found("shards_missing", "shards that took part are not in the merged record", "merge all of them", which+" took part, and [is{?one}|are] missing here: counts and rates are of the others only"),
		found("shards_absent", "shards did not come to the rendezvous, and the others began without them", again, which+" did not come, so that the load was smaller than asked for"),
		found("shards_stopped", "a signal ended some shards, and not the others", again, which+" [was{?one}|were] stopped by a signal and the others were not, so that the load became smaller"),
		found("shard_invalid", "a shard's result is no statement about the target", "see that shard's verdict", "shard {shard} is not valid[: {why}]"),
		found("shard_late", "a shard started later than the others", "a faster or less busy host for that shard", "shard {shard} was late by {late_s}[: its generator's CPU was full{?full}]"),
		found("shards_together", "how far apart the shards can have started", "nothing", "all {shards} shards started within {apart_s} of each other"),
		found("shards_unsynchronized", "the shards did not compare their clocks", "--rendezvous HOST:PORT for all of them", "the shards did not compare their clocks, so that it is not known how far apart they started"),
	}
}
