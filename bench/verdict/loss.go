package verdict

import (
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
)

const (
	// synWaitS and segmentWaitS are what a segment that is lost costs, in seconds, half of it where both ends count: the first
	// SYN again comes after 1 s (TCP_TIMEOUT_INIT), another segment after 200 ms at the least (TCP_RTO_MIN), if no probe is sooner.
	synWaitS, segmentWaitS = 0.5, 0.1
	// lossy is the share of the connections' time from which waiting for lost segments bounds a load.
	lossy = 0.5
)

// resent is how many segments were sent again, SYNs and others. Outside a sandbox they are everybody's in this namespace.
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

// loss: the connections waited for segments that were lost on the way.
func (j *judgement) loss() bool {
	if j.openLoop() && j.met() || !j.waitsForLoss() {
		return false
	}
	j.limit(record.LimitNetwork, true, "%s", j.lossWords())
	if j.r.Sandbox.Loss != "" {
		j.advise("less --loss, or more --connections, which fill the wait")
		return true
	}
	j.advise("look for the place that drops packets: ip -s link, tc -s qdisc, a firewall's counters; more --connections fill the wait")
	return true
}

// lossWords says what was sent again and what that cost.
func (j *judgement) lossWords() string {
	syns, others := j.resent()
	life := j.r.Latency["lifecycle"]
	var b strings.Builder
	if l := j.r.Sandbox.Loss; l != "" {
		b.WriteString("packets were dropped on purpose (--loss " + l + "): ")
	}
	b.WriteString(quantity.Count(syns) + " SYNs or their answers had to be sent again, after 1 s and more, and " +
		quantity.Count(others) + " other segments, after 200 ms where no probe was sooner")
	if j.r.Sandbox.Mode == "off" {
		b.WriteString(" (everybody's in this namespace)")
	}
	if life.Count > 0 {
		b.WriteString(": a lifecycle took " + quantity.Micros(life.P50Us) + " at the median, and " + quantity.Micros(life.MeanUs) + " on average")
	}
	return b.String()
}
