package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"lastack/bench/metric"
	"lastack/bench/record"
	"lastack/sockstate"
)

// writeMetrics explains thresholds, and lists the metrics, one line per family.
func writeMetrics(w io.Writer) {
	fmt.Fprint(w, `A threshold is METRIC OPERATOR VALUE, as in --threshold 'connect.p99<5ms'. The
operators are < <= > >= == and !=. A value is a time with its unit (5ms), a
number that may end in k, M or G (12.5k), or a percentage (0.1%). If a run
misses a threshold, the exit code is 99. Every try of a drain must meet it.

A mean, a percentile or a maximum counts a timeout as slower than every answer.
A metric that the record lacks is a miss, and the report says why. p999, as the
record's keys have it, is p99.9, as pages and tables have it: both are taken.

A threshold of lastack compare bounds the difference from A to B: by a sign and
a percentage of A's value, or by a sign and a value, as in 'lifecycle.p99<+5%'
and 'lost<=+0'.

lastack help metrics NAME explains one metric or family; "all" explains each.
`)
	writeDefinitions(w, "LATENCIES", latencyTerms())
	writeDefinitions(w, "METRICS OF A RUN", metricFamilies(record.KindRun))
	writeDefinitions(w, "METRICS OF A DRAIN (per try; connect.* and exchange.* over all tries)", metricFamilies(record.KindDrain))
}

func latencyTerms() (terms []definition) {
	for l := range sockstate.NumLatencies {
		terms = append(terms, definition{sockstate.Latency(l).String(), sockstate.Latency(l).Means()})
	}
	return terms
}

// metricFamilies lists the metrics of a kind. Metrics with the same prefix share a definition.
func metricFamilies(kind string) (all []definition) {
	for _, m := range metric.All() {
		if !m.In(kind) {
			continue
		}
		family, leaf, dotted := strings.Cut(m.Name, ".")
		if family += "."; !dotted {
			family, leaf = "-", m.Name
		}
		i := slices.IndexFunc(all, func(d definition) bool { return d.name == family })
		if i < 0 {
			i, all = len(all), append(all, definition{name: family})
		}
		all[i].means = strings.TrimSpace(all[i].means + " " + leaf)
	}
	return all
}

// writeMetric explains the named metric, those of the named family, or all of them for "all".
func writeMetric(w io.Writer, name string) (known bool) {
	var terms []definition
	for _, m := range metric.All() {
		if m.Name == name || strings.HasPrefix(m.Name, strings.TrimSuffix(name, ".")+".") || name == "all" {
			terms = append(terms, definition{m.Name, metricWords(&m)})
		}
	}
	for _, kind := range []string{record.KindRun, record.KindDrain} {
		// A family whose names depend on the kernel, like counters.
		if m, err := metric.Lookup(kind, name); err == nil && len(terms) == 0 {
			terms = append(terms, definition{m.Name, metricWords(&m)})
		}
	}
	writeDefinitions(w, "", terms)
	return len(terms) > 0
}

// metricWords says what a metric is, its unit, which direction is better, and what has it.
func metricWords(m *metric.Metric) string {
	words := []string{m.Help, string(m.Unit)}
	if m.Better != metric.Neither {
		words = append(words, string(m.Better)+" is better")
	}
	return strings.Join(words, "; ") + "; of " + strings.Join(m.Of(), ", ")
}
