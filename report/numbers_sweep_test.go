package report

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"lastack/bench/metric"
	"lastack/bench/record"
)

// analysisNode is the analysis of a sweep as JSON; none if the run is no sweep.
func analysisNode(t testing.TB, run *record.Run) node {
	t.Helper()
	if run.Sweep == nil {
		return node{}
	}
	b, err := json.Marshal(run.Sweep.Analysis)
	if err != nil {
		t.Fatal(err)
	}
	return parseNode(t, b)
}

// sweepNumbers adds those of a sweep's pictures: the effects as the analysis has them, and the medians of a heat map from the runs.
func sweepNumbers(all map[string]func(heads []string, rows [][]string) numbers, sweep, analysis node) {
	metrics := analysis.at("metrics").items()
	if len(metrics) == 0 {
		return
	}
	m, factors := metrics[0], sweep.at("factors").items()
	for f, factor := range factors {
		levels := factor.at("levels").items()
		all[fmt.Sprintf("p-factor-%d", f+1)] = func([]string, [][]string) numbers {
			names := []string{levels[0].text()}
			columns := map[string][]float64{"change (share)": {0}, "from (share)": {math.NaN()}, "to (share)": {math.NaN()}}
			for _, e := range m.at("effects").items() {
				if of := e.at("of").items()[0]; int(of.at("factor").num()) == f {
					names = append(names, levels[int(of.at("level").num())].text())
					for column, key := range map[string]string{"change (share)": "difference", "from (share)": "lo", "to (share)": "hi"} {
						columns[column] = append(columns[column], e.at(key).gap())
					}
				}
			}
			return fixed(names, columns)
		}
	}
	unit := map[string]string{string(metric.PerSecond): " (1/s)", string(metric.Micros): " (µs)"}[m.at("unit").text()]
	for a := range factors {
		for b := a + 1; b < len(factors); b++ {
			all[fmt.Sprintf("p-heat-%d-%d", a+1, b+1)] = func([]string, [][]string) numbers {
				var names []string
				columns := make(map[string][]float64)
				for _, down := range factors[a].at("levels").items() {
					names = append(names, down.text())
					for _, across := range factors[b].at("levels").items() {
						v := medianOfCell(sweep, m.at("metric").text(), a, down.text(), b, across.text())
						columns[across.text()+unit] = append(columns[across.text()+unit], v)
					}
				}
				return fixed(names, columns)
			}
		}
	}
}

// medianOfCell is that of the runs of the cell with these levels of two factors, and the first of all others.
func medianOfCell(sweep node, name string, a int, down string, b int, across string) float64 {
	var want []string
	for f, factor := range sweep.at("factors").items() {
		switch f {
		case a:
			want = append(want, down)
		case b:
			want = append(want, across)
		default:
			want = append(want, factor.at("levels").items()[0].text())
		}
	}
	var values []float64
	for _, run := range sweep.at("runs").items() {
		var levels []string
		for _, level := range sweep.at("cells").items()[int(run.at("cell").num())].at("levels").items() {
			levels = append(levels, level.text())
		}
		if strings.Join(levels, "\n") == strings.Join(want, "\n") {
			values = append(values, run.at("values", name).num())
		}
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// tuneNumbers adds those of a tune's picture: a row for each trial that was no confirmation, in the order of the trials. Its name is in words.
func tuneNumbers(all map[string]func(heads []string, rows [][]string) numbers, tune node) {
	all["p-tried"] = func(_ []string, rows [][]string) numbers {
		var names []string
		columns := make(map[string][]float64)
		for _, trial := range tune.at("trials").items() {
			attempted, failed := trial.at("attempted").num(), trial.at("failed").num()
			if confirms, _ := trial.at("confirms").v.(bool); confirms || attempted == 0 {
				continue
			}
			if len(names) < len(rows) {
				names = append(names, rows[len(names)][0])
			}
			columns["completed"] = append(columns["completed"], attempted-failed)
			columns["failed"] = append(columns["failed"], failed)
		}
		return fixed(names, columns)
	}
}
