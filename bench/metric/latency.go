package metric

import (
	"math"
	"strconv"
	"strings"

	"lastack/bench/record"
	"lastack/sockstate"
)

// latencies returns the metrics of each part of a lifecycle. A drain has some of them, over all its tries.
func latencies() []Metric {
	var list []Metric
	for i, name := range sockstate.LatencyNames() {
		// A drain measures these.
		drained := name == sockstate.LatencyConnect.String() || name == sockstate.LatencyExchange.String()
		of := func(what string) Metric {
			m := Metric{
				Name: name + "." + what, Unit: Micros, Better: Lower, Help: sockstate.Latency(i).Means(), drained: drained,
				result: func(s scope) Value { return latency(s, name, what) },
			}
			if name == sockstate.LatencyLifecycle.String() {
				m.interval = intervalLatency(what)
			}
			return m
		}
		for _, what := range []string{"min", "mean", "p50", "p90", "p95", "p99", "p999", "max"} {
			list = append(list, of(what))
		}
		list = append(list, Metric{
			Name: name + ".count", Unit: Count, Help: "how many were measured", drained: drained,
			result: func(s scope) Value {
				l, ok := s.result.Latency[name]
				if !ok {
					return none(noLatency(s, name))
				}
				return number(l.Count)
			},
		})
		open := of("pN")
		open.Help = "any percentile: p95, p99.99"
		open.open = func(part string) (Metric, bool) {
			_, ok := parsePercentile(part)
			return of(part), ok
		}
		list = append(list, open)
	}
	return list
}

func noLatency(s scope, name string) string {
	return because("the "+name+" latency is absent", s.result.LatencyAbsent[name])
}

// latency is a percentile, or another measure, of a latency. V counts only what was answered; Most counts timeouts too, as slower than
// every answer.
func latency(s scope, name, what string) Value {
	l, ok := s.result.Latency[name]
	if !ok {
		return none(noLatency(s, name))
	}
	if l.Count == 0 {
		return none("the " + name + " latency has no samples")
	}
	p, percentile := parsePercentile(what)
	v := exactly(0)
	switch what {
	case "min":
		v = exactly(l.MinUs)
	case "mean":
		v = exactly(l.MeanUs)
	case "max":
		v = exactly(l.MaxUs)
	default:
		us, err := percentileOf(&l, p)
		if err != nil {
			return none(err.Error())
		}
		v = exactly(us)
	}
	if n, why := inVain(s, name); n > 0 && (percentile || what != "min") {
		v.Most, v.Doubt = math.Inf(1), why
		if rank := record.Rank(p, l.Count+n); percentile && rank <= l.Count {
			v.Most = slowest(&l, 100*float64(rank)/float64(l.Count))
		}
	}
	return v
}

// summarized lists the percentiles of a record's summary, in their order.
func summarized(l *record.Latency) []struct{ p, us float64 } {
	return []struct{ p, us float64 }{{50, l.P50Us}, {90, l.P90Us}, {99, l.P99Us}, {99.9, l.P999Us}}
}

// percentileOf takes a percentile from the summary, or else from the histogram.
func percentileOf(l *record.Latency, p float64) (us float64, err error) {
	for _, s := range summarized(l) {
		if s.p == p {
			return s.us, nil
		}
	}
	h, err := l.Histogram()
	if err != nil {
		return 0, err
	}
	return float64(record.Percentile(h, p)) / 1e3, nil
}

// slowest is the value at a percentile; without a histogram, the next higher one in the summary.
func slowest(l *record.Latency, p float64) (us float64) {
	if h, err := l.Histogram(); err == nil {
		return float64(record.Percentile(h, p)) / 1e3
	}
	for _, s := range summarized(l) {
		if p <= s.p {
			return s.us
		}
	}
	return l.MaxUs
}

// intervalLatency reads the latencies that an interval of the timeline keeps.
func intervalLatency(what string) func(*record.Interval, float64) Value {
	of := map[string]func(*record.Interval) float64{
		"p50": func(iv *record.Interval) float64 { return iv.P50Us },
		"p99": func(iv *record.Interval) float64 { return iv.P99Us },
		"max": func(iv *record.Interval) float64 { return iv.MaxUs },
	}[what]
	if of == nil {
		return nil
	}
	return func(iv *record.Interval, _ float64) Value {
		if iv.MaxUs == 0 {
			return none("no lifecycle completed in it")
		}
		return exactly(of(iv))
	}
}

// inVain counts what timed out, and so is slower than every sample of a latency. why describes it.
func inVain(s scope, latency string) (n int64, why string) {
	var whys []string
	for _, w := range []struct {
		latency   sockstate.Latency // of the step
		outcome   sockstate.Outcome // of a lifecycle in which the step timed out
		drained   func(*record.DrainTry) int64
		one, many string
	}{
		{sockstate.LatencyConnect, sockstate.OutcomeConnectTimeout, func(t *record.DrainTry) int64 { return t.Listener.Unanswered() }, "connect had no answer", "connects had no answer"},
		{sockstate.LatencyExchange, sockstate.OutcomeRequestTimeout, func(t *record.DrainTry) int64 { return t.Requests.TimedOut + t.Requests.Open }, "request had no reply", "requests had no reply"},
		{sockstate.LatencyClose, sockstate.OutcomeCloseTimeout, func(*record.DrainTry) int64 { return 0 }, "connection was not closed by the peer", "connections were not closed by the peer"},
	} {
		// A lifecycle includes every step.
		if w.latency.String() != latency && latency != sockstate.LatencyLifecycle.String() {
			continue
		}
		k := s.result.Outcomes[w.outcome.String()]
		if s.run.Drain != nil {
			k = 0
			for i := range s.run.Drain.Tries {
				k += w.drained(&s.run.Drain.Tries[i])
			}
		}
		if k > 0 {
			n += k
			whys = append(whys, some(k, w.one, w.many, " in time"))
		}
	}
	return n, strings.Join(whys, ", ")
}

// parsePercentile reads p50, p99.9, and p999, as the record's keys spell it: nines after the
// second are decimals. It does not read p995, which would be ambiguous.
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
