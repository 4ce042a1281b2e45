package report

import (
	"cmp"
	"math"
	"slices"
	"time"

	"lastack/bench/metric"
	"lastack/bench/record"
	"lastack/report/document"
	"lastack/sockstate"
)

// pictures collects drawings. Text has the same numbers in its tables and sparklines.
func pictures(all ...*document.Picture) *section {
	s := begin(document.Data, "PICTURES", "")
	for _, p := range all {
		if p != nil && (len(p.Curves) > 0 || p.Form == document.Strip && len(p.Events) > 0) {
			s.add(p)
		}
	}
	if len(s.Blocks) == 0 {
		return nil
	}
	return s
}

// fewIntervals is the least number of intervals whose course a picture shows. Those shorter than two thirds of the median do not count: the
// last one of a run ends with it. A census of millions of sockets makes one of them long, so that the longest says little.
const fewIntervals = 3

// sampled reports whether a run has enough intervals for pictures over time.
func sampled(run *record.Run) bool {
	before := 0.0
	var lengths []float64
	for i := range run.Timeline {
		at := finite(run.Timeline[i].TS)
		lengths = append(lengths, at-before)
		before = at
	}
	usual, full := metric.Median(slices.Clone(lengths)), 0
	for _, l := range lengths {
		if l*3 >= usual*2 {
			full++
		}
	}
	return full >= fewIntervals
}

// sampleMore says by which interval such a run has pictures over time, unless it is too short for any.
func sampleMore(run *record.Run) string {
	for _, every := range []time.Duration{time.Second, 500 * time.Millisecond, 200 * time.Millisecond, 100 * time.Millisecond, 50 * time.Millisecond, 20 * time.Millisecond, 10 * time.Millisecond} {
		if 20*every.Seconds() <= run.ElapsedS {
			return "How the run went over time is not drawn: its record has " + number(len(run.Timeline), "interval", "intervals") +
				". With --interval " + every.String() + " it would be."
		}
	}
	return ""
}

// timeAxis is the name of an axis on which a run goes on.
const timeAxis = "t"

// over begins a picture of the timeline.
func over(run *record.Run, id, title, desc string, form document.Form, y document.Unit) *document.Picture {
	p := &document.Picture{ID: id, Title: title, Desc: desc, Form: form}
	p.X, p.Y = document.Axis{Unit: document.Seconds, Name: timeAxis}, document.Axis{Unit: y, Log: y == document.Microseconds}
	for i := range run.Timeline {
		p.At = append(p.At, finite(run.Timeline[i].TS))
	}
	p.Phases = phases(run)
	return p
}

// phases says when the phases of a run began. An interval has the phase of its end: the plan tells when it began within, if that is by time.
func phases(run *record.Run) []document.Phase {
	var out []document.Phase
	planned := map[string]float64{
		"load": float64(run.Plan.WarmupNs) / 1e9, "ending": float64(run.Plan.WarmupNs+run.Plan.DurationNs) / 1e9,
	}
	for i := 1; i < len(run.Timeline); i++ {
		before, iv := &run.Timeline[i-1], &run.Timeline[i]
		if name := phaseName(iv); name != phaseName(before) {
			from, to := finite(before.TS), finite(iv.TS)
			out = append(out, document.Phase{At: max(from, min(to, max(from, planned[name]))), Name: name})
		}
	}
	return out
}

// curve adds a quantity of the timeline, unless it is 0 throughout.
func curve(p *document.Picture, run *record.Run, name string, unit document.Unit, hue int, value func(*record.Interval) float64) {
	points, some := make([]float64, len(run.Timeline)), false
	for i := range run.Timeline {
		points[i] = finite(value(&run.Timeline[i]))
		some = some || points[i] > 0
		if unit == document.Microseconds && points[i] <= 0 {
			points[i] = math.NaN() // nothing completed
		}
	}
	if some {
		p.Curves = append(p.Curves, document.Curve{Name: name, Unit: unit, Hue: hue, Points: points})
	}
}

// named adds curves of counts with names, those with most in all first, and not more than can be told apart.
func named(p *document.Picture, run *record.Run, of func(*record.Interval) map[string]int64) {
	sums := make(map[string]int64)
	for i := range run.Timeline {
		for name, n := range of(&run.Timeline[i]) {
			if n > 0 {
				sums[name] += min(n, math.MaxInt64/2-sums[name]) // a damaged record's may not overflow
			}
		}
	}
	names := keys(sums)
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(sums[b], sums[a]) })
	for _, name := range names[:min(len(names), 5)] {
		curve(p, run, name, document.Things, 0, func(iv *record.Interval) float64 { return float64(of(iv)[name]) })
	}
}

// latencyHues gives each latency its colour.
var latencyHues = map[string]int{"lifecycle": 1, "connect": 2, "exchange": 3, "close": 4, "lag": 7}

// percentiles draws each latency from its fastest to its slowest. The slower ones are spread out.
func percentiles(latencies map[string]record.Latency) *document.Picture {
	p := &document.Picture{
		ID: "p-percentiles", Title: "Latency by percentile", Desc: "The time within which each share was done, from the fastest to the slowest, on logarithmic scales.",
		X: document.Axis{Unit: document.Percentile, Name: "percentile", Log: true}, Y: document.Axis{Unit: document.Microseconds, Log: true},
	}
	var most int64
	for _, l := range latencies {
		most = max(most, l.Count)
	}
	p.At = percentilesOf(most)
	for _, name := range ordered(latencies, sockstate.LatencyNames()) {
		h, err := latencies[name].Histogram()
		if err != nil || h == nil || h.TotalCount() == 0 {
			continue
		}
		c := document.Curve{Name: name, Unit: document.Microseconds, Points: make([]float64, len(p.At))}
		c.Hue = latencyHues[name]
		for i, at := range p.At {
			c.Points[i] = float64(record.Percentile(h, at)) / 1e3
		}
		p.Curves = append(p.Curves, c)
	}
	return p
}

// percentilesOf lists percentiles up to the one that only the slowest of n values is above.
func percentilesOf(n int64) []float64 {
	var out []float64
	for p := 0.0; p < 90; p += 10 {
		out = append(out, p)
	}
	for rest := 10.0; ; rest /= 10 {
		for _, part := range []float64{1, 0.75, 0.5, 0.25, 0.15} {
			p := math.Round((100-rest*part)*1e9) / 1e9
			out = append(out, p)
			if rest*part/100*float64(n) < 1 || rest < 1e-6 {
				return out
			}
		}
	}
}
