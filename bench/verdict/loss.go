package verdict

import "lastack/bench/record"

const (
	// synWaitS and segmentWaitS are what a segment that is lost costs, in seconds, half of it where both ends count: the first
	// SYN again comes after 1 s (TCP_TIMEOUT_INIT), another segment after 200 ms at the least (TCP_RTO_MIN), if no probe is sooner.
	synWaitS, segmentWaitS = 0.5, 0.1
	// lossy is the share of the connections' time from which waiting for lost segments bounds a load.
	lossy = 0.5
)

// resent is how many segments were sent again, SYNs and others. Outside a sandbox they are those of all sockets in this namespace.
func (j *judgement) resent() (syns, others int64) {
	syns = j.r.Counters["TcpExtTCPSynRetrans"]
	return syns, max(j.r.Counters["TcpRetransSegs"]-syns, 0)
}

// waitsForLoss reports whether connections spent their time waiting for segments that had to be sent again.
func (j *judgement) waitsForLoss() bool {
	syns, others := j.resent()
	c, life := j.r.Connections, j.r.Latency["lifecycle"]
	if (syns+others)*200 < c.Attempted {
		return false
	}
	waited := synWaitS*float64(syns) + segmentWaitS*float64(others)
	// Of most that failed there is no lifecycle; a slow one raises the average, and leaves the median as it is.
	spent := float64(life.Count) * life.MeanUs / 1e6
	return waited >= lossy*spent && life.MeanUs >= 2*life.P50Us
}

// loss judges a load whose connections waited for lost segments.
func (j *judgement) loss() bool {
	if j.openLoop() && j.met() || !j.waitsForLoss() {
		return false
	}
	remedy := "find_loss"
	if j.r.Sandbox.Loss != "" {
		remedy = "less_loss"
	}
	return j.limit(record.LimitNetwork, true, "segments_lost", j.lossArgs(), remedy)
}

// lossArgs are what was sent again, and what that cost.
func (j *judgement) lossArgs() args {
	syns, others := j.resent()
	a := args{"syns": syns, "others": others, "everybodys": j.r.Sandbox.Mode == "off"}
	if l := j.r.Sandbox.Loss; l != "" {
		a["on_purpose"] = l
	}
	if life := j.r.Latency["lifecycle"]; life.Count > 0 {
		a["lifecycle_p50_us"], a["lifecycle_mean_us"] = life.P50Us, life.MeanUs
	}
	return a
}

func lossCodes() []Code {
	return []Code{
		found("segments_lost", "connections spent their time waiting for segments that were lost and sent again", "find who drops packets, or more --connections, which fill the wait",
			"[packets were dropped on purpose (--loss {on_purpose}): ]{syns} SYNs or SYN-ACKs were retransmitted, after 1 s or more, and {others} other segments, after 200 ms unless a "+
				"probe came sooner[ (of all sockets in this namespace){?everybodys}][: a lifecycle took {lifecycle_p50_us} at the median, and {lifecycle_mean_us} on average]"),
		remedy("less_loss", "lose fewer packets on purpose", "less --loss, or more --connections, which fill the wait"),
		remedy("find_loss", "find who drops packets",
			"look for the place that drops packets: ip -s link, tc -s qdisc, a firewall's counters; more --connections fill the wait"),
	}
}
