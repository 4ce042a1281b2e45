package verify

import (
	"math"
	"slices"

	"lastack/bench/grid"
	"lastack/bench/record"
	"lastack/sockstate"
)

// tolerance is by how much a prediction may be wrong, as a share.
var tolerance = map[string]float64{
	sockstate.Established.String(): 0.03,
	sockstate.TimeWait.String():    0.02,
	sockstate.FinWait2.String():    0.03,
	sockstate.CloseWait.String():   0.03,
	"local_ports":                  0.02,
	"descriptors":                  0.03,
	"limited_rate":                 0.01,
	"tracked":                      0.02,
}

// slack is by how much a mean of counts may differ besides: they are whole, and a sample may see one connection more or less.
const slack = 1

// latest is by how many seconds a time to exhaustion may be wrong.
const latest = 2.1

// steady compares the populations of the experiment below the limit.
func (e *experiment) steady(run *record.Run) (all []record.CapacityResidual) {
	var window []*record.Interval
	for i := range run.Timeline {
		if iv := &run.Timeline[i]; iv.Phase == "load" && iv.Census() && iv.TS >= e.settled.Seconds() {
			window = append(window, iv)
		}
	}
	if len(window) == 0 {
		return nil
	}
	mean := func(of func(iv *record.Interval) int) float64 {
		sum := 0
		for _, iv := range window {
			sum += of(iv)
		}
		return float64(sum) / float64(len(window))
	}
	count := func(state string) func(side string) float64 {
		return func(side string) float64 {
			return mean(func(iv *record.Interval) int {
				if side == sockstate.Server.String() {
					return iv.Server[state]
				}
				return iv.Client[state]
			})
		}
	}
	held := record.Estimate{}
	for i := range e.predicted.Needs {
		n := &e.predicted.Needs[i]
		p := n.At[0]
		switch n.Name {
		case sockstate.Established.String(), sockstate.FinWait2.String(), sockstate.CloseWait.String(), sockstate.TimeWait.String():
			all = append(all, e.residual(n.Name, n.Side, n.Unit, p, count(n.Name)(n.Side)))
		case "local_ports":
			if e.reuse || e.sources > 1 {
				continue // in use are also those in TIME_WAIT that may be taken over, and of several addresses the same ones
			}
			all = append(all, e.residual(n.Name, n.Side, n.Unit, p, mean(func(iv *record.Interval) int { return iv.PortsInUse })))
		case "tracked":
			if e.tracked == 0 {
				continue
			}
			if mean, ok := e.entries(run); ok {
				all = append(all, e.residual(n.Name, n.Side, n.Unit, p, mean))
			}
		case "descriptors":
			held.Value, held.Lo, held.Hi = held.Value+p.Value, held.Lo+p.Lo, held.Hi+p.Hi
		}
	}
	if base, ok := idleFds(run); ok {
		all = append(all, e.residual("descriptors", "both", "sockets", held, mean(func(iv *record.Interval) int { return iv.Fds - base })))
	}
	return all
}

// idleFds is how many descriptors the process has without a connection: the fewest, as the server may be late to close its ends.
func idleFds(run *record.Run) (n int, ok bool) {
	for i := range run.Timeline {
		if iv := &run.Timeline[i]; iv.Fds > 0 && iv.InFlight == 0 && iv.Client[sockstate.Established.String()]+iv.Server[sockstate.Established.String()]+
			iv.Server[sockstate.CloseWait.String()]+iv.Client[sockstate.CloseWait.String()] == 0 {
			if n == 0 || iv.Fds < n {
				n = iv.Fds
			}
		}
	}
	return n, n > 0
}

// residual is a prediction beside what was measured. Of arrivals by chance, and of times that are known roughly, only the interval is
// predicted.
func (e *experiment) residual(name, side, unit string, p record.Estimate, measured float64) record.CapacityResidual {
	r := record.CapacityResidual{Experiment: e.name, Name: name, Side: side, Unit: unit, Predicted: p, Measured: measured, Tolerance: tolerance[name]}
	if p.Value != 0 {
		r.Error = measured/p.Value - 1
	}
	r.Within = math.Abs(measured-p.Value) <= max(r.Tolerance*p.Value, slack) || measured >= p.Lo && measured <= p.Hi
	return r
}

// exhausted compares what happened above the limit.
func (e *experiment) exhausted(run *record.Run) (all []record.CapacityResidual) {
	first := e.first()
	switch {
	case first == nil:
		return nil
	case first.Name == record.LimitConntrack:
		return e.overflow(run, first)
	case !ofPorts(first):
		return nil
	}
	if first.Name == record.LimitNATPorts {
		if rate, ok := e.limitedRate(run); ok {
			// What the NAT bears is what its ports are divided by.
			p := *first.Reached
			r := e.residual("limited_rate", first.Side, "rate", p, rate)
			const within = 0.02
			r.Tolerance, r.Within = within, math.Abs(r.Error) <= within || rate >= p.Lo && rate <= p.Hi
			all = append(all, r)
		}
		return all
	}
	poisson := e.predicted.Asked.Poisson
	if at, ok := run.FirstFailureS[sockstate.OutcomeNoLocalPort.String()]; ok && first.FullAfterS != nil {
		all = append(all, e.fullAfter(first, at))
	}
	i := slices.IndexFunc(e.predicted.Needs, func(n record.CapacityNeed) bool { return n.Name == "blocked" })
	if i < 0 || e.kept.Max == 0 {
		return all
	}
	blocked := e.predicted.Needs[i].At[0]
	if poisson {
		lost, arrived := e.lost(run)
		// Of so many arrivals the share is farther from Erlang's by chance. They come in clusters: while all ports are taken, each fails.
		chance := 2.58 * math.Sqrt(lost*(1-lost)/arrived*2)
		blocked.Lo, blocked.Hi = max(blocked.Lo-chance, 0), min(blocked.Hi+chance, 1)
		r := e.residual("blocked", first.Side, "share", blocked, lost)
		r.Tolerance, r.Within = chance, lost >= blocked.Lo && lost <= blocked.Hi
		return append(all, r)
	}
	if rate, ok := e.limitedRate(run); ok {
		share := func(blocked float64) float64 { return e.rate * (1 - blocked) }
		p := record.Estimate{Value: share(blocked.Value), Lo: share(blocked.Hi), Hi: share(blocked.Lo)}
		if e.turnsOver() {
			p.Value = p.Hi // the experiment began with all ports free: see port_bursts of package model
		}
		r := e.residual("limited_rate", first.Side, "rate", p, rate)
		r.Within = math.Abs(r.Error) <= r.Tolerance || rate >= p.Lo && rate <= p.Hi
		all = append(all, r)
	}
	return all
}

// overflow compares when the table of a router was full, and how many entries it then had.
func (e *experiment) overflow(run *record.Run, first *record.CapacityLimit) (all []record.CapacityResidual) {
	t := run.Tracking
	if t == nil {
		return nil
	}
	for i := range run.Timeline {
		// The collector drops entries of closed connections when it finds the table nearly full.
		if iv := &run.Timeline[i]; float64(iv.Tracked) >= first.Max*0.999 && first.FullAfterS != nil {
			all = append(all, e.fullAfter(first, iv.TS))
			break
		}
	}
	most := record.Estimate{Value: first.Max, Lo: first.Max, Hi: first.Max}
	return append(all, e.residual("tracked", first.Side, first.Unit, most, float64(t.Peak)))
}

// fullAfter compares when a limit was reached.
func (e *experiment) fullAfter(first *record.CapacityLimit, at float64) record.CapacityResidual {
	p := *first.FullAfterS
	return record.CapacityResidual{
		Experiment: e.name, Name: "full_after", Side: first.Side, Unit: "seconds", Predicted: p, Measured: at, Error: at/p.Value - 1, Tolerance: latest / p.Value,
		Within: math.Abs(at-p.Value) <= latest || at >= p.Lo && at <= p.Hi,
	}
}

// lost is the share of arrivals that found no port, after the first lives of a port.
func (e *experiment) lost(run *record.Run) (share, arrived float64) {
	blocked, started := int64(0), int64(0)
	for i := range run.Timeline {
		if iv := &run.Timeline[i]; iv.TS > e.settled.Seconds() && iv.Phase == "load" {
			started += iv.Started
			blocked += iv.Failures[sockstate.OutcomeNoLocalPort.String()]
		}
	}
	return float64(blocked) / max(float64(started), 1), max(float64(started), 1)
}

// turnsOver reports whether ports come back from TIME_WAIT, in bursts.
func (e *experiment) turnsOver() bool { return e.kept.Min >= sockstate.TimeWaitLength }

// limitedRate is what the ports let through, over whole lives of a port, so that bursts do not count in part.
func (e *experiment) limitedRate(run *record.Run) (perS float64, ok bool) {
	if e.turnsOver() {
		t, ok := grid.TurnoverOf(run.Timeline, e.kept, e.rate, e.ports)
		return t.PerS, ok
	}
	life := e.kept.Max.Seconds()
	lives := math.Floor((e.lasts.Seconds() - life) / life)
	if lives < 1 {
		return 0, false
	}
	// What opens takes a port. The first life begins with all ports free.
	return (openedUntil(run, life*(1+lives)) - openedUntil(run, life)) / (life * lives), true
}

// openedUntil is how many connections were opened in the first seconds of a load. Within an interval they were opened evenly.
func openedUntil(run *record.Run, seconds float64) (opened float64) {
	from := 0.0
	for i := range run.Timeline {
		iv := &run.Timeline[i]
		if iv.TS >= seconds {
			return opened + float64(iv.Opened)*(seconds-from)/(iv.TS-from)
		}
		opened += float64(iv.Opened)
		from = iv.TS
	}
	return opened
}

// named compares what the model calls the first limit with what the run's own verdict does.
func (e *experiment) named(run *record.Run) *record.CapacityNamed {
	n := &record.CapacityNamed{Measured: run.Verdict.LimitedBy}
	if first := e.first(); first != nil {
		n.Predicted = first.Name
	}
	n.Right = n.Predicted == n.Measured
	return n
}

// first is the limit that is reached first at the experiment's rate, nil if none is.
func (e *experiment) first() (first *record.CapacityLimit) {
	for i := range e.predicted.Limits {
		l := &e.predicted.Limits[i]
		if l.FullAfterS != nil && (first == nil || l.FullAfterS.Value < first.FullAfterS.Value) {
			first = l
		}
	}
	return first
}

// entries is the mean number of tracked connections, from when it is steady.
func (e *experiment) entries(run *record.Run) (mean float64, ok bool) {
	sum, n := int64(0), 0
	for i := range run.Timeline {
		if iv := &run.Timeline[i]; iv.Phase == "load" && iv.TS >= e.tracked.Seconds() && iv.TS < (e.tracked+e.scans).Seconds() {
			sum += iv.Tracked
			n++
		}
	}
	return float64(sum) / float64(max(n, 1)), n > 0
}
