package metric

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"lastack/bench/record"
	"lastack/sockstate"
)

// Family is a metric as a scrape shows it: one series, or one for each combination of its labels. Its name follows the conventions of
// Prometheus, and is made of the registry's name or of a record's key by rule: with a prefix, seconds for times, and _total for what only
// grows.
type Family struct {
	Name   string
	Kind   FamilyKind
	Help   string
	Labels []string

	read func(*Seen) []Sample
}

// FamilyKind is a type of Prometheus.
type FamilyKind string

// The kinds.
const (
	Counter   FamilyKind = "counter"
	Gauge     FamilyKind = "gauge"
	Histogram FamilyKind = "histogram"
)

// Sample is the value of a series.
type Sample struct {
	// Labels has the values of the family's labels.
	Labels []string
	Value  float64
	// Times is a histogram's, in nanoseconds.
	Times *record.LatencySum
}

// Read lists the series that have a value.
func (f *Family) Read(s *Seen) []Sample { return f.read(s) }

// exposed is the name of a family.
func exposed(kind FamilyKind, unit Unit, name ...string) string {
	s := "lastack_" + strings.ReplaceAll(strings.Join(name, "_"), ".", "_")
	switch {
	case unit == Micros:
		s += "_seconds"
	case unit == Share && !strings.HasSuffix(s, "_ratio"):
		s += "_ratio"
	}
	if kind == Counter {
		s += "_total"
	}
	return s
}

// LiveRun lists what a scrape of a run shows, LiveDrain of a drain, LiveServer of a server.
func LiveRun() []Family {
	return slices.Concat(liveCounts(), liveLatencies(), liveLevels(), liveStates(), liveCounters(), livePhases())
}

// LiveDrain lists the families of a drain: its load, and what the newest try came to.
func LiveDrain() []Family {
	all := slices.Concat(liveCounts(), liveLatencies(), []Family{level("in_flight").family(), {
		Name: exposed(Counter, Count, record.KindDrain, "tries"), Kind: Counter, Help: "tries that have ended",
		read: func(s *Seen) []Sample { return []Sample{{Value: float64(s.tries)}} },
	}})
	for _, m := range drainMetrics() {
		all = append(all, Family{Name: exposed(Gauge, m.Unit, record.KindDrain, m.Name), Kind: Gauge, Help: m.Help + ", of the newest try", read: func(s *Seen) []Sample {
			v, ok := s.tried[m.Name]
			if !ok {
				return nil
			}
			return []Sample{{Value: v}}
		}})
	}
	return all
}

// LiveServer lists the families of a server. Their names are the keys of its ledger.
func LiveServer() []Family {
	var all []Family
	for _, f := range []struct {
		key  string
		kind FamilyKind
		help string
	}{
		{"accepted", Counter, "connections accepted"},
		{"open", Gauge, "connections open"},
		{"requests", Counter, "requests answered"},
		{"closing", Counter, "requests answered with Connection: close"},
		{"cut", Counter, "requests received, and not answered before the close"},
		{"queue_reset", Counter, "connections in the accept queue when the listener closed"},
		{"accept_errors", Counter, "failures of accept"},
	} {
		all = append(all, Family{Name: exposed(f.kind, Count, "server", f.key), Kind: f.kind, Help: f.help, read: func(s *Seen) []Sample {
			return []Sample{{Value: float64(s.served[f.key])}}
		}})
	}
	const prefix = "outcome."
	return append(all, Family{Name: exposed(Counter, Count, "server", "outcomes"), Kind: Counter, Help: "connections with this outcome", Labels: []string{"outcome"}, read: func(s *Seen) (list []Sample) {
		for _, key := range slices.Sorted(maps.Keys(s.served)) {
			if outcome, ok := strings.CutPrefix(key, prefix); ok {
				list = append(list, Sample{Labels: []string{outcome}, Value: float64(s.served[key])})
			}
		}
		return list
	}})
}

// liveCounts are the counts of the registry that intervals have. What failed is split by outcome.
func liveCounts() (all []Family) {
	for _, m := range connections() {
		if m.interval != nil {
			all = append(all, Family{Name: exposed(Counter, m.Unit, m.Name), Kind: Counter, Help: m.Help + ", with those of the warm-up", read: func(s *Seen) []Sample {
				return []Sample{{Value: m.interval(&s.total, 0).V}}
			}})
		}
	}
	return append(all, Family{Name: exposed(Counter, Count, "failures"), Kind: Counter, Help: "lifecycles failed, by outcome", Labels: []string{"outcome"}, read: func(s *Seen) (list []Sample) {
		for _, o := range append([]string{sockstate.OutcomeRSTReceived.String()}, sockstate.OutcomeNames(sockstate.ClassFailure)...) {
			list = append(list, Sample{Labels: []string{o}, Value: float64(s.total.Failures[o])})
		}
		return list
	}})
}

// liveLatencies are those that intervals have.
func liveLatencies() (all []Family) {
	for _, l := range []struct {
		of  sockstate.Latency
		sum func(*Seen) *record.LatencySum
	}{
		{sockstate.LatencyConnect, func(s *Seen) *record.LatencySum { return &s.connect }},
		{sockstate.LatencyLifecycle, func(s *Seen) *record.LatencySum { return &s.lifecycle }},
	} {
		all = append(all, Family{Name: exposed(Histogram, Micros, l.of.String()), Kind: Histogram, Help: l.of.Means(), read: func(s *Seen) []Sample {
			return []Sample{{Times: l.sum(s)}}
		}})
	}
	return all
}

// liveLevel is what an interval has at its end. Its name is its key in the record.
type liveLevel struct {
	name, help string
	of         func(*record.Interval) int64
	census     bool // a census counts it
}

var levels = []liveLevel{
	{"in_flight", "lifecycles under way", func(iv *record.Interval) int64 { return iv.InFlight }, false},
	{"accept_queue", "connections in the listeners' accept queues", func(iv *record.Interval) int64 { return int64(iv.AcceptQueue) }, true},
	{"not_accepted", "connections established and not accepted, by the census", func(iv *record.Interval) int64 { return int64(iv.NotAccepted) }, true},
	{"fin_wait2_mini", "FIN_WAIT_2 minisockets", func(iv *record.Interval) int64 { return int64(iv.FinWait2Mini) }, true},
	{"orphans", "sockets that no process has any more", func(iv *record.Interval) int64 { return int64(iv.Orphans) }, true},
	{"ports_in_use", "local ports taken, of the pair of addresses with the most", func(iv *record.Interval) int64 { return int64(iv.PortsInUse) }, true},
	{"ports_reusable", "those of them that connect would take over at once", func(iv *record.Interval) int64 { return int64(iv.PortsReusable) }, true},
	{"fds", "descriptors of the load's process", func(iv *record.Interval) int64 { return int64(iv.Fds) }, true},
	{"tracked", "entries of the router's connection tracking", func(iv *record.Interval) int64 { return iv.Tracked }, true},
	{"tcp_mem_bytes", "memory of TCP's buffers, of the whole host", func(iv *record.Interval) int64 { return iv.MemBytes }, true},
}

func level(name string) liveLevel {
	return levels[slices.IndexFunc(levels, func(l liveLevel) bool { return l.name == name })]
}

func liveLevels() (all []Family) {
	for _, l := range levels {
		all = append(all, l.family())
	}
	return all
}

func (l liveLevel) family() Family {
	return Family{Name: exposed(Gauge, Count, l.name), Kind: Gauge, Help: l.help, read: func(s *Seen) []Sample {
		iv := &s.last
		if l.census {
			if iv = &s.census; !iv.Census() {
				return nil
			}
		}
		return []Sample{{Value: float64(l.of(iv))}}
	}}
}

// liveStates are the sockets of each side by state, those without any too.
func liveStates() []Family {
	return []Family{{Name: exposed(Gauge, Count, "states"), Kind: Gauge, Help: "sockets of a side in a state", Labels: []string{"side", "state"}, read: func(s *Seen) (list []Sample) {
		if !s.census.Census() {
			return nil
		}
		for side, in := range []map[string]int{s.census.Client, s.census.Server} {
			for _, state := range livingStates() {
				list = append(list, Sample{Labels: []string{sockstate.Side(side).String(), state}, Value: float64(in[state])})
			}
		}
		return list
	}}}
}

// livingStates are those that a socket can be found in, each once: the kernel has two of the name SYN_RECV.
func livingStates() (names []string) {
	for _, name := range stateNames()[sockstate.Established:] {
		if name != sockstate.Closed.String() && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// liveCounters are the kernel's counters of trouble, once they have grown.
func liveCounters() []Family {
	return []Family{{Name: exposed(Counter, Count, "counters"), Kind: Counter, Help: "growth of a kernel counter that indicates trouble, as nstat prints it", Labels: []string{"counter"}, read: func(s *Seen) (list []Sample) {
		for _, name := range s.grown {
			list = append(list, Sample{Labels: []string{name}, Value: float64(s.total.Counters[name])})
		}
		return list
	}}}
}

// livePhases is 1 for the phase that a run is in.
func livePhases() []Family {
	return []Family{{Name: exposed(Gauge, Count, "phase"), Kind: Gauge, Help: "1 for the phase of the run", Labels: []string{"phase"}, read: func(s *Seen) (list []Sample) {
		for _, phase := range record.Phases() {
			is := 0.0
			if s.last.Phase == phase {
				is = 1
			}
			list = append(list, Sample{Labels: []string{phase}, Value: is})
		}
		return list
	}}}
}

// Info says which program it is, in the labels of a series that is always 1.
func Info(version, golang string) Family {
	return Family{Name: exposed(Gauge, Count, "build_info"), Kind: Gauge, Help: "1; the labels say which lastack it is", Labels: []string{"version", "goversion"}, read: func(*Seen) []Sample {
		return []Sample{{Labels: []string{version, golang}, Value: 1}}
	}}
}

// RunInfo says which run it is, and which of its shards, as far as that is known: of is nil for a run that has none. It has no sample if nothing is known.
func RunInfo(of *record.Shard, runID string) Family {
	f := Family{Name: exposed(Gauge, Count, "run_info"), Kind: Gauge, Help: "1; the labels say which run it is, and which of how many shards (from 0 on)"}
	one := Sample{Value: 1}
	label := func(name, value string) { f.Labels, one.Labels = append(f.Labels, name), append(one.Labels, value) }
	if of != nil {
		label("shard", strconv.Itoa(of.I))
		label("shards", strconv.Itoa(of.N))
	}
	if runID != "" {
		label("run_id", runID)
	}
	f.read = func(*Seen) []Sample {
		if len(one.Labels) == 0 {
			return nil
		}
		return []Sample{one}
	}
	return f
}
