package tune

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"lastack/bench"
	"lastack/bench/grid"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/sockstate"
)

// Progress is a trial that ended.
type Progress struct {
	grid.Progress
	// Round is the part of the search, from 0, and What the trial in words.
	Round int
	What  string
	// Until is the record of what was tried until then, at the end of a round; else nil.
	Until *record.Run
}

// search is one in progress.
type search struct {
	*Setup
	see   func(Progress)
	began time.Time
	// load runs trials in sandboxes.
	load func(context.Context, *grid.Setup, func(grid.Progress)) []grid.Outcome
	tune *record.Tune
	// box is the sandbox of the load without any change, round the part of the search.
	box   *record.Sandbox
	round int
	// full counts the sets that were confirmed or refuted.
	full int
}

// Run searches. When ctx is over, it stops the trials that go on, and returns a record of those that had ended. see is called on the calling
// goroutine.
func (r *Setup) Run(ctx context.Context, see func(Progress)) (*record.Run, error) {
	s := r.search(see)
	s.load = func(ctx context.Context, g *grid.Setup, see func(grid.Progress)) []grid.Outcome {
		return g.RunTrials(ctx, see)
	}
	s.run(ctx)
	run := s.record()
	run.Interrupted = ctx.Err() != nil
	return run, failed(s.tune)
}

// search begins a search.
func (r *Setup) search(see func(Progress)) *search {
	return &search{Setup: r, see: see, began: time.Now(), tune: &record.Tune{
		RatePerS: r.rate(), Allow: r.Goal.Allow, Base: r.facts.Base, Keep: r.Keep, ExpectedS: r.Expected().Seconds(),
		LastsS: r.asIs.Cells[0].Setup.Plan.Duration.Seconds(), FirstSource: r.firstSource(),
		Remedies: []record.TuneRemedy{}, Trials: []record.TuneTrial{},
	}}
}

// run searches until there is a result, or ctx is over.
func (s *search) run(ctx context.Context) {
	t := s.tune
	full := s.asItIs(ctx)
	switch {
	case full == nil || full.Error != "" || ctx.Err() != nil && !full.Sustained:
		return
	case full.Sustained:
		t.Result, t.LimitedBy = record.TuneSustained, record.LimitTarget
		return
	case full.CannotTell && t.LimitedBy == full.LimitedBy:
		t.Result = record.TuneCannotTell
		return
	}
	for _, next := range []func() []set{s.alone, func() []set { return pairs(t, s.add) }} {
		var trials []trial
		for _, set := range next() {
			trials = append(trials, trial{set, s.scale()})
		}
		if len(trials) > 0 && ctx.Err() == nil {
			s.try(ctx, trials, false)
		}
		if ctx.Err() != nil || s.confirmed(ctx) {
			return
		}
		if ctx.Err() == nil && undecided(t) {
			t.Result = record.TuneCannotTell
			if may := open(t); len(may) > 0 {
				t.Answer = may[0]
			}
			return
		}
	}
	t.Result = record.TuneNothing
	if s.ofPorts() {
		t.Takes = s.situation.need()
	}
}

// asItIs tries the load without any change. Where the ports are predicted to be too few, a narrowed one says so even if the CPUs, or the search
// for a port, keep the full load from using them all. It returns the full one, nil if that was interrupted.
func (s *search) asItIs(ctx context.Context) *record.TuneTrial {
	t := s.tune
	trials := make([]trial, 1)
	if p := s.predicted(&s.asIs.Cells[0]); p != nil && p.ExhaustedS > 0 && s.narrowest() > 0 {
		trials = append(trials, trial{scale: s.narrowest()})
	}
	s.try(ctx, trials, false)
	full := asIs(t, false)
	if full == nil {
		return nil
	}
	t.LimitedBy = full.LimitedBy
	if n := asIs(t, true); n != nil && !full.Sustained && !n.Sustained && n.Error == "" {
		t.LimitedBy = n.LimitedBy
	}
	return full
}

// failed is why there is no result without any change.
func failed(t *record.Tune) error {
	if full := asIs(t, false); full != nil && full.Error != "" {
		return fmt.Errorf("the load without any change: %s", full.Error)
	}
	return nil
}

// add adds the remedies of a limit to the record, and returns the indices of all of them.
func (s *search) add(limit string) (all []int) {
	for _, r := range admitted(limit, &s.situation, s.Keep) {
		i := s.index(r.Code)
		if i < 0 {
			i = len(s.tune.Remedies)
			s.tune.Remedies = append(s.tune.Remedies, r)
		}
		all = append(all, i)
	}
	return all
}

func (s *search) index(code string) int {
	for i := range s.tune.Remedies {
		if s.tune.Remedies[i].Code == code {
			return i
		}
	}
	return -1
}

// alone lists the remedies of what bound the load without any change, each by itself.
func (s *search) alone() (sets []set) {
	for _, i := range s.add(s.tune.LimitedBy) {
		sets = append(sets, set{i})
	}
	return sets
}

func (s *search) ofPorts() bool { return slices.Contains(ofPorts, s.tune.LimitedBy) }

// scale is how far trials are narrowed: only where ports, or their TIME_WAITs, are the limit.
func (s *search) scale() float64 {
	if !s.ofPorts() {
		return 0
	}
	return s.narrowest()
}

// narrowest leaves as few ports as still tell rates apart by a hundredth; 0 if there are no more than that.
func (s *search) narrowest() float64 {
	const enough, least = 1000, 10
	n := math.Floor(min(float64(s.situation.ports/s.situation.addresses/enough), s.rate()/least))
	if n < 2 {
		return 0
	}
	return 1 / n
}

// confirmed confirms the sets that suffice, from the smallest on, and reports whether one is the answer.
func (s *search) confirmed(ctx context.Context) bool {
	for _, set := range suffice(s.tune) {
		if s.full++; s.full > maxConfirmed || ctx.Err() != nil {
			return false
		}
		if s.confirm(ctx, set) {
			s.tune.Result, s.tune.Answer = record.TuneChange, set
			return true
		}
	}
	return false
}

// confirms is how many fresh sandboxes confirm a set.
const confirms = 2

// confirm reports whether a set sustains the load in full.
func (s *search) confirm(ctx context.Context, remedies set) bool {
	trials := []trial{{remedies: remedies}, {remedies: remedies}}[:confirms]
	if s.cells(s.tune.Remedies, trials).SideBySide() < confirms {
		trials = trials[:1] // each needs the machine
	}
	before := len(s.tune.Trials)
	s.try(ctx, trials, true)
	ended := s.tune.Trials[before:]
	return len(ended) >= len(trials) && !slices.ContainsFunc(ended, func(t record.TuneTrial) bool { return !t.Sustained })
}

// try runs trials. One that is predicted to fail is over when it has; if it has not, it runs once more, until it has shown that it does not. So
// does one for which this machine was too busy.
func (s *search) try(ctx context.Context, trials []trial, confirms bool) {
	whole := s.cells(s.tune.Remedies, trials)
	early := s.early(whole, s.tune.Remedies, trials)
	var again []trial
	var doubtful []record.TuneTrial
	for i, t := range s.ended(ctx, trials, early, confirms) {
		switch shortened := early.Cells[i].Setup.Plan.Duration < whole.Cells[i].Setup.Plan.Duration; {
		case t == nil:
		case t.Sustained && shortened || t.Late && t.Scale == 0 || t.CannotTell && ofOthers(t):
			again = append(again, trials[i])
			if t.Late && !shortened || t.CannotTell {
				doubtful = append(doubtful, *t)
			}
		default:
			s.tune.Trials = append(s.tune.Trials, *t)
		}
	}
	if len(again) > 0 && ctx.Err() == nil {
		for _, t := range s.ended(ctx, again, s.cells(s.tune.Remedies, again), confirms) {
			if t != nil {
				s.tune.Trials = append(s.tune.Trials, *t)
			}
		}
	}
	if ctx.Err() != nil {
		s.tune.Trials = append(s.tune.Trials, doubtful...)
	}
	s.see(Progress{Round: s.round, Until: s.record()})
	s.round++
}

// ended runs trials, and returns what they say, nil for one that was interrupted.
func (s *search) ended(ctx context.Context, trials []trial, g *grid.Setup, confirms bool) []*record.TuneTrial {
	out := make([]*record.TuneTrial, len(trials))
	for i, o := range s.load(ctx, g, s.seen(trials)) {
		if o.Record == nil && o.Error == "" {
			continue
		}
		t := s.trial(&g.Cells[i], &o)
		t.Remedies, t.Confirms = trials[i].remedies, confirms
		if len(t.Remedies) == 0 && t.Scale == 0 && o.Record != nil {
			s.box = &o.Record.Sandbox
		}
		out[i] = &t
	}
	return out
}

func (s *search) trial(c *grid.Cell, o *grid.Outcome) record.TuneTrial {
	t := record.TuneTrial{Started: o.Started, Predicted: s.predicted(c), Values: o.Values, Findings: o.Findings, Outcomes: o.Outcomes, Error: o.Error}
	if n := c.Narrowed(); n > 0 && n < 1 && c.Refused == "" {
		t.Scale = n
	}
	r := o.Record
	if r == nil {
		return t
	}
	t.FindTry = s.Goal.Try(r)
	t.LoadS, t.Attempted = r.LoadS, r.Connections.Attempted
	t.FailedAfterS = firstFailure(r)
	late := s.Goal.Late(r)
	if l := kernelLimit(r); l != "" {
		t.LimitedBy = l
	}
	switch {
	case o.Error != "":
		t.Sustained = false
	case (t.Sustained || late) && slices.Contains(lossy, t.LimitedBy):
		t.Sustained = false
		if l, known := record.LimitNamed(t.LimitedBy); known {
			t.Reason = l.Words
		}
	case late:
		// It says nothing against the rate, and is shown with what it is.
		t.Sustained, t.Late = true, true
	case !t.Sustained:
		t.CannotTell = s.ofMachine(c, r)
	}
	return t
}

// ofMachine reports whether this machine, and no setting, bound a load that was not sustained. Without a failure, a limit that nobody knows is
// one of the machine, and so is that of a load whose rate was met, but not its thresholds, while the CPUs were full. Ports of which the load needs
// half at most are taken by connections that piled up, and those of which it has enough by a burst of connections that this program was late with.
func (s *search) ofMachine(cell *grid.Cell, r *record.Run) bool {
	const full = 0.1
	c := &r.Pressure.CPU
	switch cmp.Or(kernelLimit(r), r.Verdict.LimitedBy) {
	case record.LimitCPU, record.LimitGeneratorCPU, record.LimitServerCPU, record.LimitCPUQuota, record.LimitSoftirq, record.LimitHalted:
		return true
	case record.LimitUnknown:
		return float64(r.Connections.Failed) <= s.Goal.Allow*float64(r.Connections.Attempted)
	case record.LimitPorts, record.LimitPortSearch:
		x := situation{rate: s.rate(), group: &cell.Setup.Plan.Groups[0]}
		x.ports, x.kept = cell.Ports()
		late := x.rate * r.Latency["lag"].MaxUs / 1e6
		return !x.unpredicted() && (cell.Narrowed() == 1 && 2*x.needs() <= x.ports || x.needs() <= x.ports && float64(x.needs())+late > float64(x.ports))
	case record.LimitTarget:
		return c.SharesTell() && c.IdleS < full*c.ElapsedS*float64(c.CPUs)
	}
	return false
}

// ofOthers reports whether other programs had the CPUs that a trial lacked, or stopped it.
func ofOthers(t *record.TuneTrial) bool {
	codes := []string{"cpus_full_of_others", "halted", "halted_too"}
	return slices.ContainsFunc(t.Findings, func(f record.Finding) bool { return slices.Contains(codes, f.Code) })
}

// kernelLimit is the limit of the kernel that a load has met for certain, by its counts, empty if none. A verdict may name another that bound
// the load more, such as CPUs that other programs have.
func kernelLimit(r *record.Run) string {
	switch c := r.Counters; {
	case r.Outcomes[sockstate.OutcomeNoLocalPort.String()] > 0:
		return record.LimitPorts
	case r.TimeWait.Overflow > 0:
		return record.LimitTWBuckets
	case c["TcpExtListenOverflows"] > 0:
		return record.LimitAcceptQueue
	case c["TcpExtTCPReqQFullDrop"]+c["TcpExtTCPReqQFullDoCookies"]+c["TcpExtListenDrops"] > 0:
		return record.LimitSYNDrops
	}
	return ""
}

// lossy are limits that a load may meet without failure, late arrivals or missing its rate: TIME_WAITs or handshakes are lost. That CPUs were
// full, maybe with other programs, says nothing against a load that was on time.
var lossy = []string{record.LimitTWBuckets, record.LimitAcceptQueue, record.LimitSYNDrops, record.LimitConntrack}

// firstFailure is when the first connection failed.
func firstFailure(r *record.Run) (at float64) {
	for _, o := range sockstate.OutcomeNames(sockstate.ClassFailure) {
		if s, ok := r.FirstFailureS[o]; ok && (at == 0 || s < at) {
			at = s
		}
	}
	return at
}

// seen passes on the progress of trials.
func (s *search) seen(trials []trial) func(grid.Progress) {
	return func(p grid.Progress) {
		t := trials[p.Slot.Cell]
		what := s.words(t.remedies)
		if t.scale > 0 {
			what += fmt.Sprintf(" (1/%.0f)", 1/t.scale)
		}
		s.see(Progress{Progress: p, Round: s.round, What: what})
	}
}

// words are the changes of a set.
func (s *search) words(remedies set) string {
	var all []string
	for _, c := range changes(s.tune.Remedies, remedies) {
		all = append(all, grid.ShortKey(c.Key)+"="+c.Levels[0])
	}
	if len(all) == 0 {
		return "as it is"
	}
	return strings.Join(all, " ")
}

// record is the record of the search.
func (s *search) record() *record.Run {
	base := &s.asIs.Cells[0].Setup
	run := &record.Run{
		Schema: record.Schema, Version: base.Version, Kind: record.KindTune,
		Plan: base.Record, Hosts: []record.Host{bench.RecordHost(&s.facts.Run.Host)},
		Started: s.began, ElapsedS: time.Since(s.began).Seconds(), Warnings: []string{}, Tune: s.tune,
	}
	run.Plan.DurationNs = 0 // each trial has its own
	if s.box != nil {
		run.Sandbox = *s.box
	}
	t := s.tune
	run.Verdict = record.Verdict{Valid: t.Result == record.TuneSustained || t.Result == record.TuneChange, LimitedBy: t.LimitedBy, Reasons: []string{}}
	if t.Result == record.TuneCannotTell {
		run.Verdict.LimitedBy = boundBy(t)
	}
	if run.Verdict.LimitedBy == "" {
		run.Verdict.LimitedBy = record.LimitUnknown
	}
	for i := range t.Trials {
		if trial := &t.Trials[i]; trial.Late && (trial.Confirms || len(trial.Remedies) == 0) {
			run.Warnings = append(run.Warnings, fmt.Sprintf("a trial (%s) was not on time, since this machine was busy: %s", s.words(trial.Remedies), trial.Reason))
		}
	}
	if s.situation.unpredicted() {
		run.Warnings = append(run.Warnings, "nothing is predicted of ports: the server does not close at once, so that connections wait in FIN_WAIT_2")
	}
	return run
}

// Describe says in a line what the search is about.
func (r *Setup) Describe() string {
	return "what to change so that " + quantity.PerSecond(r.rate()) + " connections/s are sustained"
}
