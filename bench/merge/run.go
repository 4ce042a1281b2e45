package merge

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"lastack/bench/record"
	"lastack/bench/shard"
	"lastack/sockstate"
)

// run is the merged record, without its verdict.
func (m *Merger) run() (*record.Run, error) {
	first := &m.parts[0]
	r := &record.Run{
		Schema: record.Schema, Version: first.Version, Build: m.build(), Kind: record.KindRun, RunID: first.runID, Started: first.Started, Sandbox: first.Sandbox,
		Greetings: m.first.Greetings, Predicted: m.predicted(), Warnings: []string{},
	}
	for i := range m.parts {
		p := &m.parts[i]
		r.Shards = append(r.Shards, p.ShardResult)
		r.Hosts = append(r.Hosts, p.Host)
		r.Interrupted = r.Interrupted || p.Interrupted
		r.ElapsedS, r.LoadS = max(r.ElapsedS, p.ElapsedS), max(r.LoadS, p.LoadS)
		if p.Started.Before(r.Started) {
			r.Started = p.Started
		}
	}
	r.Plan = m.plan()
	var err error
	if r.Result, err = result(m.results(-1), r.LoadS, m.latency); err != nil {
		return nil, err
	}
	for i := range m.groups {
		one, err := result(m.results(i), r.LoadS, m.groups[i].latency)
		if err != nil {
			return nil, err
		}
		r.Groups = append(r.Groups, record.GroupResult{Name: m.groups[i].name, Result: one})
	}
	if r.Timeline, err = m.timeline.intervals(); err != nil {
		return nil, err
	}
	m.addServers(r)
	m.addKernels(r)
	r.Accounting = m.accounting()
	m.warn(r)
	if err := m.addTraces(r); err != nil {
		return nil, err
	}
	return r, nil
}

// plan is that of all shards together.
func (m *Merger) plan() record.Plan {
	p := m.parts[0].Plan
	p.Groups = slices.Clone(p.Groups)
	p.Count, p.Workers, p.ServerWorkers, p.Probed, p.CPUs = 0, 0, 0, 0, nil
	for i := range p.Groups {
		g := &p.Groups[i]
		g.Connections, g.RateFrom, g.RateTo, g.CloseRate, g.Phase, g.Seed, g.Sources, g.SourcesChosen = 0, 0, 0, 0, 0, 0, nil, 0
	}
	for k := range m.parts {
		of := &m.parts[k].Plan
		p.Count += of.Count
		p.Workers += of.Workers
		p.ServerWorkers += of.ServerWorkers
		p.Probed += of.Probed
		if of.Engine != p.Engine {
			p.Engine, p.EngineReason = "mixed", ""
		}
		for i := range min(len(p.Groups), len(of.Groups)) {
			g, part := &p.Groups[i], &of.Groups[i]
			g.Connections += part.Connections
			g.RateFrom += part.RateFrom
			g.RateTo += part.RateTo
			g.CloseRate += part.CloseRate
			for _, t := range part.Targets {
				if !slices.Contains(g.Targets, t) {
					g.Targets = append(slices.Clip(g.Targets), t)
				}
			}
			for _, s := range part.Sources {
				if !slices.Contains(g.Sources, s) {
					g.Sources = append(g.Sources, s)
				}
			}
			g.SourcesChosen += part.SourcesChosen
		}
	}
	for i := range p.Groups {
		g := &p.Groups[i]
		g.RateFrom, g.RateTo, g.CloseRate = rounded(g.RateFrom), rounded(g.RateTo), rounded(g.CloseRate)
	}
	return p
}

// rounded takes away what a division by the number of shards and the sum of the parts leave behind.
func rounded(v float64) float64 { return round(v, 12) }

// round leaves so many digits that count.
func round(v float64, digits int) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', digits, 64), 64)
	if err != nil {
		return v
	}
	return r
}

// partResult is a shard's result, or that of a group, and for how long it was under load.
type partResult struct {
	*record.Result
	loadS float64
}

// results are those of the shards, or of a group of theirs.
func (m *Merger) results(group int) (all []partResult) {
	for i := range m.parts {
		p := &m.parts[i]
		if group < 0 {
			all = append(all, partResult{&p.Result, p.LoadS})
		} else if group < len(p.Groups) {
			all = append(all, partResult{&p.Groups[group].Result, p.LoadS})
		}
	}
	return all
}

// result is that of all shards together, of which the last was under load for loadS.
func result(all []partResult, loadS float64, sums map[string]*record.LatencySum) (r record.Result, err error) {
	r.Outcomes = map[string]int64{}
	for _, of := range all {
		share := 1.0
		if loadS > 0 {
			share = of.loadS / loadS
		}
		addConnections(&r.Connections, &of.Connections)
		maps.Copy(r.Outcomes, record.Sum(r.Outcomes, of.Outcomes))
		r.Rate.OpenedPerS += of.Rate.OpenedPerS * share
		r.Rate.CompletedPerS += of.Rate.CompletedPerS * share
		r.Rate.RequestsPerS += of.Rate.RequestsPerS * share
		r.Rate.TargetPerS += of.Rate.TargetPerS
		r.HTTP, r.Errnos, r.ExchangeErrors = record.Sum(r.HTTP, of.HTTP), record.Sum(r.Errnos, of.Errnos), record.Sum(r.ExchangeErrors, of.ExchangeErrors)
		r.FirstFailureS = earliest(r.FirstFailureS, of.FirstFailureS)
		for k, v := range of.ExchangeExamples {
			if r.ExchangeExamples == nil {
				r.ExchangeExamples = map[string]string{}
			}
			if _, ok := r.ExchangeExamples[k]; !ok {
				r.ExchangeExamples[k] = v
			}
		}
		if r.LatencySource == nil {
			r.LatencySource = of.LatencySource
		}
		for k, v := range of.LatencyAbsent {
			if r.LatencyAbsent == nil {
				r.LatencyAbsent = map[string]string{}
			}
			r.LatencyAbsent[k] = cmp.Or(r.LatencyAbsent[k], v)
		}
	}
	r.Rate.TargetPerS = rounded(r.Rate.TargetPerS)
	if r.Latency, err = latencies(sums); err != nil {
		return r, err
	}
	maps.DeleteFunc(r.LatencyAbsent, func(k, _ string) bool { _, ok := r.Latency[k]; return ok })
	if len(r.LatencyAbsent) == 0 {
		r.LatencyAbsent = nil
	}
	return r, nil
}

func addConnections(to, c *record.Connections) {
	to.Scheduled += c.Scheduled
	to.Attempted += c.Attempted
	to.Opened += c.Opened
	to.Completed += c.Completed
	to.Failed += c.Failed
	to.Unfinished += c.Unfinished
	to.Capped += c.Capped
	to.Requests += c.Requests
	to.PeakOpen += c.PeakOpen
}

func earliest(a, b map[string]float64) map[string]float64 {
	if len(a)+len(b) == 0 {
		return nil
	}
	all := maps.Clone(b)
	for k, v := range a {
		if was, ok := all[k]; !ok || v < was {
			if all == nil {
				all = map[string]float64{}
			}
			all[k] = v
		}
	}
	return all
}

// predicted adds up what the shards' outcomes should lead to.
func (m *Merger) predicted() record.Predicted {
	p := m.parts[0].Predicted
	p.Counters = map[string]sockstate.Range{}
	for i := range m.parts {
		of := &m.parts[i].Predicted
		for name, r := range of.Counters {
			sum := p.Counters[name]
			p.Counters[name] = sockstate.Range{Min: sum.Min + r.Min, Max: sum.Max + r.Max}
		}
		if of.TimeWait != p.TimeWait {
			p.TimeWait = "either"
		}
	}
	return p
}

// addServers adds up the embedded servers, if each shard had one, and the warm-ups.
func (m *Merger) addServers(r *record.Run) {
	all := &record.Server{Outcomes: map[string]int64{}}
	for i := range m.parts {
		if w := m.parts[i].Warmup; w != nil {
			if r.Warmup == nil {
				r.Warmup = new(record.Connections)
			}
			addConnections(r.Warmup, w)
		}
		s := m.parts[i].Server
		if s == nil {
			all = nil
			continue
		}
		if all == nil {
			continue
		}
		all.Listeners += s.Listeners
		all.Backlog, all.DelayNs = s.Backlog, s.DelayNs
		all.Accepted += s.Accepted
		all.Requests += s.Requests
		all.Open += s.Open
		all.Outcomes, all.AcceptErrors = record.Sum(all.Outcomes, s.Outcomes), record.Sum(all.AcceptErrors, s.AcceptErrors)
	}
	r.Server = all
}

// warn collects the warnings of the shards, each once, and says what differs between them.
func (m *Merger) warn(r *record.Run) {
	by := map[string][]int{}
	var order []string
	for i := range m.parts {
		for _, w := range m.parts[i].Warnings {
			if by[w] == nil {
				order = append(order, w)
			}
			by[w] = append(by[w], m.parts[i].I)
		}
	}
	for _, w := range order {
		if len(by[w]) < len(m.parts) {
			w = shard.Names(by[w]) + ": " + w
		}
		r.Warnings = append(r.Warnings, w)
	}
	r.Warnings = append(r.Warnings, m.shorter(r.LoadS)...)
	r.Warnings = append(r.Warnings, m.builds()...)
	if m.timeline.axis.coarse > 0 {
		r.Warnings = append(r.Warnings, "timeline: its intervals are longer than those of the shards, as they would take too much memory")
	}
	if m.timeline.shared {
		r.Warnings = append(r.Warnings, "timeline: some shards were in one network namespace and saw each other's sockets, so that the timeline has no states")
	}
}

// shorter says which shards were under load for less time than the others, of which the last was for longest seconds.
func (m *Merger) shorter(longest float64) []string {
	var who []int
	from, to := longest, 0.0
	for i := range m.parts {
		if s := m.parts[i].LoadS; s < 0.9*longest {
			who = append(who, m.parts[i].I)
			from, to = min(from, s), max(to, s)
		}
	}
	if len(who) == 0 {
		return nil
	}
	was, times := "was", seconds(from)
	if len(who) > 1 {
		was = "were"
	}
	if seconds(to) != times {
		times += " to " + seconds(to)
	}
	return []string{fmt.Sprintf("%s %s under load for %s s, the others for %s s", shard.Names(who), was, times, seconds(longest))}
}

// seconds has three digits that count.
func seconds(s float64) string { return strconv.FormatFloat(round(s, 3), 'f', -1, 64) }
