package report

import (
	"math"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
	"lastack/sockstate"
)

// pictures collects drawings. Text has the same numbers in its tables and sparklines.
func pictures(all ...*document.Picture) *section {
	s := begin(document.Data, "PICTURES", "")
	for _, p := range all {
		if p != nil && (len(p.Curves) > 0 || p.Form == document.Strip && len(p.Events) > 0) {
			s.add(p)
		}
	}
	if len(s.Blocks) == 0 {
		return nil
	}
	return s
}

// over begins a picture of the timeline.
func over(run *record.Run, id, title, desc string, form document.Form, y document.Unit) *document.Picture {
	p := &document.Picture{ID: id, Title: title, Desc: desc, Form: form}
	p.X, p.Y = document.Axis{Unit: document.Seconds, Name: "t"}, document.Axis{Unit: y, Log: y == document.Microseconds}
	for i := range run.Timeline {
		p.At = append(p.At, finite(run.Timeline[i].TS))
	}
	p.Phases = phases(run)
	return p
}

// phases says when the phases of a run began. An interval has the phase of its end: the plan tells when it began within, if that is by time.
func phases(run *record.Run) []document.Phase {
	var out []document.Phase
	planned := map[string]float64{
		"load": float64(run.Plan.WarmupNs) / 1e9, "ending": float64(run.Plan.WarmupNs+run.Plan.DurationNs) / 1e9,
	}
	for i := 1; i < len(run.Timeline); i++ {
		before, iv := &run.Timeline[i-1], &run.Timeline[i]
		if name := phaseName(iv); name != phaseName(before) {
			from, to := finite(before.TS), finite(iv.TS)
			out = append(out, document.Phase{At: max(from, min(to, max(from, planned[name]))), Name: name})
		}
	}
	return out
}

// curve adds a quantity of the timeline, unless it is 0 throughout.
func curve(p *document.Picture, run *record.Run, name string, unit document.Unit, hue int, value func(*record.Interval) float64) {
	points, some := make([]float64, len(run.Timeline)), false
	for i := range run.Timeline {
		points[i] = finite(value(&run.Timeline[i]))
		some = some || points[i] > 0
		if unit == document.Microseconds && points[i] <= 0 {
			points[i] = math.NaN() // nothing completed
		}
	}
	if some {
		p.Curves = append(p.Curves, document.Curve{Name: name, Unit: unit, Hue: hue, Points: points})
	}
}

// runPictures draws how a run went.
func runPictures(run *record.Run) *section {
	if len(run.Timeline) == 0 {
		return pictures(percentiles(run), cpuPicture(run))
	}
	return pictures(
		ratePicture(run),
		statesPicture(run, "client", func(iv *record.Interval) map[string]int { return iv.Client }),
		statesPicture(run, "server", func(iv *record.Interval) map[string]int { return iv.Server }),
		portsPicture(run), timeWaitPicture(run),
		latencyPicture(run), percentiles(run),
		queuePicture(run), memoryPicture(run), cpuPicture(run),
	)
}

func ratePicture(run *record.Run) *document.Picture {
	p := over(run, "p-rate", "Rate", "Connections opened, completed and failed per second in each interval.", document.Lines, document.PerSecond)
	curve(p, run, "opened", document.Things, 1, func(iv *record.Interval) float64 { return float64(iv.Opened) })
	curve(p, run, "completed", document.Things, 3, func(iv *record.Interval) float64 { return float64(iv.Completed) })
	curve(p, run, "failed", document.Things, 2, func(iv *record.Interval) float64 { return float64(iv.Failed) })
	if run.Rate.TargetPerS > 0 {
		name := "asked for"
		if g := run.Plan.Groups; len(g) > 0 && g[0].RateFrom != g[0].RateTo {
			name = "asked for on average"
		}
		p.Limits = append(p.Limits, document.Limit{Name: name, At: run.Rate.TargetPerS})
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
	if run.Sandbox.Topology == "veth" {
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
	return p
}

// latencyHues gives each latency its colour.
var latencyHues = map[string]int{"lifecycle": 1, "connect": 2, "exchange": 3, "close": 4, "lag": 7}

// percentiles draws each latency from its fastest to its slowest. The slower ones are spread out.
func percentiles(run *record.Run) *document.Picture {
	p := &document.Picture{
		ID: "p-percentiles", Title: "Latency by percentile", Desc: "The time within which each share was done, from the fastest to the slowest, on logarithmic scales.",
		X: document.Axis{Unit: document.Percentile, Name: "percentile", Log: true}, Y: document.Axis{Unit: document.Microseconds, Log: true},
	}
	var most int64
	for _, l := range run.Latency {
		most = max(most, l.Count)
	}
	p.At = percentilesOf(most)
	for _, name := range ordered(run.Latency, sockstate.LatencyNames()) {
		h, err := run.Latency[name].Histogram()
		if err != nil || h == nil || h.TotalCount() == 0 {
			continue
		}
		c := document.Curve{Name: name, Unit: document.Microseconds, Points: make([]float64, len(p.At))}
		c.Hue = latencyHues[name]
		for i, at := range p.At {
			c.Points[i] = float64(record.Percentile(h, at)) / 1e3
		}
		p.Curves = append(p.Curves, c)
	}
	return p
}

// percentilesOf lists percentiles up to the one that only the slowest of n values is above.
func percentilesOf(n int64) []float64 {
	var out []float64
	for p := 0.0; p < 90; p += 10 {
		out = append(out, p)
	}
	for rest := 10.0; ; rest /= 10 {
		for _, part := range []float64{1, 0.75, 0.5, 0.25, 0.15} {
			p := math.Round((100-rest*part)*1e9) / 1e9
			out = append(out, p)
			if rest*part/100*float64(n) < 1 || rest < 1e-6 {
				return out
			}
		}
	}
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

// cpuPicture splits the CPU time of the machine twice: by who had it, and by what it was spent on.
func cpuPicture(run *record.Run) *document.Picture {
	c := &run.Pressure.CPU
	total := float64(c.CPUs) * c.ElapsedS
	if total <= 0 || !c.SharesTell() || c.NotRead != "" {
		return nil
	}
	p := &document.Picture{
		ID: "p-cpu", Title: "CPU time", Form: document.Bars, X: document.Axis{Name: "split"}, Y: document.Axis{Unit: document.Seconds},
		Desc: "CPU seconds of " + number(c.CPUs, "CPU", "CPUs") + " in " + quantity.Seconds(c.ElapsedS) + ", by program and by kind of work.", Names: []string{"by program", "by kind of work"},
	}
	add := func(name string, hue int, programs, kinds float64) {
		programs, kinds = max(0, finite(programs)), max(0, finite(kinds))
		if programs > 0 || kinds > 0 {
			p.Curves = append(p.Curves, document.Curve{Name: name, Unit: document.Seconds, Hue: hue, Points: []float64{programs, kinds}})
		}
	}
	add("load's workers", 1, c.GeneratorS, 0)
	add("server's workers", 2, c.ServerS, 0)
	add("rest of this process", 4, c.ObserverS, 0)
	add("other programs, and the kernel by itself", 6, total-c.GeneratorS-c.ServerS-c.ObserverS-c.StealS-c.IdleS, 0)
	add("user", 5, 0, c.UserS)
	add("kernel", 3, 0, c.SystemS-c.SoftirqS)
	add("kernel, softirq", 8, 0, c.SoftirqS)
	add("stolen", 9, c.StealS, c.StealS)
	add("idle", 7, c.IdleS, c.IdleS)
	return p
}
