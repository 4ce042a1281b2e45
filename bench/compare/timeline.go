package compare

import (
	"math"

	"lastack/bench/metric"
	"lastack/bench/record"
)

// Timeline has the medians of each interval over a side's records.
type Timeline struct {
	// TS are the ends of the intervals in seconds: those of A's first record.
	TS []float64    `json:"t_s"`
	A  []TimeSeries `json:"a"`
	B  []TimeSeries `json:"b"`
}

// TimeSeries is a metric over time.
type TimeSeries struct {
	Metric string      `json:"metric"`
	Unit   metric.Unit `json:"unit"`
	// Points has nil where no record has a value: nothing completed, or no census was taken.
	Points []*float64 `json:"points"`
}

// timeline is nil if a record has less than two intervals, or if they differ in length: medians of them would mean nothing.
func timeline(sides *[2]side) (t *Timeline, differ bool) {
	first := sides[0].runs[0].Timeline
	n := len(first)
	for i := range sides {
		for _, r := range sides[i].runs {
			if r.Kind == record.KindDrain {
				return nil, false // its tries have their own times
			}
			n = min(n, len(r.Timeline))
		}
	}
	if n < 2 {
		return nil, false
	}
	// An interval may end late by a little.
	const late = 0.25
	for i := range sides {
		for _, r := range sides[i].runs {
			for j := range n {
				if math.Abs(r.Timeline[j].TS-first[j].TS) > late*first[0].TS {
					n = j
					break
				}
			}
		}
	}
	if n < 2 {
		return nil, true
	}
	t = new(Timeline)
	for j := range n {
		t.TS = append(t.TS, first[j].TS)
	}
	t.A, t.B = sides[0].series(n), sides[1].series(n)
	return t, false
}

// series are the metrics that a comparison over time shows.
func (s *side) series(n int) (list []TimeSeries) {
	for _, name := range []string{"rate.completed", "connections.failed", "lifecycle.p50", "lifecycle.p99", "lifecycle.max", "time_wait.peak"} {
		m, err := metric.Lookup(record.KindRun, name)
		if err != nil {
			continue // cannot happen: the registry has them
		}
		series := TimeSeries{Metric: name, Unit: m.Unit, Points: make([]*float64, n)}
		for j := range n {
			var values []float64
			for _, r := range s.runs {
				if v := m.OfInterval(r, j); v.Known {
					values = append(values, v.V)
				}
			}
			if len(values) > 0 {
				median := metric.Median(values)
				series.Points[j] = &median
			}
		}
		list = append(list, series)
	}
	return list
}
