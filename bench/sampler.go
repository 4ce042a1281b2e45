package bench

import (
	"slices"
	"strings"
	"time"

	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/observe"
)

// sampler makes the timeline from snapshots of the load and the observers, and keeps the peaks.
type sampler struct {
	e        *experiment
	sample   observe.Sample
	observed time.Time // the end of the last census
	held     bool      // there was a census while a plateau held all connections
	last     loadgen.Snapshot
	counters sockstate.Counters
	timeline record.Timeline
	warnings []string

	cpuFrom, cpuTo observe.CPU
	measuring      bool

	peak       [sockstate.NumSides][sockstate.NumStates]int
	peakTW     int
	peakMini   int
	peakOrphan int
	peakQueue  int
	backlog    int
	pairs      map[sockstate.Pair]*pairUse
	available  int            // local ports of a pair
	gauges     observe.Gauges // peaks
	tcpMemRead bool           // at least once
	cost       record.Cost
	// slabs is the memory of the sockets' slabs before the load, slabPeak the most that it has grown since.
	slabs, slabPeak int64
}

func newSampler(e *experiment) *sampler {
	return &sampler{e: e, counters: sum(e.before.counters), slabs: e.watch.Slabs(), pairs: make(map[sockstate.Pair]*pairUse), available: e.portsOf().Available}
}

func sum(by []sockstate.Counters) sockstate.Counters {
	all := make(sockstate.Counters)
	for _, c := range by {
		all.Add(c)
	}
	return all
}

func (e *experiment) threads() observe.Threads {
	t := observe.Threads{Generator: e.load.Threads()}
	if e.server != nil {
		t.Server = e.server.Threads()
	}
	return t
}

// beginCPU marks the start of the measured CPU time.
func (s *sampler) beginCPU() {
	s.cpuFrom = s.readCPU()
	s.measuring = true
}

func (s *sampler) endCPU() {
	if s.measuring {
		s.cpuTo = s.readCPU()
	}
}

func (s *sampler) readCPU() observe.CPU {
	c, err := s.e.watch.CPU(s.e.threads())
	if err != nil {
		s.warn("pressure.cpu: " + err.Error())
	}
	return c
}

// warn keeps each warning once.
func (s *sampler) warn(w string) {
	if !slices.Contains(s.warnings, w) {
		s.warnings = append(s.warnings, w)
	}
}

// interval ends an interval of the timeline, and reports whether there was a census. While the load
// runs, phase is empty, and the load's snapshot decides it.
func (s *sampler) interval(phase string) (observed bool) {
	e := s.e
	snap := e.load.Snapshot()
	if !s.measuring && !snap.Warmup {
		s.beginCPU()
	}
	iv := record.Interval{TS: time.Since(e.started).Seconds()}
	iv.Phase = phase
	if phase == "" {
		iv.Phase = s.phase(&snap)
	}
	s.addLoad(&iv, &snap)
	holding := snap.Holding && !s.held
	if phase == "" && !snap.Done && !holding && !s.censusIsDue() {
		s.cost.SkippedTicks++
	} else if observed = s.observe(); observed {
		s.addCensus(&iv)
		s.held = s.held || holding
	}
	if s.slabs != observe.Unknown {
		s.slabPeak = max(s.slabPeak, e.watch.Slabs()-s.slabs)
	}
	s.addCounters(&iv)
	if err := e.tracker.sample(&iv); err != nil {
		s.warn("tracking: " + err.Error())
	}
	if s.nothingNew(&iv) {
		return observed
	}
	s.timeline.Add(iv)
	e.emit(record.Event{Interval: &iv})
	return observed
}

// nothingNew reports whether iv is empty and directly follows another interval, as when the load ends
// right after a tick.
func (s *sampler) nothingNew(iv *record.Interval) bool {
	last := s.timeline.Last()
	return last != nil && iv.TS-last.TS < s.e.setup.Interval.Seconds()/20 &&
		iv.Started+iv.Opened+iv.Completed+iv.Failed+iv.Requests == 0 && iv.InFlight == last.InFlight
}

func (s *sampler) phase(snap *loadgen.Snapshot) string {
	switch {
	case snap.Warmup:
		return record.PhaseWarmup
	case snap.Holding:
		return record.PhaseHold
	case snap.Closing:
		return record.PhaseDrain
	}
	return record.PhaseLoad
}

func (s *sampler) addLoad(iv *record.Interval, snap *loadgen.Snapshot) {
	AddGrowth(iv, &snap.Ledger, &s.last.Ledger)
	iv.InFlight = snap.Open
	s.addTimes(iv, snap)
	s.last = *snap
	s.last.Interval, s.last.IntervalWarmup, s.last.Connects = nil, nil, nil
}

// AddGrowth fills an interval with what a load has done since an earlier ledger.
func AddGrowth(iv *record.Interval, now, was *loadgen.Ledger) {
	iv.Started = now.Attempted - was.Attempted
	iv.Opened = now.Opened - was.Opened
	iv.Completed = now.Completed() - was.Completed()
	iv.Failed = now.Failed() - was.Failed()
	iv.Requests = now.Requests - was.Requests
	for o := range now.Outcomes {
		outcome := sockstate.Outcome(o)
		n := now.Outcomes[o] - was.Outcomes[o]
		if outcome == sockstate.OutcomeRSTReceived {
			n = now.Unexpected - was.Unexpected
		} else if outcome.Class() != sockstate.ClassFailure {
			continue
		}
		if n > 0 {
			if iv.Failures == nil {
				iv.Failures = make(map[string]int64)
			}
			iv.Failures[outcome.String()] = n
		}
	}
}

// addTimes adds the lifecycle times of the interval.
func (s *sampler) addTimes(iv *record.Interval, snap *loadgen.Snapshot) {
	h := snap.Interval
	if h.TotalCount() > 0 {
		l, err := record.NewLatency(h)
		if err != nil {
			s.warn("timeline: " + err.Error())
		}
		iv.Lifecycle = &l
	}
	if c := snap.Connects; c.TotalCount() > 0 {
		l, err := record.NewLatency(c)
		if err != nil {
			s.warn("timeline: " + err.Error())
		}
		iv.Connect = &l
	}
	if snap.IntervalWarmup != nil {
		h.Merge(snap.IntervalWarmup)
	}
	if h.TotalCount() > 0 {
		iv.P50Us = float64(record.Percentile(h, 50)) / 1e3
		iv.P99Us = float64(record.Percentile(h, 99)) / 1e3
		iv.MaxUs = float64(h.Max()) / 1e3
	}
}

// restsPerCensus bounds the censuses' share of a CPU to a tenth: with a million connections a census takes
// seconds of CPU, which the load would lack.
const restsPerCensus = 9

func (s *sampler) censusIsDue() bool {
	return time.Since(s.observed) >= restsPerCensus*s.sample.CPU
}

// observe takes a census and the gauges.
func (s *sampler) observe() bool {
	defer func() { s.observed = time.Now() }()
	if err := s.e.watch.Sample(&s.sample); err != nil {
		s.warn("observer: " + err.Error())
		return false
	}
	c := &s.cost
	c.Samples++
	c.CPUS += s.sample.CPU.Seconds()
	c.LongestMs = max(c.LongestMs, float64(s.sample.Took)/1e6)
	c.SocketsSeen += int64(s.sample.Seen)

	census := &s.sample.Census
	tw, mini, orphans := 0, 0, 0
	for side := range sockstate.NumSides {
		for state, n := range census.Count[side] {
			s.peak[side][state] = max(s.peak[side][state], n)
		}
		tw += census.Count[side][sockstate.TimeWait]
		mini += census.FinWait2Mini[side]
		orphans += census.Orphans[side]
	}
	s.peakTW = max(s.peakTW, tw)
	s.peakMini = max(s.peakMini, mini)
	s.peakOrphan = max(s.peakOrphan, orphans)
	s.peakQueue = max(s.peakQueue, census.AcceptQueue, census.NotAccepted)
	s.backlog = max(s.backlog, census.Backlog)
	s.addPorts()
	s.peakGauges(&s.sample.Gauges)
	return true
}

func (s *sampler) peakGauges(g *observe.Gauges) {
	p := &s.gauges
	s.tcpMemRead = s.tcpMemRead || g.TCPMem != observe.Unknown
	for _, x := range []struct {
		peak *int64
		now  int64
	}{
		{&p.TimeWait, g.TimeWait},
		{&p.Orphans, g.Orphans},
		{&p.TCPMem, g.TCPMem},
		{&p.Conntrack, g.Conntrack},
		{&p.Fds, g.Fds},
		{&p.Files, g.Files},
		{&p.RSSPeak, g.RSSPeak},
		{&p.ServerFds, g.ServerFds},
		{&p.ServerRSS, g.ServerRSS},
	} {
		*x.peak = max(*x.peak, x.now)
	}
}

func (s *sampler) addCensus(iv *record.Interval) {
	c := &s.sample.Census
	iv.Client = states(&c.Count[sockstate.Client])
	iv.Server = states(&c.Count[sockstate.Server])
	iv.AcceptQueue = c.AcceptQueue
	iv.NotAccepted = c.NotAccepted
	for side := range sockstate.NumSides {
		iv.FinWait2Mini += c.FinWait2Mini[side]
		iv.Orphans += c.Orphans[side]
	}
	for _, u := range c.Ports {
		if n := u.InUse(); n > iv.PortsInUse || n == iv.PortsInUse && u.Reusable < iv.PortsReusable {
			iv.PortsInUse, iv.PortsReusable = n, u.Reusable
		}
	}
	iv.Fds = int(max(s.sample.Gauges.Fds, 0))
	iv.MemBytes = max(s.sample.Gauges.TCPMem, 0)
}

// states names the states that have sockets.
func states(count *[sockstate.NumStates]int) map[string]int {
	return sockstate.ByName[sockstate.State](count[:])
}

// addCounters adds the growth of the counters that indicate trouble.
func (s *sampler) addCounters(iv *record.Interval) {
	now := sum(s.e.watch.Counters())
	for name, n := range now.Since(s.counters) {
		if n != 0 && troubling(name) {
			if iv.Counters == nil {
				iv.Counters = make(map[string]int64)
			}
			iv.Counters[name] = n
		}
	}
	s.counters = now
}

func troubling(name string) bool {
	for _, part := range []string{"Retrans", "Drop", "Overflow", "Cookie", "Timeout", "PAWS", "Abort", "Pressure", "Fail"} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
