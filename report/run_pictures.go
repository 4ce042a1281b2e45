package report

import (
	"maps"
	"math"
	"slices"

	"lastack/bench/record"
	"lastack/report/document"
)

// runPictures draws how a run went.
func runPictures(run *record.Run) *section {
	if !sampled(run) {
		s := pictures(percentiles(run.Latency), agesPicture(run), cpuPicture(run), limitsPicture(run))
		if s != nil {
			s.say(document.Data, sampleMore(run))
		}
		return s
	}
	counted := withCensus(run)
	s := pictures(
		ratePicture(run), exchangesPicture(run), failuresPicture(run), latencyPicture(run), percentiles(run.Latency),
		inFlightPicture(run), statesPicture(counted, "client", func(iv *record.Interval) map[string]int { return iv.Client }),
		statesPicture(counted, "server", func(iv *record.Interval) map[string]int { return iv.Server }),
		timeWaitPicture(counted), agesPicture(run), portsPicture(counted), searchPicture(run), descriptorsPicture(counted), orphansPicture(counted), queuePicture(counted), memoryPicture(counted),
		troublePicture(run), cpuPicture(run),
	)
	if s == nil {
		return nil
	}
	for _, b := range s.Blocks {
		// A phase may begin between two censuses.
		if p, ok := b.(*document.Picture); ok && p.X.Name == timeAxis {
			p.Phases = phases(run)
		}
	}
	return s
}

// withCensus is a run with those intervals of its timeline that ended with a census. What it counts is drawn from one census to the next.
func withCensus(run *record.Run) *record.Run {
	counted := *run
	counted.Timeline = slices.DeleteFunc(slices.Clone(run.Timeline), func(iv record.Interval) bool { return !iv.Census() })
	return &counted
}

func ratePicture(run *record.Run) *document.Picture {
	p := over(run, "p-rate", "Rate", "Connections opened, completed and failed per second in each interval.", document.Lines, document.PerSecond)
	curve(p, run, "opened", document.Things, 1, func(iv *record.Interval) float64 { return float64(iv.Opened) })
	curve(p, run, "completed", document.Things, 3, func(iv *record.Interval) float64 { return float64(iv.Completed) })
	curve(p, run, "failed", document.Things, 2, func(iv *record.Interval) float64 { return float64(iv.Failed) })
	switch due := schedule(&run.Plan); {
	case due != nil:
		before := 0.0
		c := document.Curve{Name: "asked for", Unit: document.Things, Goal: true}
		for _, at := range p.At {
			c.Points = append(c.Points, math.Round(1e3*(due(at)-due(before)))/1e3)
			before = at
		}
		p.Curves = append(p.Curves, c)
	case run.Rate.TargetPerS > 0:
		p.Limits = append(p.Limits, document.Limit{Name: "asked for", At: run.Rate.TargetPerS})
	}
	return p
}

// schedule is how many connections were to be opened by a time, in seconds; nil if their rate was not to change.
func schedule(plan *record.Plan) func(at float64) float64 {
	if len(plan.Groups) != 1 || plan.Groups[0].PlateauNs > 0 {
		return nil
	}
	s := plan.Schedule()
	if !s.Changes() {
		return nil
	}
	most := math.Inf(1)
	if plan.Count > 0 { // it ends the load, and the schedule has more than that
		most = s.Due(float64(plan.WarmupNs)/1e9) + float64(plan.Count)
	}
	return func(at float64) float64 { return min(s.Due(at), most) }
}

// exchangesPicture is of connections that have several.
func exchangesPicture(run *record.Run) *document.Picture {
	var requests, completed int64
	for i := range run.Timeline {
		requests, completed = requests+run.Timeline[i].Requests, completed+run.Timeline[i].Completed
	}
	if requests < completed*3/2 {
		return nil
	}
	p := over(run, "p-exchanges", "Exchanges", "Exchanges completed per second in each interval.", document.Lines, document.PerSecond)
	curve(p, run, "exchanges", document.Things, 5, func(iv *record.Interval) float64 { return float64(iv.Requests) })
	return p
}

// failuresPicture splits failures, if there are several kinds.
func failuresPicture(run *record.Run) *document.Picture {
	p := over(run, "p-failures", "Failures", "Connections failed per second in each interval, by outcome.", document.Lines, document.PerSecond)
	named(p, run, func(iv *record.Interval) map[string]int64 { return iv.Failures })
	if len(p.Curves) < 2 {
		return nil
	}
	return p
}

// inFlightPicture is of an open loop with a limit, or where no census tells the states: a closed loop keeps their number.
func inFlightPicture(run *record.Run) *document.Picture {
	capped, most, census := 0, int64(0), false
	for i := range run.Plan.Groups {
		if g := &run.Plan.Groups[i]; (g.RateFrom > 0 || g.RateTo > 0) && g.PlateauNs == 0 {
			capped += g.Connections
		}
	}
	least := int64(math.MaxInt64)
	for i := range run.Timeline {
		iv := &run.Timeline[i]
		least, most = min(least, iv.InFlight), max(most, iv.InFlight)
		census = census || len(iv.Client) > 0
	}
	if census && capped == 0 || most < 20 || most-least < most/5 {
		return nil
	}
	p := over(run, "p-in-flight", "In flight", "Connections begun and not ended at the end of each interval.", document.Lines, document.Things)
	curve(p, run, "in flight", document.Things, 1, func(iv *record.Interval) float64 { return float64(iv.InFlight) })
	if capped > 0 {
		p.Limits = append(p.Limits, document.Limit{Name: "at most", At: float64(capped)})
	}
	return p
}

// stateHues gives each state the same colour in all pictures.
var stateHues = map[string]int{
	"ESTABLISHED": 1, "CLOSE_WAIT": 2, "TIME_WAIT": 3, "LAST_ACK": 4, "SYN_RECV": 5, "SYN_SENT": 5, "FIN_WAIT_1": 6, "FIN_WAIT_2": 7, "CLOSING": 8,
}

// statesPicture stacks the states of a side, without TIME_WAIT, which would press the others to the ground.
func statesPicture(run *record.Run, side string, of func(*record.Interval) map[string]int) *document.Picture {
	p := over(run, "p-states-"+side, "TCP states, "+side, "Sockets of the "+side+" by state at the end of each interval, on top of each other, without TIME_WAIT.", document.Areas, document.Things)
	seen, _ := statesOf(run.Timeline, of)
	for _, state := range seen {
		if state != "TIME_WAIT" {
			curve(p, run, state, document.Things, stateHues[state], func(iv *record.Interval) float64 { return float64(of(iv)[state]) })
		}
	}
	return p
}

func portsPicture(run *record.Run) *document.Picture {
	p := over(run, "p-ports", "Local ports", "Local ports in use, of the pair of source and destination that uses the most.", document.Lines, document.Things)
	curve(p, run, "in use", document.Things, 1, func(iv *record.Interval) float64 { return float64(iv.PortsInUse) })
	if n := run.Pressure.Ports.Available; n > 0 {
		p.Limits = append(p.Limits, document.Limit{Name: "available", At: float64(n)})
	}
	return p
}

// timeWaitPicture stacks both sides if they share the kernel's limit, which namespaces of their own do not.
func timeWaitPicture(run *record.Run) *document.Picture {
	form := document.Areas
	if run.Sandbox.Split() {
		form = document.Lines
	}
	p := over(run, "p-time-wait", "TIME_WAIT", "Sockets in TIME_WAIT at the end of each interval.", form, document.Things)
	curve(p, run, "client", document.Things, 3, func(iv *record.Interval) float64 { return float64(iv.Client["TIME_WAIT"]) })
	curve(p, run, "server", document.Things, 4, func(iv *record.Interval) float64 { return float64(iv.Server["TIME_WAIT"]) })
	if n := run.TimeWait.MaxBuckets; n > 0 {
		p.Limits = append(p.Limits, document.Limit{Name: "buckets", At: float64(n)})
	}
	return p
}

func latencyPicture(run *record.Run) *document.Picture {
	p := over(run, "p-latency", "Latency over time", "Time of the lifecycles that completed in each interval, on a logarithmic scale.", document.Lines, document.Microseconds)
	curve(p, run, "max", document.Microseconds, 2, func(iv *record.Interval) float64 { return iv.MaxUs })
	curve(p, run, "p99", document.Microseconds, 6, func(iv *record.Interval) float64 { return iv.P99Us })
	curve(p, run, "p50", document.Microseconds, 1, func(iv *record.Interval) float64 { return iv.P50Us })
	for _, c := range p.Curves {
		some := 0
		for _, v := range c.Points {
			if v > 0 {
				some++
			}
		}
		if some >= fewIntervals {
			return p
		}
	}
	return nil // percentiles tell
}

// tight reports whether a peak is near enough to its limit to be shown.
func tight(peak, limit int64) bool { return limit > 0 && peak*10 >= limit }

func queuePicture(run *record.Run) *document.Picture {
	if !tight(int64(run.Pressure.AcceptQueuePeak), int64(run.Pressure.Backlog)) {
		return nil
	}
	p := over(run, "p-queue", "Accept queue", "Connections in the accept queue at the end of each interval.", document.Lines, document.Things)
	curve(p, run, "accept queue", document.Things, 2, func(iv *record.Interval) float64 { return float64(iv.AcceptQueue) })
	p.Limits = append(p.Limits, document.Limit{Name: "backlog", At: float64(run.Pressure.Backlog)})
	return p
}

func memoryPicture(run *record.Run) *document.Picture {
	m := &run.Pressure.Memory
	if !tight(m.TCPPeakBytes, m.TCPLimitBytes) {
		return nil
	}
	p := over(run, "p-memory", "TCP buffers", "Memory of TCP buffers of the whole host at the end of each interval.", document.Lines, document.Octets)
	curve(p, run, "buffers", document.Octets, 1, func(iv *record.Interval) float64 { return float64(iv.MemBytes) })
	p.Limits = append(p.Limits, document.Limit{Name: "tcp_mem", At: float64(m.TCPLimitBytes)})
	return p
}

func descriptorsPicture(run *record.Run) *document.Picture {
	f := &run.Pressure.Fds
	if !tight(int64(f.Peak), f.Limit) {
		return nil
	}
	p := over(run, "p-descriptors", "Descriptors", "Open descriptors of this process at the end of each interval.", document.Lines, document.Things)
	curve(p, run, "open", document.Things, 1, func(iv *record.Interval) float64 { return float64(iv.Fds) })
	p.Limits = append(p.Limits, document.Limit{Name: "limit", At: float64(f.Limit)})
	return p
}

func orphansPicture(run *record.Run) *document.Picture {
	o := &run.Pressure.Orphans
	if o.Peak < 1000 && !tight(o.Peak, o.Limit) {
		return nil
	}
	p := over(run, "p-orphans", "Orphans", "Sockets that their process has closed and the kernel not yet, at the end of each interval.", document.Lines, document.Things)
	curve(p, run, "orphans", document.Things, 6, func(iv *record.Interval) float64 { return float64(iv.Orphans) })
	if o.Limit > 0 {
		p.Limits = append(p.Limits, document.Limit{Name: "tcp_max_orphans", At: float64(o.Limit)})
	}
	return p
}

// troublePicture draws counters of trouble, unless there was next to none. What the close policy makes the kernel count is none.
func troublePicture(run *record.Run) *document.Picture {
	p := over(run, "p-trouble", "Retransmissions, drops and overflows", "Growth of kernel counters per second in each interval.", document.Lines, document.PerSecond)
	named(p, run, func(iv *record.Interval) map[string]int64 {
		odd := maps.Clone(iv.Counters)
		maps.DeleteFunc(odd, func(name string, _ int64) bool { return run.Predicted.Counters[name].Min > 0 })
		return odd
	})
	for _, c := range p.Curves {
		sum := 0.0
		for _, v := range c.Points {
			if sum += v; sum >= 10 {
				return p
			}
		}
	}
	return nil
}

// limitsPicture shows how much was used of what is limited, where the course of it is not drawn.
func limitsPicture(run *record.Run) *document.Picture {
	p := &document.Picture{
		ID: "p-limits", Title: "Limits", Form: document.Bars, Apart: true, X: document.Axis{Name: "limit"},
		Desc:   "How much of each limit was used at the peak.",
		Curves: []document.Curve{{Name: "used", Hue: 1}, {Name: "free", Hue: 7}},
	}
	o := &run.Pressure
	all := []struct {
		name        string
		peak, limit int64
	}{
		{"local ports", int64(o.Ports.PeakInUse), int64(o.Ports.Available)},
		{"TIME_WAIT buckets", o.TWBuckets.Peak, o.TWBuckets.Limit},
		{"accept queue", int64(o.AcceptQueuePeak), int64(o.Backlog)},
		{"descriptors", int64(o.Fds.Peak), o.Fds.Limit},
	}
	for i, l := range all {
		// Ports and buckets are always of interest.
		if l.peak > 0 && l.limit > 0 && (i < 2 || tight(l.peak, l.limit)) {
			p.Names = append(p.Names, l.name)
			p.Curves[0].Points = append(p.Curves[0].Points, float64(l.peak))
			p.Curves[1].Points = append(p.Curves[1].Points, float64(max(0, l.limit-l.peak)))
		}
	}
	if len(p.Names) == 0 {
		return nil
	}
	return p
}
