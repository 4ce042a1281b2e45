package tune

import (
	"context"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"lastack/bench/grid"
	"lastack/bench/host"
	"lastack/bench/metric"
	"lastack/bench/record"
	"lastack/bench/setup"
	"lastack/sockstate"
)

// Spec is a search as the user asked for it.
type Spec struct {
	// Run is the load. It needs a rate, a server, a sandbox, and one group.
	Run  setup.Spec
	Base grid.Base
	// Keep names the settings that must stay: sysctls, of which net.ipv4. and net.core. may be left out, and those of Keys.
	Keep []string
	// Goal is what the load must meet.
	Goal grid.Goal
	// Consent allows a search that takes more than a day.
	Consent bool
}

// Setup is a search that can begin.
type Setup struct {
	Spec
	facts grid.Facts
	// asIs is the load without any change.
	asIs      *grid.Setup
	situation situation
}

// check refuses a spec that no host can run.
func (s *Spec) check() error {
	g := &s.Run.Plan.Groups[0]
	switch {
	case !g.OpenLoop():
		return sockstate.BadValue("rate", 0, "want the rate that is to be sustained, like -R 1k")
	case g.RateFrom != g.RateTo:
		return sockstate.BadValue("rate", setup.FormatRate(g.RateFrom, g.RateTo), "a load is sustained at one rate: want one like 1k")
	}
	_, err := s.kept()
	return err
}

// kept are the full names of Keep.
func (s *Spec) kept() (full []string, err error) {
	keys := Keys()
	var short []string
	for _, k := range keys {
		short = append(short, grid.ShortKey(k))
	}
	for _, name := range s.Keep {
		i := slices.Index(short, name)
		if i < 0 {
			i = slices.Index(keys, strings.ReplaceAll(name, "/", "."))
		}
		switch near := metric.Nearest(name, short); {
		case i >= 0:
			full = append(full, keys[i])
		case len(near) > 0:
			return nil, sockstate.BadValue("keep", name, "tune would not change it: did you mean %s?", strings.Join(near, " or "))
		default:
			return nil, sockstate.BadValue("keep", name, "tune would not change it: want %s", strings.Join(short, ", "))
		}
	}
	return full, nil
}

// Read reads the facts for a search. Without sandboxes the error is a *sandbox.Error.
func Read(ctx context.Context, s *Spec) (grid.Facts, error) {
	if err := s.check(); err != nil {
		return grid.Facts{}, err
	}
	return grid.ReadTrials(ctx, &s.Run, s.Base)
}

// Resolve refuses a load that cannot run here. It is a pure function.
func Resolve(s Spec, f grid.Facts) (Setup, error) {
	if err := s.check(); err != nil {
		return Setup{}, err
	}
	r := Setup{Spec: s, facts: f}
	r.Keep, _ = s.kept() // checked
	// What a load of a second cannot run, no longer one can. The error names its flag.
	probe := s.Run
	probe.SourceCount = max(probe.SourceCount, 1)
	if _, err := grid.ResolveRun(probe, f.Run); err != nil {
		return r, err
	}
	r.asIs = r.cells(nil, make([]trial, 1))
	c := &r.asIs.Cells[0]
	if c.Refused != "" {
		return r, sockstate.BadValue("rate", setup.FormatRate(r.rate(), r.rate()), "%s", c.Refused)
	}
	r.situation = situationOf(c, r.rate(), &f)
	if err := r.checkRoom(probe); err != nil {
		return r, err
	}
	if took := r.Expected(); took > grid.Longest && !r.Consent {
		return r, sockstate.BadValue("hold", r.Spec.Run.Plan.Groups[0].Hold, "the search takes about %.0f hours: want at most %.0f (a shorter hold), or --yes", took.Hours(), grid.Longest.Hours())
	}
	return r, nil
}

// checkRoom refuses a load for whose open connections this host has no memory, which no change of settings mends. Without enough ports a
// load opens fewer, so it is looked at with addresses for all of them.
func (r *Setup) checkRoom(load setup.Spec) error {
	hold := load.Plan.Groups[0].Hold
	open := r.rate() * hold.Seconds()
	if r.situation.ports == 0 || open <= float64(r.situation.ports) {
		return nil
	}
	load.Plan.Duration = hold + short
	load.SourceCount = int(math.Ceil(open / float64(r.situation.ports)))
	_, err := grid.ResolveRun(load, r.facts.Run)
	return err
}

func (r *Setup) rate() float64 { return r.Spec.Run.Plan.Groups[0].RateTo }

func situationOf(c *grid.Cell, rate float64, f *grid.Facts) situation {
	inside := f.Run.Inside(c.Setup.Sandbox)
	inside.Sysctls = maps.Clone(inside.Sysctls)
	// A base of the host's values sets those that differ from a fresh namespace's. A sandbox shares the hash that sizes the buckets.
	for key, value := range f.Run.Host.Sysctls {
		if _, set := inside.Sysctls[key]; !set && (f.Base.From == grid.FromHost || key == keyBuckets) {
			inside.Sysctls[key] = value
		}
	}
	s := situation{
		rate: rate, group: &c.Setup.Plan.Groups[0], inside: inside, known: f.Sysctls, loopback: c.Setup.Sandbox.Topology == "lo",
		addresses: int64(max(c.Setup.Needs.SourceAddresses, 1)), waits: c.Setup.Needs.TimeWaits.Client > 0, backlog: c.Setup.Server.Backlog,
	}
	s.ports, s.kept = c.Ports()
	return s
}

// short is how long a load lasts, at least, if TIME_WAIT does not matter.
const short = 8 * time.Second

// lasts is how long a load must last to be sustained: until the ports of its first connections, or their TIME_WAITs, are over.
func lasts(c *grid.Cell, f *host.Facts) time.Duration {
	const more = 4 * time.Second
	hold := c.Setup.Plan.Groups[0].Hold
	if tw := c.Setup.Needs.TimeWaits; tw.Client+tw.Server > 0 {
		return sockstate.TimeWaitLasts(f.HZ).Max + hold + more
	}
	return short + 2*hold
}

// trial is a set of changes to try, and the part to which ports, buckets and rate are narrowed; 0 for not at all.
type trial struct {
	remedies set
	scale    float64
}

// cells prepares trials, each as long as it must be to show that the load is sustained.
func (r *Setup) cells(remedies []record.TuneRemedy, trials []trial) *grid.Setup {
	first := r.during(remedies, trials, func(int) time.Duration { return short })
	return r.during(remedies, trials, func(i int) time.Duration {
		if first.Cells[i].Refused != "" {
			return short
		}
		return lasts(&first.Cells[i], &r.facts.Run.Host)
	})
}

// early prepares trials again, those that are predicted to fail early no longer than shows it.
func (r *Setup) early(whole *grid.Setup, remedies []record.TuneRemedy, trials []trial) *grid.Setup {
	return r.during(remedies, trials, func(i int) time.Duration {
		const late, more = 1.05, 2 * time.Second
		c := &whole.Cells[i]
		if p := r.predicted(c); p != nil && p.ExhaustedS > 0 {
			return min(c.Setup.Plan.Duration, time.Duration(p.ExhaustedS*late*float64(time.Second))+more)
		}
		return c.Setup.Plan.Duration
	})
}

// during prepares trials that last so long.
func (r *Setup) during(remedies []record.TuneRemedy, trials []trial, lasts func(int) time.Duration) *grid.Setup {
	list := make([]grid.Trial, len(trials))
	for i, t := range trials {
		list[i] = grid.Trial{Changes: changes(remedies, t.remedies), Rate: r.rate(), Lasts: lasts(i), Scale: t.scale}
	}
	return grid.Trials(r.Spec.Run, r.facts, list)
}

// predicted is what the ports of a cell bear, nil if that is not known.
func (r *Setup) predicted(c *grid.Cell) *record.TunePrediction {
	if c.Refused != "" {
		return nil
	}
	s := situation{group: &c.Setup.Plan.Groups[0]}
	if s.unpredicted() {
		return nil
	}
	ports, kept := c.Ports()
	return predict(r.rate(), ports, kept)
}

// firstSource is the first of several source addresses that a sandbox of the load chooses, empty if it has none.
func (r *Setup) firstSource() string {
	two := grid.Trial{Changes: []record.Factor{{Key: keySources, Levels: []string{"2"}}}, Rate: r.rate(), Lasts: short}
	c := &grid.Trials(r.Spec.Run, r.facts, []grid.Trial{two}).Cells[0]
	if c.Refused != "" || len(c.Setup.Plan.Groups[0].Sources) == 0 {
		return ""
	}
	return c.Setup.Plan.Groups[0].Sources[0].String()
}

// Expected is how long the search takes, if its prediction holds.
func (r *Setup) Expected() time.Duration {
	p := r.predicted(&r.asIs.Cells[0])
	whole := r.asIs.Cells[0].Setup.Plan.Duration
	if p == nil || p.ExhaustedS == 0 {
		return r.asIs.Expected()
	}
	return r.early(r.asIs, nil, make([]trial, 1)).Expected() + 2*(whole+2*time.Second)
}
