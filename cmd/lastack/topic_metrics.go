package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"lastack/bench/metric"
	"lastack/bench/record"
)

// writeMetrics explains thresholds and names what they may bound, each family in a line.
func writeMetrics(w io.Writer) {
	fmt.Fprint(w, `A threshold is METRIC OPERATOR VALUE, as in --threshold 'connect.p99<5ms'. The
operators are < <= > >= == and !=. A value is a time with its unit (5ms), a
number that may end in k, M or G (12.5k), or a percentage (0.1%). A run that
misses one exits with 99. Every try of a drain must keep it.

Whoever had no answer in time is slower than all others to a mean, a percentile
or a maximum. A metric that a record lacks is a miss, and the page says why.

lastack help metrics NAME explains a metric, lastack help metrics all explains
each.
`)
	writeDefinitions(w, "METRICS OF A RUN", metricFamilies(record.KindRun))
	writeDefinitions(w, "METRICS OF A DRAIN: of each try, connect.* and exchange.* of all together", metricFamilies(record.KindDrain))
}

// metricFamilies are the names of a kind, those with a common beginning in one definition.
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

// writeMetric explains the metric of that name, or each; known is unset if there is none.
func writeMetric(w io.Writer, name string) (known bool) {
	var terms []definition
	for _, m := range metric.All() {
		if m.Name == name || name == "all" {
			terms = append(terms, definition{m.Name, metricWords(&m)})
		}
	}
	for _, kind := range []string{record.KindRun, record.KindDrain} {
		// Of an open family.
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
