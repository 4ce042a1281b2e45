package report

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/report/document"
	"lastack/sockstate"
)

// TestSchedule compares how many connections are due by a time with sums by hand.
func TestSchedule(t *testing.T) {
	const s = int64(1e9)
	rate := func(from, to float64) []record.Group { return []record.Group{{RateFrom: from, RateTo: to}} }
	for _, c := range []struct {
		name string
		plan record.Plan
		due  map[float64]float64
	}{
		{"up after a warm-up", record.Plan{Groups: rate(100, 300), WarmupNs: 2 * s, DurationNs: 10 * s}, map[float64]float64{1: 100, 2: 200, 7: 950, 12: 2200, 13: 2200}},
		{"ramp", record.Plan{Groups: rate(100, 100), RampNs: 4 * s, DurationNs: 10 * s}, map[float64]float64{2: 50, 4: 200, 10: 800, 11: 800}},
		{"ramp of a number", record.Plan{Groups: rate(100, 100), RampNs: 4 * s, Count: 1000}, map[float64]float64{4: 200, 12: 1000, 19: 1000}},
		{"ramp of a number in a warm-up", record.Plan{Groups: rate(100, 100), RampNs: 4 * s, WarmupNs: 5 * s, Count: 1000}, map[float64]float64{4: 200, 5: 300, 15: 1300, 19: 1300}},
		{"a number reached before the end", record.Plan{Groups: rate(100, 300), DurationNs: 10 * s, Count: 750}, map[float64]float64{5: 750, 10: 750}},
	} {
		due := schedule(&c.plan)
		if due == nil {
			t.Errorf("%s: no schedule", c.name)
			continue
		}
		for at, want := range c.due {
			if got := due(at); math.Abs(got-want) > 1e-6 {
				t.Errorf("%s: %v are due by %v s, want %v", c.name, got, at, want)
			}
		}
	}
	for name, plan := range map[string]record.Plan{
		"even":        {Groups: rate(100, 100), DurationNs: s},
		"closed loop": {Groups: []record.Group{{Connections: 5}}, RampNs: s, DurationNs: s},
		"plateau":     {Groups: []record.Group{{RateFrom: 5, RateTo: 9, PlateauNs: s}}, DurationNs: s},
		"none":        {},
	} {
		if schedule(&plan) != nil {
			t.Errorf("%s: the rate was not to change", name)
		}
	}
}

// drawnOf lists the pictures of a run, and the sentences beside them.
func drawnOf(run *record.Run) (ids, notes string) {
	s := runPictures(run)
	if s == nil {
		return "", ""
	}
	var all, said []string
	for _, b := range s.Blocks {
		switch b := b.(type) {
		case *document.Picture:
			all = append(all, b.ID)
		case document.Note:
			said = append(said, b.Text)
		}
	}
	return strings.Join(all, " "), strings.Join(said, " ")
}

// TestDrawn says which pictures there are: only of what moved, and over time only of runs with some intervals.
func TestDrawn(t *testing.T) {
	at := func(times ...float64) []record.Interval {
		var out []record.Interval
		for i, s := range times {
			out = append(out, record.Interval{TS: s, Opened: 5, InFlight: int64(100 * i), P50Us: 5, Fds: 10, Orphans: 2, Requests: 5, Completed: 5})
		}
		return out
	}
	limits := record.Pressure{Ports: record.Ports{PeakInUse: 10, Available: 100}, Fds: record.Fds{Peak: 10, Limit: 1000}}
	for _, c := range []struct {
		name, ids, note string
		run             record.Run
	}{
		{"nothing", "", "", record.Run{}},
		{"one interval", "p-limits", "its record has 1 interval. With --interval 50ms it would be.", record.Run{ElapsedS: 1, Timeline: at(1), Pressure: limits}},
		{"two and the rest", "p-limits", "has 3 intervals. With --interval 100ms", record.Run{ElapsedS: 2.1, Timeline: at(1, 2, 2.1), Pressure: limits}},
		{"in no time", "p-limits", "", record.Run{ElapsedS: 0.01, Timeline: at(0.01), Pressure: limits}},
		{"three", "p-rate p-latency p-in-flight", "", record.Run{Timeline: at(1, 2, 3), Pressure: limits}},
		{"one of them long", "p-rate p-latency p-in-flight", "", record.Run{Timeline: at(1, 2, 11, 12, 12.1), Pressure: limits}},
		{"near limits", "p-rate p-latency p-in-flight p-descriptors p-orphans", "", record.Run{
			Timeline: at(1, 2, 3), Pressure: record.Pressure{Fds: record.Fds{Peak: 10, Limit: 20}, Orphans: record.Gauge{Peak: 2, Limit: 10}},
		}},
	} {
		ids, note := drawnOf(&c.run)
		if ids != c.ids || !strings.Contains(note, c.note) || c.note == "" && note != "" {
			t.Errorf("%s: %s, %q", c.name, ids, note)
		}
	}
	run := record.Run{Timeline: at(1, 2, 3)}
	for i := range run.Timeline {
		iv := &run.Timeline[i]
		iv.Requests, iv.Failed = 50, 3
		iv.Failures = map[string]int64{"refused": 1, "connect_timeout": 2}
		iv.Counters = map[string]int64{"TcpRetransSegs": 3}
		iv.Client = map[string]int{"ESTABLISHED": 5}
	}
	if ids, _ := drawnOf(&run); ids != "p-rate p-exchanges p-failures p-latency p-states-client" {
		t.Errorf("exchanges and failures, and a few retransmissions: %s", ids)
	}
	run.Timeline[1].Counters["TcpRetransSegs"] = 30
	if ids, _ := drawnOf(&run); !strings.HasSuffix(ids, " p-trouble") {
		t.Errorf("retransmissions: %s", ids)
	}
}

// TestCensusGaps has intervals without a census, as a million connections leave: what a census counts goes from one to the next, and is
// absent between them, not 0.
func TestCensusGaps(t *testing.T) {
	run := record.Run{Predicted: record.Predicted{Counters: map[string]sockstate.Range{"TcpExtTCPAbortOnData": {Min: 100, Max: 100}}}}
	for i := range 5 {
		iv := record.Interval{TS: float64(i + 1), Phase: "load", Opened: 10, Counters: map[string]int64{"TcpExtTCPAbortOnData": 50}}
		if i >= 3 {
			iv.Phase = "hold"
		}
		if i%2 == 0 {
			iv.Client, iv.Fds = map[string]int{"ESTABLISHED": 10 * (i + 1)}, 9
		}
		run.Timeline = append(run.Timeline, iv)
	}
	pictures := make(map[string]*document.Picture)
	for _, b := range runPictures(&run).Blocks {
		if p, ok := b.(*document.Picture); ok {
			pictures[p.ID] = p
		}
	}
	p := pictures["p-states-client"]
	if p == nil {
		t.Fatal("no picture of the client's states")
	}
	want := &document.Picture{At: []float64{1, 3, 5}, Phases: []document.Phase{{At: 3, Name: "hold"}}, Curves: []document.Curve{{Name: "ESTABLISHED", Hue: 1, Points: []float64{10, 30, 50}}}}
	got := &document.Picture{At: p.At, Phases: p.Phases, Curves: p.Curves}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the client's states (-want +got):\n%s", diff)
	}
	if n := len(pictures["p-rate"].At); n != 5 {
		t.Errorf("the rate has %d points, want 5", n)
	}
	if pictures["p-trouble"] != nil {
		t.Error("what the close policy makes the kernel count is drawn as trouble")
	}
	var csv bytes.Buffer
	if err := Render(&csv, View{Format: CSV}, &run); err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(csv.String(), "\n")
	i := slices.Index(strings.Split(rows[0], ","), "client_ESTABLISHED")
	var cells []string
	for _, row := range rows[1:6] {
		cells = append(cells, strings.Split(row, ",")[i])
	}
	if s := strings.Join(cells, ","); s != "10,,30,,50" {
		t.Errorf("client_ESTABLISHED in csv: %s", s)
	}
}
