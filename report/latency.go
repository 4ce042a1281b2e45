package report

import (
	"math"

	"lastack/bench/record"
	"lastack/report/document"
	"lastack/sockstate"
)

// latencies says how long each step took.
func latencies(run *record.Run) *document.Section {
	r := &run.Result
	if len(r.Latency) == 0 && len(r.LatencyAbsent) == 0 {
		return nil
	}
	s := &document.Section{ID: "latency", Title: "LATENCY", Level: document.First}
	t, distributions := latencyTable(document.First, r)
	s.Blocks = append(s.Blocks, t)
	s.Blocks = append(s.Blocks, distributions...)
	thin := int64(math.MaxInt64)
	for _, l := range r.Latency {
		if l.Count > 0 {
			thin = min(thin, l.Count)
		}
	}
	if _, ok := r.Latency["lag"]; ok {
		s.Blocks = append(s.Blocks, note(document.Detail, "lag is the generator's own delay, from the scheduled to the actual start; lifecycle is from the scheduled start to the end, less the hold")...)
	}
	if _, ok := r.Latency["connect"]; ok && run.Plan.Engine == "uring" {
		s.Blocks = append(s.Blocks, note(document.Detail, "connect: io_uring takes operations in batches, so under load it includes the wait for others of its batch")...)
	}
	if thin < 10_000 {
		s.Blocks = append(s.Blocks, note(document.Detail, "few samples: p99.9 rests on fewer than 10 values where the count is below 10,000, p99 below 1,000")...)
	}
	return s
}

// latencyTable has a row for each latency of r, or why it is absent, and their distributions.
func latencyTable(level document.Level, r *record.Result) (*document.Table, []document.Block) {
	t := latencyColumns(level)
	var distributions []document.Block
	for _, name := range ordered(r.Latency, sockstate.LatencyNames()) {
		l := r.Latency[name]
		if l.Count > 0 {
			t.Rows = append(t.Rows, latencyRow(name, l))
		}
		if l.Hdr != "" {
			distributions = append(distributions, document.Distribution{Name: name, Encoded: l.Hdr})
		}
	}
	for _, name := range ordered(r.Latency, sockstate.LatencyNames()) {
		if r.Latency[name].Count == 0 && r.LatencyAbsent[name] == "" {
			t.Rows = append(t.Rows, row(document.Detail, name, document.Absent("no samples")))
		}
	}
	for _, name := range ordered(r.LatencyAbsent, sockstate.LatencyNames()) {
		t.Rows = append(t.Rows, row(document.Detail, name, document.Absent("not measured: "+r.LatencyAbsent[name])))
	}
	return t, distributions
}

func latencyColumns(level document.Level) *document.Table {
	return table(level, "", "count", "+min", "+mean", "p50", "p90", "p99", "p99.9", "max")
}

func latencyRow(name string, l record.Latency) document.Row {
	return row(document.First, name, count(l.Count), document.Micros(l.MinUs), document.Micros(l.MeanUs), document.Micros(l.P50Us), document.Micros(l.P90Us),
		document.Micros(l.P99Us), document.Micros(l.P999Us), document.Micros(l.MaxUs))
}
