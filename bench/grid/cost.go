package grid

import (
	"time"

	"lastack/bench/sweep"
	"lastack/loadgen"
	"lastack/sockstate/exchange"
)

const (
	// shareOfCPUs is the share of the CPUs that runs side by side may keep busy, so that none is slowed down by the others.
	shareOfCPUs = 0.5
	// aloneFrom is the share of them from which a run needs the machine for itself.
	aloneFrom = 0.25
	// maxSideBySide bounds the processes of a sweep.
	maxSideBySide = 16

	// lifecycleCPU is the CPU time of a connection, both ends and the kernel, with an exchange of a byte each way, and exchangeCPU that of
	// one more. Measured on loopback: 50 to 80 and 15 us. Across a veth pair and with few free ports it is more.
	lifecycleCPU = 120 * time.Microsecond
	exchangeCPU  = 25 * time.Microsecond
	// ownCPU is the share of a CPU of a run that does nothing: its samples.
	ownCPU = 0.03
	// around is the time to make a sandbox, to settle and to end.
	around = time.Second
	// closedRate is how fast a closed loop without a duration is thought to be, per second.
	closedRate = 5000
)

// cost estimates what a run of a cell takes.
func (r *Setup) cost(c *Cell) sweep.Cost {
	if c.Refused != "" {
		return sweep.Cost{}
	}
	if r.Find != "" {
		return r.searchCost(c)
	}
	return planCost(&c.Setup.Plan, c.Setup.Settle, r.Facts.Run.Host.UsableCPUs())
}

func planCost(p *loadgen.Plan, settle time.Duration, cpus float64) sweep.Cost {
	g := &p.Groups[0]
	cost := sweep.Cost{Took: around + min(settle, 2*time.Minute) + p.Warmup + g.Hold, CPUs: ownCPU}
	load := p.Duration
	rate := max(g.RateFrom, g.RateTo)
	switch {
	case g.Plateau > 0:
		load = g.Plateau + seconds(float64(g.Connections)/closedRate)
		if g.CloseRate > 0 {
			load += seconds(float64(g.Connections) / g.CloseRate)
		}
	case p.Duration == 0 && rate > 0:
		load = seconds(float64(p.Count) / rate)
	case p.Duration == 0:
		load = seconds(float64(p.Count) / closedRate)
	}
	cost.Took += load
	each := lifecycleCPU + time.Duration(max(g.Exchanges()-1, 0))*exchangeCPU
	if g.Exchange.Kind == exchange.Echo {
		each += time.Duration(g.Exchange.Request+g.Exchange.Response) * time.Nanosecond
	}
	cost.CPUs += rate * each.Seconds()
	cost.Alone = rate == 0 || g.Plateau > 0 || cost.CPUs > aloneFrom*cpus
	return cost
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
