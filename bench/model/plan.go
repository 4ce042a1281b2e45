package model

import (
	"fmt"
	"math"
	"slices"
	"time"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/sockstate"
	"lastack/sockstate/teardown"
)

// Plan computes what a load needs, what bounds it, and what to change so that it fits.
func Plan(in Input) (*record.Capacity, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	needs := needsOf(&in)
	limits := judged(&in, limitsOf(&in, needs))
	c := &record.Capacity{Asked: in.asked(), Rates: in.rates(), Limits: limits, Assumed: in.assumed()}
	for i := range needs {
		if n := &needs[i]; n.shown || slices.ContainsFunc(limits, func(l record.CapacityLimit) bool { return l.Need == n.name && l.Side == n.side }) {
			row := record.CapacityNeed{Name: n.name, Side: n.side, Unit: n.unit, Formula: n.formula}
			for _, rate := range c.Rates {
				row.At = append(row.At, n.estimate(rate))
			}
			c.Needs = append(c.Needs, row)
		}
	}
	c.Curve = curve(&in, needs, limits)
	c.Effects = effects(&in, limits)
	fits := &changer{in: in.clone(), to: in.Load.RateTo}
	c.Changes = fits.changes()
	c.Generators = fits.generators()
	return c, nil
}

func (in *Input) check() error {
	l := &in.Load
	switch {
	case l.RateFrom <= 0 || l.RateTo <= 0 || l.RateFrom > l.RateTo || l.RateTo > MostRate:
		return sockstate.BadValue("rate", quantity.FormatSI(l.RateFrom)+".."+quantity.FormatSI(l.RateTo), "want a rate above 0, or LO..HI with LO below HI")
	case l.Hold.Mean < 0 || l.Hold.Mean > mostTime || l.Hold.Max > mostTime:
		return sockstate.BadValue("hold", l.Hold.Mean.String(), "want a duration from 0s to %v", mostTime)
	case l.RTT.Mean < 0 || l.RTT.Max > mostTime:
		return sockstate.BadValue("rtt", l.RTT.Mean.String(), "want a duration from 0s to %v", mostTime)
	case l.Sources < 1:
		return sockstate.BadValue("sources", fmt.Sprint(l.Sources), "want at least 1")
	case l.Targets < 1:
		return sockstate.BadValue("targets", fmt.Sprint(l.Targets), "want at least 1")
	case in.Headroom < 0 || in.Headroom >= 1:
		return sockstate.BadValue("headroom", fmt.Sprint(in.Headroom), "want a share below 1, like 30%%")
	}
	for _, g := range l.Growth {
		if g <= 0 || g > 1e6 || g*l.RateTo > MostRate {
			return sockstate.BadValue("growth", quantity.FormatSI(g)+"x", "want factors above 0, like 2x,5x,10x")
		}
	}
	return nil
}

// mostTime bounds the times of a load.
const mostTime = 30 * 24 * time.Hour

// rates are those of the table of needs.
func (in *Input) rates() []float64 {
	l := &in.Load
	all := []float64{l.RateFrom}
	if l.RateTo != l.RateFrom {
		all = append(all, l.RateTo)
	}
	for _, g := range l.Growth {
		all = append(all, g*l.RateTo)
	}
	return all
}

func (in *Input) asked() record.CapacityAsked {
	l := &in.Load
	x := lifeOf(in)
	return record.CapacityAsked{
		RateFrom: l.RateFrom, RateTo: l.RateTo, Growth: l.Growth, OverS: l.Over.Seconds(), Poisson: l.Poisson, Hold: l.Hold.recorded(),
		Close: l.Close.String(), OnEOF: l.OnEOF.String(), Exchange: l.Exchange.String(), Requests: max(l.Requests, 1),
		RTT: l.RTT.recorded(), Service: l.Service.recorded(), AcceptPause: l.AcceptPause.Seconds(),
		Sources: l.Sources, Targets: l.Targets, Headroom: in.Headroom, Middle: in.Middle.recorded(x.resets),
	}
}

// assumed says what was assumed.
func (in *Input) assumed() []string {
	all := slices.Clone(in.Assumed)
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	c := &in.Client
	if c.HZ == 0 {
		say("the kernel's HZ is not known: a TIME_WAIT lasts %v", sockstate.TimeWaitLasts(0))
	}
	if m := MemoryOf(c.Kernel, c.Slabs); m.Source != "/proc/slabinfo" {
		say("kernel memory: %s a socket and %s a TIME_WAIT of the client are %s: +-%.0f %%",
			quantity.Bytes(m.Socket), quantity.Bytes(m.TimeWait[sockstate.Client]), m.Source, 100*m.Margin)
	}
	if in.CPU == nil {
		say("CPU: %.0f to %.0f µs a lifecycle and end, of the kernel alone and without an application: --from RECORD gives what a run measured", 1e6*assumedCPU.client.lo, 1e6*assumedCPU.client.hi)
	}
	if in.ServerSame {
		say("the server's host allows what the client's does: --server-limits FILE says otherwise")
	}
	if c.ReuseMode == "2" && !c.Reuse {
		say("tcp_tw_reuse=2 reuses ports on loopback only, so not here")
	}
	say("one process and one host a side; the listener's backlog is as long as somaxconn allows; the server accepts at least every %v", in.Load.AcceptPause)
	if in.Load.Close.Who == teardown.BothAtOnce {
		say("with both:fin a half to all of the connections leave a TIME_WAIT on a given side, depending on whether the FINs cross")
	}
	return all
}

// points is the number of rates of a curve.
const points = 41

// curve has the need of each limit over the rates, from well below to above what was asked for.
func curve(in *Input, needs []need, limits []record.CapacityLimit) record.CapacityCurve {
	all := in.rates()
	from, to := slices.Min(all)/4, slices.Max(all)*1.25
	if len(limits) > 0 && limits[0].Reached != nil && limits[0].Reached.Value > 0 {
		from = min(from, limits[0].Reached.Value/4)
	}
	var c record.CapacityCurve
	for i := range points {
		c.Rates = append(c.Rates, from*math.Pow(to/from, float64(i)/(points-1)))
	}
	for _, l := range limits {
		i := slices.IndexFunc(needs, func(n need) bool { return n.name == l.Need && n.side == l.Side })
		var at []float64
		for _, rate := range c.Rates {
			if v := needs[i].at(rate).hi; !math.IsInf(v, 1) {
				at = append(at, v)
			}
		}
		if len(at) < len(c.Rates) {
			at = nil
		}
		c.Needs = append(c.Needs, at)
	}
	return c
}

// enough is how many of what each has so much are enough for a need, with a share left free.
func enough(need, each, headroom float64) int {
	n := math.Ceil(need/(each*(1-headroom)) - 1e-9)
	if math.IsInf(n, 0) || math.IsNaN(n) || n > 1e9 {
		return 0
	}
	return max(int(n), 1)
}
