package merge

import (
	"cmp"
	"slices"
	"strings"

	"lastack/bench/record"
	"lastack/sockstate"
)

// kernels are the shards by the network namespace that they saw, in the order of the shards.
func (m *Merger) kernels() (all [][]*part) {
	at := map[string]int{}
	for i := range m.parts {
		p := &m.parts[i]
		k := p.Kernel()
		if _, ok := at[k]; !ok {
			at[k] = len(all)
			all = append(all, nil)
		}
		all[at[k]] = append(all[at[k]], p)
	}
	return all
}

// perKernel adds up a number of the kernel's: in one namespace it is the largest that a shard saw.
func (m *Merger) perKernel(of func(*part) int64) (sum int64) {
	for _, k := range m.kernels() {
		most := of(k[0])
		for _, p := range k[1:] {
			most = max(most, of(p))
		}
		sum += most
	}
	return sum
}

func most[N int | int64](a, b map[string]N) map[string]N {
	all := make(map[string]N, max(len(a), len(b)))
	for _, m := range []map[string]N{a, b} {
		for k, n := range m {
			if was, ok := all[k]; !ok || n > was {
				all[k] = n
			}
		}
	}
	return all
}

// addKernels adds what the kernels counted and what the censuses saw.
func (m *Merger) addKernels(r *record.Run) {
	r.Counters = map[string]int64{}
	r.States = record.States{Source: m.parts[0].States.Source, Peak: map[string]map[string]int{}}
	for _, k := range m.kernels() {
		counters := k[0].Counters
		peak, final := k[0].States.Peak, k[0].States.Final
		for _, p := range k[1:] {
			counters = most(counters, p.Counters)
			peak, final = bySide(peak, p.States.Peak, most), bySide(final, p.States.Final, most)
		}
		r.Counters = record.Sum(r.Counters, counters)
		r.States.Peak, r.States.Final = bySide(r.States.Peak, peak, record.Sum), bySide(r.States.Final, final, record.Sum)
	}
	for i := range m.parts {
		if s := m.parts[i].States.Source; s != r.States.Source {
			r.States.Source = "mixed"
		}
	}
	m.addSides(r)
	m.addTimeWait(r)
	m.addPressure(r)
	m.addTracking(r)
}

func bySide[N int | int64](a, b map[string]map[string]N, of func(a, b map[string]N) map[string]N) map[string]map[string]N {
	all := map[string]map[string]N{}
	for side := range sockstate.Side(sockstate.NumSides) {
		s := side.String()
		if one := of(a[s], b[s]); len(one) > 0 {
			all[s] = one
		}
	}
	return all
}

// addSides splits the counters, if all shards did: each has namespaces of its own then.
func (m *Merger) addSides(r *record.Run) {
	all := map[string]map[string]int64{}
	for i := range m.parts {
		if len(m.parts[i].CountersBySide) == 0 {
			return
		}
		for side, c := range m.parts[i].CountersBySide {
			all[side] = record.Sum(all[side], c)
		}
	}
	r.CountersBySide = all
}

func (m *Merger) addTimeWait(r *record.Run) {
	t := &r.TimeWait
	of := func(v func(*record.TimeWait) int64) int64 {
		return m.perKernel(func(p *part) int64 { return v(&p.TimeWait) })
	}
	t.Peak = int(of(func(t *record.TimeWait) int64 { return int64(t.Peak) }))
	t.Entered = of(func(t *record.TimeWait) int64 { return t.Entered })
	t.EnteredShort = of(func(t *record.TimeWait) int64 { return t.EnteredShort })
	t.Overflow = of(func(t *record.TimeWait) int64 { return t.Overflow })
	t.ReusedByConnect = of(func(t *record.TimeWait) int64 { return t.ReusedByConnect })
	t.FinWait2MiniPeak = int(of(func(t *record.TimeWait) int64 { return int64(t.FinWait2MiniPeak) }))
	t.OrphanPeak = int(of(func(t *record.TimeWait) int64 { return int64(t.OrphanPeak) }))
	t.EndedEarly = of(func(t *record.TimeWait) int64 { return t.EndedEarly })
	t.MaxBuckets = int(of(func(t *record.TimeWait) int64 { return int64(t.MaxBuckets) }))
	for side := range sockstate.Side(sockstate.NumSides) {
		if n := m.perKernel(func(p *part) int64 { return int64(p.TimeWait.PeakBySide[side.String()]) }); n > 0 {
			if t.PeakBySide == nil {
				t.PeakBySide = map[string]int{}
			}
			t.PeakBySide[side.String()] = int(n)
		}
	}
	t.Ages = m.ages()
	simultaneous, known := int64(0), true
	for i := range m.parts {
		p := &m.parts[i].TimeWait
		t.LongestLeftS = max(t.LongestLeftS, p.LongestLeftS)
		t.NotRead = cmp.Or(t.NotRead, p.NotRead)
		if known = known && p.Simultaneous != nil; known {
			simultaneous += *p.Simultaneous
		}
	}
	if known {
		t.Simultaneous = &simultaneous
	}
}

// ages adds up the TIME_WAITs by age. In one namespace they are those of the shard that saw the most.
func (m *Merger) ages() map[string][]int {
	sum := map[string][]int{}
	for _, k := range m.kernels() {
		for side := range sockstate.Side(sockstate.NumSides) {
			s := side.String()
			var most []int
			for _, p := range k {
				if a := p.TimeWait.Ages[s]; count(a) > count(most) {
					most = a
				}
			}
			all := sum[s]
			for i, n := range most {
				if i == len(all) {
					all = append(all, 0)
				}
				all[i] += n
			}
			if len(all) > 0 {
				sum[s] = all
			}
		}
	}
	if len(sum) == 0 {
		return nil
	}
	return sum
}

func count(by []int) (n int) {
	for _, k := range by {
		n += k
	}
	return n
}

// addPressure has of each limit the shard that came closest to it. What no shard alone came close to, all together did not.
func (m *Merger) addPressure(r *record.Run) {
	p := &r.Pressure
	closer := func(peak, limit, thanPeak, than int64) bool {
		share := func(n, of int64) float64 { return float64(n) / float64(max(of, 1)) }
		return limit > 0 && (than <= 0 || share(peak, limit) > share(thanPeak, than))
	}
	gauge := func(to *record.Gauge, g record.Gauge) {
		if closer(g.Peak, g.Limit, to.Peak, to.Limit) {
			*to = g
		}
	}
	for i := range m.parts {
		of := &m.parts[i].Pressure
		if i == 0 || closer(int64(of.Ports.PeakInUse), int64(of.Ports.Available), int64(p.Ports.PeakInUse), int64(p.Ports.Available)) {
			p.Ports, p.Pairs = of.Ports, of.Pairs
		}
		if closer(int64(of.Fds.Peak), of.Fds.Limit, int64(p.Fds.Peak), p.Fds.Limit) {
			p.Fds = of.Fds
		}
		if i == 0 || of.Memory.TCPPeakBytes > p.Memory.TCPPeakBytes {
			p.Memory = of.Memory
		}
		p.AcceptQueuePeak, p.Backlog = max(p.AcceptQueuePeak, of.AcceptQueuePeak), max(p.Backlog, of.Backlog)
		gauge(&p.Orphans, of.Orphans)
		gauge(&p.TWBuckets, of.TWBuckets)
		gauge(&p.Files, of.Files)
		if c := of.Conntrack; c != nil {
			if p.Conntrack == nil {
				p.Conntrack = new(record.Gauge)
			}
			gauge(p.Conntrack, *c)
		}
		for _, u := range of.Unread {
			if !slices.Contains(p.Unread, u) {
				p.Unread = append(p.Unread, u)
			}
		}
	}
	p.CPU = m.cpu()
}

// cpu adds up the CPUs of all hosts, each once.
func (m *Merger) cpu() (c record.CPU) {
	seen := map[string]bool{}
	for i := range m.parts {
		p := &m.parts[i]
		of := &p.Pressure.CPU
		c.GeneratorS += of.GeneratorS
		c.ServerS += of.ServerS
		c.ObserverS += of.ObserverS
		c.ElapsedS = max(c.ElapsedS, of.ElapsedS)
		c.GeneratorBusiest, c.ServerBusiest = max(c.GeneratorBusiest, of.GeneratorBusiest), max(c.ServerBusiest, of.ServerBusiest)
		if p.Host.BootID != "" && seen[p.Host.BootID] {
			continue // the whole machine's are in it already
		}
		seen[p.Host.BootID] = true
		c.CPUs += of.CPUs
		c.SystemS += of.SystemS
		c.UserS += of.UserS
		c.SoftirqS += of.SoftirqS
		c.StealS += of.StealS
		c.IdleS += of.IdleS
	}
	return c
}

func (m *Merger) addTracking(r *record.Run) {
	for i := range m.parts {
		t := m.parts[i].Tracking
		if t == nil {
			r.Tracking = nil
			return
		}
		if r.Tracking == nil {
			r.Tracking = new(record.Tracking)
		}
		all := r.Tracking
		all.Peak += t.Peak
		all.Max += t.Max
		all.States = record.Sum(all.States, t.States)
		all.StatesReason = cmp.Or(all.StatesReason, t.StatesReason)
		all.InsertFailed += t.InsertFailed
		all.Dropped += t.Dropped
		all.EarlyDropped += t.EarlyDropped
	}
}

// accounting is that of all shards: what was expected of each is added up, and what was counted, a kernel's counters once for each namespace.
func (m *Merger) accounting() (all []record.Check) {
	find := func(p *part, name string) *record.Check {
		for i := range p.Accounting {
			if p.Accounting[i].Name == name {
				return &p.Accounting[i]
			}
		}
		return nil
	}
	for i := range m.parts[0].Accounting {
		c := m.parts[0].Accounting[i]
		c.Want, c.Got = sockstate.Range{}, 0
		whole := true
		for k := range m.parts {
			of := find(&m.parts[k], c.Name)
			if of == nil {
				whole = false
				break
			}
			c.Want.Min += of.Want.Min
			c.Want.Max += of.Want.Max
			c.Got += of.Got
			c.Exact = c.Exact && of.Exact
			c.Note, c.NotRead = cmp.Or(c.Note, of.Note), cmp.Or(c.NotRead, of.NotRead)
			c.Contradicts = c.Contradicts || of.Contradicts
		}
		if !whole {
			continue
		}
		if strings.HasPrefix(c.Name, "Tcp") {
			c.Got = m.perKernel(func(p *part) int64 { return find(p, c.Name).Got })
		}
		c.OK = c.Want.Contains(c.Got) && c.NotRead == ""
		all = append(all, c)
	}
	return all
}
