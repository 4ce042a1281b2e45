package bench

import (
	"math"
	"time"

	"lastack/bench/host"
	"lastack/bench/record"
)

// known converts a gauge for the record, where 0 means unknown.
func known(n int64) int64 { return max(n, 0) }

func (e *experiment) addPressure(r *record.Run) {
	s := e.sampler
	g := &s.gauges
	p := &r.Pressure
	e.addPorts(r)
	p.Fds = record.Fds{Peak: int(known(g.Fds)), Limit: int64(min(e.facts.NoFileSoft, math.MaxInt64)), ServerPeak: int(known(g.ServerFds))}
	p.Memory = record.Memory{
		TCPPeakBytes: known(g.TCPMem), TCPLimitBytes: e.hostLimit(tcpMem),
		SlabPeakBytes: known(s.slabPeak), RSSPeakBytes: known(g.RSSPeak), ServerRSSPeakBytes: known(g.ServerRSS),
	}
	p.AcceptQueuePeak, p.Backlog = s.peakQueue, s.backlog
	p.Orphans = record.Gauge{Peak: known(g.Orphans), Limit: e.hostLimit(maxOrphans)}
	p.TWBuckets = record.Gauge{Peak: known(g.TimeWait), Limit: e.limit(bucketsKey)}
	p.Files = record.Gauge{Peak: known(g.Files), Limit: e.limit("fs.file-max")}
	if limit := e.limit("net.netfilter.nf_conntrack_max"); limit > 0 {
		p.Conntrack = &record.Gauge{Peak: known(g.Conntrack), Limit: limit}
	}
	if a, b := e.after.psi, e.before.psi; a != nil && b != nil {
		p.PSI = &record.PSI{
			CPUSomeS: (a.CPU - b.CPU).Seconds(), MemorySomeS: (a.Memory - b.Memory).Seconds(), IOSomeS: (a.IO - b.IO).Seconds(),
		}
	}
	held := e.after.cgroup.Since(e.before.cgroup)
	p.Memory.CgroupLimitBytes, p.Memory.CgroupHits, p.Memory.CgroupOOM = e.facts.CgroupMemoryBytes, held.MemoryHits, held.OOM
	e.addCPU(r)
	c := &p.CPU
	c.Quota, c.QuotaPeriods, c.Throttled, c.ThrottledS = e.facts.CPUQuota, held.Periods, held.Throttled, held.Waited.Seconds()
}

// pressureCounters lists the counters of retransmissions and of full queues.
func pressureCounters() []string {
	return []string{
		"TcpRetransSegs", "TcpExtTCPSynRetrans", "TcpExtListenOverflows", "TcpExtListenDrops", "TcpExtTCPReqQFullDrop", "TcpExtTCPReqQFullDoCookies",
	}
}

// addUnread lists the kinds of pressure that were not read, so that a 0 is not taken for none.
func (e *experiment) addUnread(r *record.Run) {
	p := &r.Pressure
	held := e.after.cgroup.Since(e.before.cgroup)
	for _, u := range []struct {
		name   string
		unread bool
	}{
		{record.UnreadPorts, e.sampler.cost.Samples == 0 || r.States.Source == ""},
		{record.UnreadCounters, e.after.notRead(&e.before, pressureCounters()...) != ""},
		{record.UnreadMemory, p.Memory.TCPLimitBytes > 0 && !e.sampler.tcpMemRead},
		{record.UnreadQuota, p.CPU.Quota > 0 && !held.Counted},
	} {
		if u.unread {
			p.Unread = append(p.Unread, u.name)
		}
	}
}

// limit returns a sysctl as the client's namespace has it, 0 if unknown.
func (e *experiment) limit(sysctl string) int64 {
	n, _ := e.facts.Sysctl(sysctl)
	return max(n, 0)
}

// hostLimit returns a limit of the whole host, which a sandbox cannot read; 0 if unknown.
func (e *experiment) hostLimit(of func(*host.Facts) (int64, bool)) int64 {
	n, ok := of(e.facts)
	if !ok {
		n, _ = of(&e.setup.Host)
	}
	return max(n, 0)
}

func tcpMem(f *host.Facts) (int64, bool) {
	pages, ok := f.TCPMemoryPages()
	return pages * f.PageBytes, ok
}

func maxOrphans(f *host.Facts) (int64, bool) { return f.Sysctl("net.ipv4.tcp_max_orphans") }

func (e *experiment) addCPU(r *record.Run) {
	s := e.sampler
	r.Pressure.CPU = record.CPU{CPUs: e.facts.CPUs}
	if !s.measuring {
		return
	}
	u := s.cpuTo.Since(&s.cpuFrom)
	c := &r.Pressure.CPU
	c.ElapsedS = u.Elapsed.Seconds()
	if !u.MachineRead {
		c.NotRead = "/proc/stat was not read"
	}
	if !u.WorkersRead {
		c.WorkersNotRead = "/proc/self/task/TID/schedstat was not read"
		u.Generator, u.Server, u.Rest, u.GeneratorBusiest, u.ServerBusiest = 0, 0, 0, 0, 0
	}
	c.GeneratorS, c.ServerS = u.Generator.Seconds(), max(u.Server, 0).Seconds()
	c.ObserverS = u.Rest.Seconds()
	c.SystemS, c.UserS = u.System.Seconds(), u.User.Seconds()
	c.SoftirqS, c.StealS, c.IdleS = u.Softirq.Seconds(), u.Steal.Seconds(), u.Idle.Seconds()
	c.GeneratorBusiest, c.ServerBusiest = u.GeneratorBusiest, u.ServerBusiest
}

func (e *experiment) finTimeout() time.Duration {
	n, _ := e.facts.Sysctl("net.ipv4.tcp_fin_timeout")
	return time.Duration(n) * time.Second
}
