package bench

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"lastack/bench/record"
	"lastack/loadgen"
	"lastack/sockstate"
)

// maxPairs bounds the address pairs in a record.
const maxPairs = 32

// pairUse is what the censuses saw of a pair of addresses.
type pairUse struct {
	peak    sockstate.PortUse // when most ports were in use
	earlier int               // most TIME_WAITs of before the load
	// entered is the number that entered TIME_WAIT from from on, perS their rate while there were free ports.
	entered    int
	from, perS float64
}

// addPorts adds a census's use of ports.
func (s *sampler) addPorts() {
	now := time.Since(s.e.started).Seconds()
	for p, u := range s.sample.Census.Ports {
		k := s.pairs[p]
		if k == nil {
			k = new(pairUse)
			s.pairs[p] = k
		}
		if u.InUse() > k.peak.InUse() {
			k.peak = *u
		}
		k.earlier = max(k.earlier, u.Earlier)
		switch k.entered += u.Entered; {
		case k.entered == 0:
			k.from = now
		case u.Entered > 0 && now > k.from && (k.perS == 0 || u.InUse()-u.Reusable+u.Earlier < s.available):
			k.perS = float64(k.entered) / (now - k.from)
		}
	}
}

// listed is the load's pairs for the record, those with the most ports in use first. A pair that it had no port of is one of them if earlier
// loads had those.
func (s *sampler) listed() []record.PortPair {
	used := make(map[netip.AddrPort]bool)
	for p, u := range s.pairs {
		used[p.Destination] = used[p.Destination] || u.peak.InUse() > 0
	}
	var all []record.PortPair
	for p, u := range s.pairs {
		if u.peak.InUse() == 0 && (u.earlier == 0 || !s.e.planned(p, !used[p.Destination])) {
			continue
		}
		all = append(all, record.PortPair{
			Source: p.Source.String(), Destination: p.Destination.String(), PeakInUse: u.peak.InUse(),
			Open: u.peak.Open, TimeWait: u.peak.TimeWait, Reusable: u.peak.Reusable, Earlier: u.earlier, EnteredPerS: u.perS,
		})
	}
	slices.SortFunc(all, func(a, b record.PortPair) int {
		return cmp.Or(b.PeakInUse-a.PeakInUse, b.Earlier-a.Earlier, cmp.Compare(a.Source+a.Destination, b.Source+b.Destination))
	})
	return all
}

// planned reports whether a pair is one of the plan's. unknown is the answer where the plan leaves the source to the kernel.
func (e *experiment) planned(p sockstate.Pair, unknown bool) bool {
	for i := range e.plan.Groups {
		s := e.plan.Groups[i].Sources
		if slices.Contains(s, p.Source) || len(s) == 0 && unknown {
			return true
		}
	}
	return false
}

// portsOf is the local ports that a pair has, without what was observed.
func (e *experiment) portsOf() (p record.Ports) {
	lo, hi, free, _ := e.facts.LocalPorts()
	// If only the list of reserved ports cannot be read, there is a range without a number of free ports.
	p.Available = free
	if hi > 0 {
		p.FirstPass, _ = e.facts.FirstPass(lo, hi)
	}
	if sp := e.plan.Groups[0].SourcePorts; !sp.IsZero() {
		lo, hi = int(sp.Lo), int(sp.Hi)
		p.Available, _ = e.facts.UsablePorts(lo, hi)
		p.FirstPass = p.Available
	}
	if hi > 0 {
		p.Range = fmt.Sprintf("%d %d", lo, hi)
	}
	if p.Available > 0 {
		p.InRange = hi - lo + 1
		p.Reserved = p.InRange - p.Available
	}
	p.Pairs = e.plannedPairs()
	return p
}

func (e *experiment) addPorts(r *record.Run) {
	p := e.portsOf()
	// With a range set on the socket, as by SourcePorts, connect() makes only one pass (__inet_hash_connect).
	if n := e.result.Groups[0].DetourPorts; n > 0 {
		p.Available, p.FirstPass = n, n
	}
	pairs := e.sampler.listed()
	if len(pairs) > 0 {
		p.PeakInUse, p.LeastInUse = pairs[0].PeakInUse, pairs[len(pairs)-1].PeakInUse
	}
	r.Pressure.Ports, r.Pressure.Pairs = p, pairs[:min(len(pairs), maxPairs)]
	if len(pairs) > maxPairs {
		r.Warnings = append(r.Warnings, fmt.Sprintf("pressure.port_pairs: the %d fullest of %d pairs are listed", maxPairs, len(pairs)))
	}
}

// reuse is what connect does with TIME_WAITs in the client's namespace.
func (e *experiment) reuse() sockstate.Reuse { return sockstate.ReuseOf(e.facts.Sysctls) }

// plannedPairs counts the pairs of source and destination address that the plan uses.
// Without sources the kernel takes one source for each destination.
func (e *experiment) plannedPairs() int {
	n := 0
	for i := range e.plan.Groups {
		g := &e.plan.Groups[i]
		n += max(len(g.Sources), 1) * len(g.Targets)
	}
	return n
}

// firstFailures says when each failure first happened, in seconds from the start.
func (e *experiment) firstFailures(g *loadgen.GroupResult) map[string]float64 {
	var m map[string]float64
	for o, at := range g.FirstFailure {
		if at == 0 {
			continue
		}
		if m == nil {
			m = make(map[string]float64)
		}
		m[sockstate.Outcome(o).String()] = max(time.Duration(at-e.result.Started).Seconds(), 0)
	}
	return m
}
