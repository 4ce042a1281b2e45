package metric

import (
	"math"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/sockstate"
)

// waiter is what a connection may wait for in vain.
type waiter struct {
	latency string // of the wait
	outcome string // of a run's connections that had none in time
	drained func(*record.DrainTry) int64
	one     string
	many    string
}

var waiters = []waiter{
	{"connect", sockstate.OutcomeConnectTimeout.String(), func(t *record.DrainTry) int64 { return t.Listener.Unanswered() }, " connect had no answer", " connects had no answer"},
	{"exchange", sockstate.OutcomeRequestTimeout.String(), func(t *record.DrainTry) int64 { return t.Requests.TimedOut + t.Requests.Open }, " request had no reply", " requests had no reply"},
	{"close", sockstate.OutcomeCloseTimeout.String(), func(*record.DrainTry) int64 { return 0 }, " connection was not closed by the peer", " connections were not closed by the peer"},
}

// inVain is the number of those that waited in vain, and would be slower than all that a latency has; why names them.
func inVain(r *record.Run, latency string) (n int64, why string) {
	var whys []string
	for _, w := range waiters {
		// A lifecycle waits for each.
		if w.latency != latency && latency != "lifecycle" {
			continue
		}
		k := r.Outcomes[w.outcome]
		if r.Drain != nil {
			k = 0
			for i := range r.Drain.Tries {
				k += w.drained(&r.Drain.Tries[i])
			}
		}
		if k > 0 {
			n += k
			whys = append(whys, quantity.Count(k)+quantity.Plural(k, w.one, w.many)+" in time")
		}
	}
	return n, strings.Join(whys, ", ")
}

// slowLatency is metric.slow of a latency: infinite where the rank is that of one who waited in vain.
func slowLatency(name, what string) func(*record.Run) (float64, string) {
	p, percentile := parsePercentile(what)
	if !percentile && !slices.Contains([]string{"mean", "max"}, what) {
		return nil
	}
	return func(r *record.Run) (float64, string) {
		n, why := inVain(r, name)
		if n == 0 {
			return 0, ""
		}
		l := r.Latency[name]
		rank := record.Rank(p, l.Count+n)
		if !percentile || rank > l.Count {
			return math.Inf(1), why
		}
		up := 100 * float64(rank) / float64(l.Count)
		if h, err := l.Histogram(); err == nil {
			return float64(record.Percentile(h, up)) / 1e3, why
		}
		return atOrAbove(l, up), why
	}
}

// atOrAbove is the least that a summary has at a percentile or above it.
func atOrAbove(l record.Latency, percentile float64) float64 {
	switch {
	case percentile <= 50:
		return l.P50Us
	case percentile <= 90:
		return l.P90Us
	case percentile <= 99:
		return l.P99Us
	case percentile <= 99.9:
		return l.P999Us
	}
	return l.MaxUs
}
