package bench

import (
	"runtime"
	"slices"
	"strings"
	"time"

	"lastack/bench/host"
	"lastack/bench/record"
	"lastack/bench/verdict"
	"lastack/loadgen"
	"lastack/sockstate"
	"lastack/sockstate/observe"
	"lastack/sockstate/teardown"
)

func (e *experiment) assemble() (*record.Run, error) {
	r := &record.Run{
		Schema: record.Schema, Version: e.setup.Version, Kind: record.KindRun,
		Started:     e.started,
		ElapsedS:    e.result.Measured().Seconds(),
		Interrupted: e.result.Interrupted,
		Sandbox:     e.status,
		Timeline:    e.sampler.timeline.Intervals(),
		Settle:      e.settle,
		Needs:       &e.setup.Needs,
		Greetings:   e.greetings,
		Warnings:    []string{},
	}
	if err := e.addResults(r); err != nil {
		return nil, err
	}
	e.addPlan(r)
	r.RunID = e.setup.RunID
	if s := e.setup.Shard; s != nil {
		of := *s
		of.StartSkewUs = e.result.Late.Microseconds()
		r.Shard = &of
	}
	if h := e.result.Halts; h != (loadgen.Halts{}) {
		r.Generator = &record.Generator{Halts: h.Count, HaltedS: h.Total.Seconds(), LongestHaltS: h.Longest.Seconds(), SuspendedS: h.Suspended.Seconds()}
	}
	r.Hosts = []record.Host{RecordHost(e.facts)}
	e.addStates(r)
	e.addPressure(r)
	e.addUnread(r)
	e.addObserver(r)
	e.addAccounting(r)
	e.addTrace(r)
	if e.tracker != nil {
		r.Tracking = &e.tracker.all
	}
	r.Pressure.Ports.Outlook = verdict.Outlook(r)
	for i := range r.Pressure.Pairs {
		p := &r.Pressure.Pairs[i]
		p.Predicted = verdict.Onset(r, p)
	}
	r.Verdict = verdict.Judge(r)
	return r, nil
}

func (e *experiment) addResults(r *record.Run) (err error) {
	total := e.result.Total()
	groups := e.plan.Groups
	r.LoadS = e.result.Loading(&e.plan).Seconds()
	if r.Result, err = Result(&total, r.LoadS, groups); err != nil {
		return err
	}
	r.FirstFailureS = e.firstFailures(&total)
	for i := range groups {
		r.Rate.TargetPerS += target(&e.plan, &groups[i], e.result.Groups[i].Scheduled)
	}
	if len(groups) > 1 {
		for i := range e.result.Groups {
			one, err := Result(&e.result.Groups[i], r.LoadS, groups[i:i+1])
			if err != nil {
				return err
			}
			one.FirstFailureS = e.firstFailures(&e.result.Groups[i])
			one.Rate.TargetPerS = target(&e.plan, &groups[i], e.result.Groups[i].Scheduled)
			r.Groups = append(r.Groups, record.GroupResult{Name: groups[i].Name, Result: one})
		}
	}
	if w := &total.Warmup; w.Attempted > 0 {
		c := connections(w)
		r.Warmup = &c
	}
	if i := &total.Info; i.Sampled > 0 {
		r.TCPInfo = &record.TCPInfo{
			Sampled: i.Sampled, RTTUs: summary(i.RTT), MinRTTUs: summary(i.MinRTT),
			Retransmits: i.Retransmits, Lost: i.Lost,
			SndMSS: record.Percentile(i.SndMSS, 50), SndCwnd: record.Percentile(i.SndCwnd, 50),
		}
	}
	return nil
}

func (e *experiment) addPlan(r *record.Run) {
	r.Plan = e.setup.Record
	r.Plan.Engine, r.Plan.Probed = e.result.Engine, e.probed
	r.Plan.Groups = slices.Clone(r.Plan.Groups)
	for i := range r.Plan.Groups {
		r.Plan.Groups[i].Targets = nil
		for _, t := range e.plan.Groups[i].Targets {
			r.Plan.Groups[i].Targets = append(r.Plan.Groups[i].Targets, t.String())
		}
	}
	if s := e.setup.Server; s != nil {
		st := e.ended
		r.Server = &record.Server{
			Listeners: s.Listeners, Backlog: s.Backlog, DelayNs: s.Delay.Nanoseconds(),
			Accepted: st.Accepted, Requests: st.Requests, Open: st.Open, Outcomes: st.ByName(), AcceptErrors: errnoNames(st.AcceptErrors),
		}
	}
}

// RecordHost converts a host's facts for the record.
func RecordHost(f *host.Facts) record.Host {
	lasts := sockstate.TimeWaitLasts(f.HZ)
	return record.Host{
		Kernel: f.Kernel, CPUs: f.CPUs, GoMaxProcs: runtime.GOMAXPROCS(0), MemoryBytes: f.MemoryBytes,
		CPUQuota: f.CPUQuota, CgroupMemoryBytes: f.CgroupMemoryBytes,
		BootID: f.BootID, NetNS: f.NetNS, NoFile: int64(f.NoFileSoft), Sysctls: f.Sysctls,
		HZ: f.HZ, TimeWaitMinS: lasts.Min.Seconds(), TimeWaitMaxS: lasts.Max.Seconds(),
	}
}

func (e *experiment) addStates(r *record.Run) {
	s := e.sampler
	name, _ := e.watch.Source()
	if name == observe.Off {
		name = ""
	}
	r.States = record.States{Source: name, Peak: bySide(&s.peak), Final: bySide(&s.sample.Census.Count)}
	by, grown := e.after.grown(&e.before)
	r.Counters = grown
	if e.split() && len(by) == sockstate.NumSides {
		r.CountersBySide = map[string]map[string]int64{
			sockstate.Client.String(): by[0],
			sockstate.Server.String(): by[1],
		}
	}
	r.TimeWait = record.TimeWait{
		Peak:             s.peakTW,
		PeakBySide:       make(map[string]int),
		Entered:          grown["TcpExtTW"],
		EnteredShort:     grown["TcpExtTWKilled"],
		Overflow:         grown["TcpExtTCPTimeWaitOverflow"],
		ReusedByConnect:  grown["TcpExtTWRecycled"],
		FinWait2MiniPeak: s.peakMini,
		OrphanPeak:       s.peakOrphan,
		LongestLeftS:     s.sample.Census.LongestLeft.Seconds(),
		NotRead:          e.after.notRead(&e.before, timeWaitCounters()...),
	}
	for side := range sockstate.Side(sockstate.NumSides) {
		if n := s.peak[side][sockstate.TimeWait]; n > 0 {
			r.TimeWait.PeakBySide[side.String()] = n
		}
	}
	r.TimeWait.Ages = ages(&s.sample.Census)
	r.TimeWait.MaxBuckets = int(e.limit(bucketsKey))
	if e.sandbox != nil {
		n, _ := e.setup.Host.Sysctl(bucketsKey)
		r.TimeWait.HostBuckets = int(max(n, 0))
	}
	r.TimeWait.EndedEarly = e.endedEarly(&r.TimeWait)
	if e.flusher != nil {
		r.TimeWait.Flush = &e.flusher.done
	}
}

// endedEarly counts the TIME_WAITs that ended before their time and were not reused by a connect: those entered, less those still
// there, while none is old enough to have expired. It returns 0 outside a sandbox, or if the number cannot be known.
func (e *experiment) endedEarly(tw *record.TimeWait) int64 {
	c := &e.sampler.sample.Census
	name, _ := e.watch.Source()
	if e.sandbox == nil || tw.NotRead != "" || name == observe.Off || e.finTimeout() < sockstate.TimeWaitLength || e.settle == nil || !e.settle.Done ||
		time.Since(e.started) >= sockstate.TimeWaitLength {
		return 0
	}
	left := int64(0)
	for side := range sockstate.NumSides {
		left += int64(c.Count[side][sockstate.TimeWait] + c.FinWait2Mini[side])
	}
	return max(tw.Entered+tw.EnteredShort-tw.ReusedByConnect-left, 0)
}

// ages is the last census's TIME_WAITs by side and age, nil without any.
func ages(c *sockstate.Census) map[string][]int {
	m := make(map[string][]int)
	for side := range sockstate.Side(sockstate.NumSides) {
		n := sockstate.NumAges
		for n > 0 && c.Ages[side][n-1] == 0 {
			n--
		}
		if n > 0 {
			m[side.String()] = slices.Clone(c.Ages[side][:n])
		}
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

func bySide(count *[sockstate.NumSides][sockstate.NumStates]int) map[string]map[string]int {
	m := make(map[string]map[string]int)
	for side := range count {
		if s := states(&count[side]); len(s) > 0 {
			m[sockstate.Side(side).String()] = s
		}
	}
	return m
}

// hostUnread lists what could not be read on the host, without the sysctls that were read in the sandbox.
func (e *experiment) hostUnread() (unread []string) {
	for _, u := range e.setup.Host.Unread {
		name, _, _ := strings.Cut(u, ":")
		if _, inside := e.facts.Sysctls[name]; !inside {
			unread = append(unread, u)
		}
	}
	return unread
}

func (e *experiment) addObserver(r *record.Run) {
	r.Observer.Census, r.Observer.CensusReason = e.watch.Source()
	r.Observer.Trace, r.Observer.TraceReason = e.watch.Trace()
	r.Observer.Cost = e.sampler.cost
	r.Observer.IntervalS = e.setup.Interval.Seconds()
	r.Observer.Unread = slices.Concat(e.facts.Unread, e.watch.Unread(), e.hostUnread())
	slices.Sort(r.Observer.Unread)
	r.Observer.Unread = slices.Compact(r.Observer.Unread)
	for _, u := range r.Observer.Unread {
		r.Warnings = append(r.Warnings, "observer.unread: not read: "+u)
	}
	r.Warnings = append(r.Warnings, e.sampler.warnings...)
	for _, w := range []string{orphanWarning(&e.setup.Host, r.Counters), e.bucketWarning()} {
		if w != "" {
			r.Warnings = append(r.Warnings, w)
		}
	}
	r.Warnings = append(r.Warnings, e.setup.Warnings...)
	if !r.Settle.Done {
		r.Warnings = append(r.Warnings, "settle: sockets of the load were still changing state when the counters were read")
	}
}

func (e *experiment) addAccounting(r *record.Run) {
	b := &accounting{
		plan: &e.plan, groups: e.result.Groups, grown: r.Counters,
		env:     teardown.Env{FinTimeout: e.finTimeout(), MaxTWBuckets: int(e.limit(bucketsKey))},
		exact:   e.sandbox != nil,
		settled: r.Settle.Done,
		lossy:   e.status.Loss != "",
		notRead: func(names ...string) string { return e.after.notRead(&e.before, names...) },
	}
	if e.server != nil {
		b.server = &e.ended
	}
	r.TimeWait.Simultaneous = b.simultaneous()
	r.Predicted = b.predict()
	r.Accounting = b.checks(&r.Predicted)
}
