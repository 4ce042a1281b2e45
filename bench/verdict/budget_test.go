package verdict

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
)

func rounded(o *record.Onset) *record.Onset {
	if o == nil {
		return nil
	}
	return &record.Onset{EarliestS: math.Round(o.EarliestS*100) / 100, LatestS: math.Round(o.LatestS*100) / 100}
}

// ranOut has thinks' closed loop open so many connections in each half second, until no port is free at that time.
func ranOut(at float64, opened ...int64) func(*record.Run) {
	return func(r *record.Run) {
		thinks(float64(len(opened)) / 2)(r)
		inUse := 0
		for i, n := range opened {
			inUse += int(n)
			r.Timeline[i].Opened, r.Timeline[i].PortsInUse = n, inUse
		}
		r.Pressure.Ports.PeakInUse, r.FirstFailureS = inUse, map[string]float64{"no_local_port": at}
	}
}

// The prediction is of the schedule, whatever came of it. Only ports that may come back before make it uncertain: by a bucket of the
// timer wheel, 2.048 s at 250 Hz.
func TestPredictedOnset(t *testing.T) {
	at := func(from, to float64) *record.Onset { return &record.Onset{EarliestS: from, LatestS: to} }
	set := func(key, value string) func(*record.Run) {
		return func(r *record.Run) { r.Hosts[0].Sysctls["net.ipv4."+key] = value }
	}
	for _, tt := range []struct {
		name              string
		run               record.Run
		with              func(*record.Run)
		want              *record.Onset
		observed, exhaust float64
	}{
		{"long before a port comes back", paced(100, 1), nil, at(10, 10), 0, 0}, // within the schedule, and not observed
		{"observed", paced(100, 1), func(r *record.Run) { r.FirstFailureS = map[string]float64{"no_local_port": 10.1, "refused": 3} }, at(10, 10), 10.1, 10.1},
		{"observed, though not predicted", paced(10, 1), func(r *record.Run) { r.FirstFailureS = map[string]float64{"no_local_port": 1.5} }, nil, 1.5, 1.5},
		{"in the bursts", paced(16.5, 1), nil, at(60.61, 62.65), 0, 60.61},
		{"in wider bursts", paced(16.5, 1), func(r *record.Run) { r.Hosts[0].HZ = 1000 }, at(60.61, 64.7), 0, 60.61},
		{"what comes back in time", paced(16.1, 1), nil, nil, 0, 0},
		{"at the end of a hold", paced(16, 1), func(r *record.Run) { r.Plan.Groups[0].HoldNs = 1e9 }, at(62.5, 64.55), 0, 62.5},
		{"reuse", paced(100, 1), set("tcp_tw_reuse", "1"), nil, 0, 0},
		{"reuse that comes too late", paced(100, 1), func(r *record.Run) { set("tcp_tw_reuse", "1")(r); set("tcp_tw_reuse_delay", "30000")(r) }, at(10, 10), 0, 0},
		{"reuse on loopback only", paced(100, 1), func(r *record.Run) { r.Sandbox.Topology = "lo" }, nil, 0, 0},
		{"a warm-up", paced(100, 1), func(r *record.Run) { r.Plan.WarmupNs = 4e9; r.Warmup = &record.Connections{Attempted: 400} }, at(10, 10), 0, 0},
		{"a warm-up, then rising", paced(100, 1), func(r *record.Run) {
			r.Plan.WarmupNs, r.Plan.Groups[0].RateFrom, r.Plan.DurationNs = 4e9, 50, 8e9
		}, at(14, 14), 0, 0}, // 4 x 50 + 8 x 75, and 200 more at 100/s
		{"a ramp", paced(100, 1), func(r *record.Run) { r.Plan.RampNs = 8e9 }, at(14, 14), 0, 0},
		{"ports of earlier loads", paced(100, 1), func(r *record.Run) {
			r.Pressure.Pairs = []record.PortPair{{Earlier: 400}}
			r.LoadS = 5
			r.Plan.DurationNs = 5e9
			r.Connections.Scheduled = 500
		}, at(6, 10), 0, 6},
		{"the server keeps TIME_WAIT", paced(100, 1), func(r *record.Run) { r.Predicted.TimeWait = "server" }, nil, 0, 0},
		{"closed loop, observed", paced(100, 1), func(r *record.Run) {
			r.Rate.TargetPerS, r.FirstFailureS = 0, map[string]float64{"no_local_port": 7}
		}, nil, 7, 7},
		{"closed loop, at a steady rate", paced(100, 1), ranOut(3.4, 300, 300, 300, 300, 300, 300, 240), at(3.33, 3.33), 3.4, 3.4},
		{"closed loop, at an unsteady rate", paced(100, 1), ranOut(3.2, 240, 300, 360, 300, 300, 300, 240), at(2.9, 4.16), 3.2, 3.2},
		{"closed loop, without a census in each interval", paced(100, 1), func(r *record.Run) {
			ranOut(3.4, 300, 300, 300, 300, 300, 300, 240)(r)
			r.Timeline[1].PortsInUse = 0
		}, at(3.33, 3.33), 3.4, 3.4},
		{"closed loop, past the first pass at once", paced(100, 1), ranOut(0.4, 2000), nil, 0.4, 0.4},
		{"closed loop, at a rate that may be too slow", paced(100, 1), ranOut(3.2, 1, 60, 700, 600, 300, 300, 39), nil, 3.2, 3.2},
		{"closed loop, with little CPU for the search", paced(100, 1), func(r *record.Run) {
			ranOut(3.4, 300, 300, 300, 300, 300, 300, 240)(r)
			r.Pressure.CPU.IdleS, r.Pressure.CPU.GeneratorS, r.Pressure.CPU.GeneratorBusiest = 0, 7, 1
		}, at(3.33, 3.53), 3.4, 3.4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.run
			if tt.with != nil {
				tt.with(&r)
			}
			o := Outlook(&r)
			if d := cmp.Diff(tt.want, rounded(o.Predicted)); d != "" || o.ObservedS != tt.observed || math.Abs(o.ExhaustedInS-tt.exhaust) > 0.01 {
				t.Errorf("%+v: -want +got\n%s", o, d)
			}
		})
	}
}

// A pair's own onset is by the rate at which it entered TIME_WAIT.
func TestPairOnset(t *testing.T) {
	for _, tt := range []struct {
		name string
		pair record.PortPair
		with func(*record.Run)
		want *record.Onset
	}{
		{"fast", record.PortPair{EnteredPerS: 50}, nil, &record.Onset{EarliestS: 20, LatestS: 20}},
		{"slow", record.PortPair{EnteredPerS: 16}, nil, nil},
		{"in the bursts", record.PortPair{EnteredPerS: 16.5}, nil, &record.Onset{EarliestS: 60.61, LatestS: 62.65}},
		{"beside an earlier load", record.PortPair{EnteredPerS: 50, Earlier: 500}, nil, &record.Onset{EarliestS: 10, LatestS: 10}},
		{"with none left by an earlier load", record.PortPair{EnteredPerS: 50, Earlier: 1000}, nil, nil},
		{"reuse", record.PortPair{EnteredPerS: 50}, func(r *record.Run) { r.Hosts[0].Sysctls["net.ipv4.tcp_tw_reuse"] = "1" }, nil},
		{"none entered", record.PortPair{}, nil, nil},
		{"closed loop", record.PortPair{EnteredPerS: 50}, func(r *record.Run) { r.Rate.TargetPerS = 0 }, nil},
	} {
		r := paced(50, 1)
		if tt.with != nil {
			tt.with(&r)
		}
		if d := cmp.Diff(tt.want, rounded(Onset(&r, &tt.pair))); d != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, d)
		}
	}
}

// The reasons have the budget's numbers.
func TestReasonsOfTheBudget(t *testing.T) {
	r := paced(100, 1)
	r.Connections.Failed, r.Outcomes = 900, map[string]int64{"fin": 1100, "no_local_port": 900}
	r.Connections.Completed = 1100
	r.FirstFailureS = map[string]float64{"no_local_port": 6.02}
	r.Pressure.Ports.PeakInUse = 600
	r.Pressure.Pairs = []record.PortPair{{PeakInUse: 600, TimeWait: 600, Earlier: 400}}
	r.Pressure.Ports.Outlook = Outlook(&r)
	v := words(t, &r)
	all := strings.Join(v.Reasons, "\n") + strings.Join(v.Advice, "\n")
	for _, want := range []string{"600 in use at most; the first after 6.02 s, predicted after 6.00 s to 10.0 s", "TIME_WAITs from before the load, of 60 to 62.0 s each, had 400 ports of a pair", "--flush ends their TIME_WAITs"} {
		if !strings.Contains(all, want) {
			t.Errorf("the reasons do not say %q:\n%s", want, all)
		}
	}
}
