package report

import (
	"cmp"
	"math"

	"lastack/bench/record"
	"lastack/report/document"
	"lastack/sockstate"
)

// latencies says how long each step took.
func latencies(run *record.Run) *section {
	r := &run.Result
	if len(r.Latency) == 0 && len(r.LatencyAbsent) == 0 {
		return nil
	}
	s := begin(document.First, "LATENCY", "")
	s.latencies(document.First, run, "", r)
	least := int64(math.MaxInt64)
	for _, l := range r.Latency {
		if l.Count > 0 {
			least = min(least, l.Count)
		}
	}
	if least == math.MaxInt64 {
		s.Lead = "none measured: " + cmp.Or(given(r.Connections.Opened == 0, "no connection was opened"), "no connection came that far")
	}
	if _, ok := r.Latency["lag"]; ok {
		s.note("lag is the generator's own delay, from the scheduled to the actual start; lifecycle is from the scheduled start to the end, less the hold")
	}
	if _, ok := r.Latency["connect"]; ok && run.Plan.Engine == "uring" {
		s.note("connect includes, under load, the wait for the other operations of its io_uring batch")
	}
	if r.LatencySource["close"] == record.FromTrace {
		s.note("close is from the trace of the kernel: from the client's FIN to its TIME_WAIT or CLOSED; if the client resets an open connection, until the server has the RST")
	}
	if least < 10_000 {
		s.note("few samples: p99.9 rests on fewer than 10 values where the count is below 10,000, p99 below 1,000")
	}
	return s
}

// latencies adds a table with a row for each latency of r, or for why there is none, and their distributions. group is empty for the
// result of all.
func (s *section) latencies(level document.Level, run *record.Run, group string, r *record.Result) {
	t := s.latencyTable(level)
	if group != "" {
		t.ID = group + ".latency"
	}
	for _, name := range ordered(r.Latency, sockstate.LatencyNames()) {
		l := r.Latency[name]
		if l.Count > 0 {
			t.latency(name, l)
		}
	}
	for _, name := range ordered(r.Latency, sockstate.LatencyNames()) {
		if r.Latency[name].Count == 0 && r.LatencyAbsent[name] == "" {
			t.row(name, document.Absent("no samples"))
		}
	}
	for _, name := range ordered(r.LatencyAbsent, sockstate.LatencyNames()) {
		t.row(name, document.Absent("not measured: "+r.LatencyAbsent[name]))
	}
	s.add(distributions(run, group, r)...)
}

func (s *section) latencyTable(level document.Level) *table {
	return s.table(level, "", "count", "+min", "+mean", "p50", "p90", "p99", "p99.9", "max")
}

func (t *table) latency(name string, l record.Latency) {
	t.row(name, count(l.Count), document.Micros(l.MinUs), document.Micros(l.MeanUs), document.Micros(l.P50Us), document.Micros(l.P90Us),
		document.Micros(l.P99Us), document.Micros(l.P999Us), document.Micros(l.MaxUs)).Level = document.First
}
