package verdict

import (
	"math"
	"strconv"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/sockstate"
)

// throttledShare is the share of a quota's periods that must have ended with threads waiting for it to bind a run.
const throttledShare = 0.25

// throttled reports whether the control group's CPU quota kept threads of this process from running.
func (j *judgement) throttled() bool {
	c := j.r.Pressure.CPU
	return c.QuotaPeriods > 0 && float64(c.Throttled) >= throttledShare*float64(c.QuotaPeriods)
}

// quota: this process had less than the machine's CPUs.
func (j *judgement) quota() bool {
	for i := range j.r.Plan.Groups {
		if j.r.Plan.Groups[i].PlateauNs > 0 {
			return false // it took longer, and holds what was asked for
		}
	}
	if !j.throttled() || j.openLoop() && j.met() && j.r.Latency["lag"].P99Us <= lateP99Us {
		return false
	}
	j.limit(record.LimitCPUQuota, j.shared() && !j.openLoop(), "the CPU quota of this process's control group bound it: %s", j.quotaWords())
	j.advise("raise the quota (cpu.max, cpu.cfs_quota_us; --cpus of docker, limits.cpu of a pod, CPUQuota= of systemd), or run outside of it")
	return true
}

// quotaWords is "0.5 CPUs, and in 38 of 40 periods threads waited for the next, 1.2 s in all".
func (j *judgement) quotaWords() string {
	c := j.r.Pressure.CPU
	s := "in " + quantity.Count(c.Throttled) + " of " + quantity.Count(c.QuotaPeriods) + " periods threads waited for the next, " + quantity.Seconds(c.ThrottledS) + " in all"
	if c.Quota > 0 {
		s = strconv.FormatFloat(math.Round(c.Quota*100)/100, 'f', -1, 64) + " CPUs, and " + s
	}
	return s
}

// cgroupMemory: the control group had no memory for a socket.
func (j *judgement) cgroupMemory() bool {
	n, m := j.r.Outcomes[sockstate.OutcomeNoMemory.String()], j.r.Pressure.Memory
	if m.CgroupLimitBytes == 0 || m.CgroupOOM == 0 && (n == 0 || m.CgroupHits == 0) {
		return false
	}
	j.limit(record.LimitMemory, false, "the memory limit of this process's control group (%s) was reached %s times, and %s times nothing could be freed; %s attempts failed with ENOBUFS or ENOMEM",
		quantity.Bytes(m.CgroupLimitBytes), quantity.Count(m.CgroupHits), quantity.Count(m.CgroupOOM), quantity.Count(n))
	j.advise("raise the limit (memory.max, memory.limit_in_bytes; --memory of docker, limits.memory of a pod), or hold fewer connections")
	return true
}
