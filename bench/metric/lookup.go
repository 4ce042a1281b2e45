package metric

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"lastack/bench/record"
	"lastack/sockstate"
)

// metric is what a threshold may bound.
type metric struct {
	unit unit
	get  getter
	// try is set instead of get for what each try of a drain has.
	try *drainMetric
	// slow is nil, or what the metric would be if whoever had no answer in time were the slowest of all, and why: a latency has the
	// time of who was answered.
	slow func(*record.Run) (v float64, why string)
}

// lookupMetric finds a metric; accepted lists the choices at the first part of name that is unknown.
func lookupMetric(name string) (m metric, accepted string, ok bool) {
	family, leaf, dotted := strings.Cut(name, ".")
	// ThresholdHelp's first clause is about operators.
	_, all, _ := strings.Cut(ThresholdHelp, "Metrics: ")
	choice := func(names []string) string {
		return family + "." + strings.Join(names, ", "+family+".")
	}
	if m, ok := httpMetrics(name); ok {
		return m, "", true
	}
	switch {
	case name == "failed_ratio":
		return metric{unit: share, get: failedRatio}, "", true
	case !dotted:
		return metric{}, all, false
	case slices.Contains(sockstate.LatencyNames(), family):
		if leaf == "count" {
			return metric{unit: count, get: latencyValue(family, leaf)}, "", true
		}
		if _, ok := parsePercentile(leaf); ok || slices.Contains([]string{"min", "mean", "max"}, leaf) {
			return metric{unit: micros, get: latencyValue(family, leaf), slow: slowLatency(family, leaf)}, "", true
		}
		return metric{}, choice([]string{"min", "mean", "p50", "p90", "p99", "p999", "max", "count"}) + " and any percentile (p95, p99.99)", false
	case family == "outcomes":
		if !slices.Contains(sockstate.LoadOutcomeNames(), leaf) {
			return metric{}, choice(sockstate.LoadOutcomeNames()), false
		}
		return metric{unit: count, get: outcome(leaf)}, "", true
	case family == "counters":
		// The kernel's set differs by version, so that any well-formed name must do.
		if !regexp.MustCompile(`^(Tcp|Ip|Icmp|Udp|MPTcp)[A-Za-z0-9]+$`).MatchString(leaf) {
			return metric{}, "counters.NAME with the kernel's name as nstat prints it (TcpActiveOpens, TcpExtTCPSynRetrans)", false
		}
		return metric{unit: count, get: counter(leaf)}, "", true
	}
	for _, f := range families() {
		if f.name != family {
			continue
		}
		var names []string
		for _, l := range f.leaves {
			if l.name == leaf {
				return metric{unit: f.unit, get: l.get}, "", true
			}
			names = append(names, l.name)
		}
		return metric{}, choice(names), false
	}
	return metric{}, all, false
}

type leaf struct {
	name string
	get  getter
}

type family struct {
	name   string
	unit   unit
	leaves []leaf
}

func families() []family {
	integer := func(f func(*record.Run) int64) getter {
		return func(r *record.Run) (float64, string, bool) { return float64(f(r)), "", true }
	}
	float := func(f func(*record.Run) float64) getter {
		return func(r *record.Run) (float64, string, bool) { return f(r), "", true }
	}
	census := func(f func(*record.Run) int) getter {
		return func(r *record.Run) (float64, string, bool) {
			if r.States.Source == "" {
				return 0, absent("no census was taken", r.Observer.CensusReason), false
			}
			return float64(f(r)), "", true
		}
	}
	kernel := func(f func(*record.Run) int64) getter {
		return func(r *record.Run) (float64, string, bool) {
			if len(r.Counters) == 0 {
				return 0, noCounters, false
			}
			if why := r.TimeWait.NotRead; why != "" {
				return 0, why, false
			}
			return float64(f(r)), "", true
		}
	}
	return []family{
		{"rate", perSecond, []leaf{
			{"opened", float(func(r *record.Run) float64 { return r.Rate.OpenedPerS })},
			{"completed", float(func(r *record.Run) float64 { return r.Rate.CompletedPerS })},
			{"requests", float(func(r *record.Run) float64 { return r.Rate.RequestsPerS })},
			{"target", float(func(r *record.Run) float64 { return r.Rate.TargetPerS })},
		}},
		{"connections", count, []leaf{
			{"attempted", integer(func(r *record.Run) int64 { return r.Connections.Attempted })},
			{"opened", integer(func(r *record.Run) int64 { return r.Connections.Opened })},
			{"completed", integer(func(r *record.Run) int64 { return r.Connections.Completed })},
			{"failed", integer(func(r *record.Run) int64 { return r.Connections.Failed })},
			{"unfinished", integer(func(r *record.Run) int64 { return r.Connections.Unfinished })},
			{"scheduled", integer(func(r *record.Run) int64 { return r.Connections.Scheduled })},
			{"capped", integer(func(r *record.Run) int64 { return r.Connections.Capped })},
			{"requests", integer(func(r *record.Run) int64 { return r.Connections.Requests })},
			{"peak_open", integer(func(r *record.Run) int64 { return r.Connections.PeakOpen })},
		}},
		{"time_wait", count, []leaf{
			{"peak", census(func(r *record.Run) int { return r.TimeWait.Peak })},
			{"entered", kernel(func(r *record.Run) int64 { return r.TimeWait.Entered })},
			{"entered_short", kernel(func(r *record.Run) int64 { return r.TimeWait.EnteredShort })},
			{"overflow", kernel(func(r *record.Run) int64 { return r.TimeWait.Overflow })},
			{"reused_by_connect", kernel(func(r *record.Run) int64 { return r.TimeWait.ReusedByConnect })},
			{"fin_wait2_mini_peak", census(func(r *record.Run) int { return r.TimeWait.FinWait2MiniPeak })},
			{"orphan_peak", census(func(r *record.Run) int { return r.TimeWait.OrphanPeak })},
		}},
		exchangeErrors(),
		{"accounting", count, []leaf{{"mismatches", mismatches}}},
	}
}

const noCounters = "the kernel's counters were not read"

func absent(what, why string) string {
	if why == "" {
		return what
	}
	return what + ": " + why
}

func failedRatio(r *record.Run) (float64, string, bool) {
	if r.Connections.Attempted == 0 {
		return 0, "no connection was attempted", false
	}
	return float64(r.Connections.Failed) / float64(r.Connections.Attempted), "", true
}

func mismatches(r *record.Run) (float64, string, bool) {
	if len(r.Accounting) == 0 {
		return 0, "nothing could be held against the kernel's counters", false
	}
	n := 0
	for _, c := range r.Accounting {
		if !c.OK && c.NotRead == "" {
			n++
		}
	}
	return float64(n), "", true
}

func outcome(name string) getter {
	return func(r *record.Run) (float64, string, bool) { return float64(r.Outcomes[name]), "", true }
}

func counter(name string) getter {
	return func(r *record.Run) (float64, string, bool) {
		if len(r.Counters) == 0 {
			return 0, noCounters, false
		}
		if why := r.Unread(name); why != "" {
			return 0, why, false
		}
		n, ok := r.Counters[name]
		if !ok {
			// Growth of zero is left out of a record, so that an unknown name looks the same.
			return 0, "it did not grow, or this kernel has no counter of that name", true
		}
		return float64(n), "", true
	}
}

func latencyValue(name, what string) getter {
	return func(r *record.Run) (float64, string, bool) {
		l, ok := r.Latency[name]
		if !ok {
			return 0, absent("the "+name+" latency is absent", r.LatencyAbsent[name]), false
		}
		if what == "count" {
			return float64(l.Count), "", true
		}
		if l.Count == 0 {
			return 0, "the " + name + " latency has no samples", false
		}
		switch what {
		case "min":
			return l.MinUs, "", true
		case "mean":
			return l.MeanUs, "", true
		case "max":
			return l.MaxUs, "", true
		}
		p, _ := parsePercentile(what)
		switch p {
		case 50:
			return l.P50Us, "", true
		case 90:
			return l.P90Us, "", true
		case 99:
			return l.P99Us, "", true
		case 99.9:
			return l.P999Us, "", true
		}
		h, err := l.Histogram()
		if err != nil {
			return 0, err.Error(), false
		}
		return float64(record.Percentile(h, p)) / 1e3, "", true
	}
}

// parsePercentile reads p50, p99.9 and, as the keys of a record are spelled, p999: nines
// after the second are decimals. p995 is not read, as it would be a guess.
func parsePercentile(s string) (float64, bool) {
	digits, ok := strings.CutPrefix(s, "p")
	if !ok || len(digits) == 0 || len(digits) > 10 || strings.Trim(digits, "0123456789.") != "" || digits[0] == '.' || digits[len(digits)-1] == '.' {
		return 0, false
	}
	if len(digits) > 2 && strings.Trim(digits, "9") == "" {
		digits = digits[:2] + "." + digits[2:]
	}
	p, err := strconv.ParseFloat(digits, 64)
	return p, err == nil && p >= 0 && p <= 100 && !math.IsNaN(p)
}
