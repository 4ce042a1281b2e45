package grid

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strconv"
	"time"

	"lastack/bench/sandbox"
	"lastack/bench/setup"
	"lastack/bench/sweep"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

const bucketsKey = "net.ipv4.tcp_max_tw_buckets"

// pattern is what a search must know of a cell.
type pattern struct {
	// whole is the cell's spec; in spec only the part narrowed of its ports is left.
	whole, spec setup.Spec
	narrowed    float64
	// ports is how many local ports the cell has, over all addresses.
	ports int64
	// keeps is how long a connection keeps its port, from its opening until another can have it.
	keeps sockstate.Span
}

// waits reports whether ports come back so late that a load of seconds does not show how many there are.
func (p *pattern) waits() bool { return p.keeps.Min >= sockstate.TimeWaitLength }

// bears is the rate that the ports of the whole range bear.
func (p *pattern) bears() float64 { return float64(p.ports) / p.narrowed / p.keeps.Mean().Seconds() }

// overdrive is a rate that uses all ports in a part of the time until the first come back, and then fails. It is no faster than it must be,
// since a connect that fails walks past all ports, and fast enough to see to a hundredth of a second when they come back.
func (p *pattern) overdrive() float64 {
	const few, times, timesOfMany, least = 5000, 5, 2.5, 50
	bears := float64(p.ports) / p.keeps.Mean().Seconds()
	if p.ports > few {
		return round(max(bears*timesOfMany, least))
	}
	return round(max(bears*times, least))
}

// overdriven is how long the overdrive lasts: until ports come back for the second time.
func (p *pattern) overdriven() time.Duration { return 2*p.keeps.Max + 3*time.Second }

// confirmed is how long a load below the turnover lasts: until its first ports have come back, and some more.
func (p *pattern) confirmed() time.Duration { return p.keeps.Max + 4*time.Second }

// sampled is the time between two samples of the overdrive, which bounds the precision. Each takes time for every socket.
func (p *pattern) sampled() time.Duration {
	return min(max(time.Duration(p.ports)*20*time.Microsecond, 50*time.Millisecond), time.Second)
}

// forSearch prepares the cells for a search: each is resolved at a rate, and narrowed.
func (r *Setup) forSearch(specs []setup.Spec) {
	least := int64(math.MaxInt64)
	for i := range r.Cells {
		c := &r.Cells[i]
		if c.Refused != "" {
			continue
		}
		c.pattern = patternOf(specs[i], &c.Setup, &r.Facts.Run)
		if c.waits() {
			least = min(least, c.ports)
		}
	}
	scale := r.Scale
	if scale == ScaleAuto {
		// As few ports as still give a rate to half a percent, and bursts to tell apart.
		const enough = 1000
		scale = 1 / float64(max(least/enough, 1))
		// The time of connect depends on how many ports it searches.
		if least == math.MaxInt64 || len(r.Goal.Bounds) > 0 {
			scale = 1
		}
	}
	r.Scale = 0
	for i := range r.Cells {
		if c := &r.Cells[i]; c.Refused == "" && c.waits() && scale > 0 && scale < 1 {
			c.narrow(&r.Facts.Run, scale)
			r.Scale = scale
		}
	}
}

// patternOf finds out how long a connection of a cell keeps its local port.
func patternOf(spec setup.Spec, s *setup.Setup, facts *setup.Facts) pattern {
	p := pattern{whole: spec, spec: spec, narrowed: 1, ports: int64(s.Needs.PortsEach) * int64(max(s.Needs.SourceAddresses, 1))}
	g := &s.Plan.Groups[0]
	if s.Needs.TimeWaits.Client == 0 {
		return p
	}
	inside := facts.Inside(s.Sandbox)
	lasts := sockstate.TimeWaitLasts(facts.Host.HZ)
	finTimeout, known := inside.Sysctl("net.ipv4.tcp_fin_timeout")
	reuse := sockstate.ReuseOf(inside.Sysctls)
	switch {
	case known && g.Close == (teardown.Policy{Who: teardown.ClientFirst, How: teardown.FIN}) && g.OnEOF.Kind == teardown.ReactNever:
		lasts = sockstate.OrphanLasts(time.Duration(finTimeout)*time.Second, facts.Host.HZ) // a FIN_WAIT_2 is not reused
	case reuse.On(!s.Sandbox.Topology.Split()):
		lasts = sockstate.Span{Min: reuse.Delay, Max: reuse.Delay}
	}
	p.keeps = sockstate.Span{Min: lasts.Min + g.Hold, Max: lasts.Max + g.Hold}
	return p
}

// narrow leaves a part of the cell's local ports, and of the room for TIME_WAITs.
func (c *Cell) narrow(facts *setup.Facts, scale float64) {
	s, inside := &c.spec, facts.Inside(c.Setup.Sandbox)
	box := *s.Sandbox
	box.Sysctls = slices.Clone(box.Sysctls)
	s.Sandbox = &box
	s.Plan.Groups = slices.Clone(s.Plan.Groups)
	g := &s.Plan.Groups[0]
	lo, hi, all, ok := inside.LocalPorts()
	if p := g.SourcePorts; !p.IsZero() {
		lo, hi = int(p.Lo), int(p.Hi)
		n, err := inside.UsablePorts(lo, hi)
		all, ok = n, err == nil
	}
	want := max(int(math.Round(float64(all)*scale)), 1)
	end := lo + sort.Search(hi-lo, func(i int) bool {
		n, err := inside.UsablePorts(lo, lo+i)
		return err == nil && n >= want
	})
	if n, err := inside.UsablePorts(lo, end); ok && err == nil && n > 0 {
		if !g.SourcePorts.IsZero() {
			g.SourcePorts.Hi = uint16(end)
		} else {
			setSysctl(&box, sandbox.Sysctl{Key: portRange, Value: fmt.Sprintf("%d %d", lo, end)})
		}
		c.narrowed = float64(n) / float64(all)
	}
	buckets, known := inside.Sysctl(bucketsKey)
	if !known {
		buckets, known = facts.Host.Sysctl(bucketsKey) // a sandbox shares the hash, by which the kernel sizes it
	}
	if known {
		setSysctl(&box, sandbox.Sysctl{Key: bucketsKey, Value: strconv.FormatInt(max(int64(math.Round(float64(buckets)*c.narrowed)), 1), 10)})
	}
	c.ports = int64(math.Round(float64(c.ports) * c.narrowed))
}

// searchCost estimates what a search in a cell takes.
func (r *Setup) searchCost(c *Cell) sweep.Cost {
	cpus := r.Facts.Run.Host.UsableCPUs()
	if !c.waits() || c.bears() > cpuRate*cpus {
		const tries = 9 // most often
		each := shortLoad + around + 2*c.whole.Plan.Groups[0].Hold
		if !c.waits() {
			each += min(2*c.keeps.Max, longLoad)
		}
		return sweep.Cost{Took: tries * each, CPUs: cpus, Alone: true}
	}
	// A connect that fails walks past all ports of its address.
	const walk = 80 * time.Nanosecond
	each := time.Duration(c.ports)/time.Duration(max(c.Setup.Needs.SourceAddresses, 1))*walk + exchangeCPU
	busy := ownCPU + c.overdrive()*each.Seconds()
	took := c.overdriven() + around
	if !r.Unconfirmed {
		took += c.confirmed() + around
	}
	return sweep.Cost{Took: took, CPUs: busy, Alone: busy > aloneFrom*cpus}
}
