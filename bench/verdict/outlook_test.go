package verdict

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
)

// paced is an open loop over so many pairs of 1,000 ports, none of which anything but TIME_WAIT gives back.
func paced(rate float64, pairs int) record.Run {
	r := openLoop()
	n := int64(20 * rate)
	r.ElapsedS, r.LoadS = 20, 20
	r.Plan.DurationNs = 20e9
	r.Plan.Groups[0].RateFrom, r.Plan.Groups[0].RateTo = rate, rate
	r.Rate = record.Rate{TargetPerS: rate, OpenedPerS: rate}
	r.Connections = record.Connections{Scheduled: n, Attempted: n, Opened: n, Completed: n, PeakOpen: 3}
	r.Hosts = []record.Host{{HZ: 250, Sysctls: map[string]string{"net.ipv4.tcp_tw_reuse": "2", "net.ipv4.tcp_timestamps": "1"}}}
	r.Sandbox.Topology = "veth"
	r.Pressure.Ports = record.Ports{Range: "40000 40999", Available: 1000, FirstPass: 500, PeakInUse: int(n) / pairs, Pairs: pairs}
	return r
}

// short has an open loop's load end after so many seconds, and what it holds so much later.
func short(load, hold float64) func(*record.Run) {
	return func(r *record.Run) {
		n := int64(load * r.Rate.TargetPerS)
		r.LoadS, r.ElapsedS, r.Plan.DurationNs = load, load+hold, int64(load*1e9)
		r.Plan.Groups[0].HoldNs = int64(hold * 1e9)
		r.Connections = record.Connections{Scheduled: n, Attempted: n, Opened: n, Completed: n, PeakOpen: n}
		r.Pressure.Ports.PeakInUse = int(n) / r.Pressure.Ports.Pairs
	}
}

// pastFirstPass is a closed loop that has the ports of one parity of 57,758 after 2 s, and then opens so many a second.
func pastFirstPass(r *record.Run, rate int64) {
	closed := closedLoop()
	closed.Hosts, closed.Sandbox = r.Hosts, r.Sandbox
	*r = closed
	r.LoadS, r.ElapsedS = 3, 3
	r.Pressure.Ports = record.Ports{Range: "7778 65535", Available: 57_758, FirstPass: 28_879, PeakInUse: 29_411 + int(rate), Pairs: 1}
	for i, n := range []int64{9000, 9000, 9000, 2411, rate / 2, rate - rate/2} {
		ports := int64(0)
		if i > 0 {
			ports = int64(r.Timeline[i-1].PortsInUse)
		}
		r.Timeline = append(r.Timeline, record.Interval{TS: float64(i+1) / 2, Phase: "load", Started: n, Opened: n, PortsInUse: int(ports + n)})
	}
}

// thinks is a closed loop over 2,000 ports whose server thinks 100 ms, so that 60 slots open 600/s, for so many seconds.
func thinks(seconds float64) func(*record.Run) {
	return func(r *record.Run) {
		closed := closedLoop()
		closed.Hosts, closed.Sandbox = r.Hosts, r.Sandbox
		*r = closed
		r.Plan.Workers, r.Plan.Groups[0].Connections = 2, 60
		r.LoadS, r.ElapsedS = seconds, seconds+0.05
		r.Pressure.Ports = record.Ports{Range: "40000 41999", Available: 2000, FirstPass: 1000, PeakInUse: int(600 * seconds), Pairs: 1}
		r.Pressure.CPU = record.CPU{CPUs: 2, ElapsedS: seconds + 0.05, GeneratorS: 0.05, ServerS: 0.04, IdleS: 2 * (seconds - 0.1), GeneratorBusiest: 0.02}
		for at := 0.5; at <= seconds; at += 0.5 {
			r.Timeline = append(r.Timeline, record.Interval{TS: at, Phase: "load", Started: 300, Opened: 300, PortsInUse: int(600 * at)})
		}
	}
}

// full is a closed loop over a range of so many ports that has all of 2 CPUs, and after 1 s and 10,000 connections not all of the
// first pass.
func full(ports int) func(*record.Run) {
	return func(r *record.Run) {
		closed := closedLoop()
		closed.Hosts, closed.Sandbox = r.Hosts, r.Sandbox
		*r = closed
		r.Plan.Workers = 2
		r.LoadS, r.ElapsedS = 1, 1
		r.Pressure.CPU = record.CPU{CPUs: 2, ElapsedS: 1, GeneratorS: 1.2, ServerS: 0.7, GeneratorBusiest: 0.6}
		r.Pressure.Ports = record.Ports{Available: ports, FirstPass: ports / 2, PeakInUse: 10_000, Pairs: 1}
		r.Timeline = []record.Interval{{TS: 0.5, Phase: "load", Started: 5000, Opened: 5000, PortsInUse: 5000}, {TS: 1, Phase: "load", Started: 5000, Opened: 5000, PortsInUse: 10_000}}
	}
}

func TestOutlook(t *testing.T) {
	reuse := func(r *record.Run) {
		r.Hosts[0].Sysctls["net.ipv4.tcp_tw_reuse"] = "1"
		r.Hosts[0].Sysctls["net.ipv4.tcp_tw_reuse_delay"] = "1000"
	}
	for _, tt := range []struct {
		name           string
		run            record.Run
		with           func(*record.Run)
		before, fullAt float64
		full           float64
		level          int
	}{
		{"more than TIME_WAIT gives back", paced(72, 4), nil, 0, 0, 55.6, 0},
		{"found full a sample later", paced(72, 4), nil, 55.5, 56.5, 55.6, 0},
		{"found full before its time", paced(72, 4), nil, 30, 31, 31, 0},
		{"what TIME_WAIT gives back", paced(60, 4), nil, 0, 0, 0, 931},
		{"full but for the bursts", paced(65, 4), nil, 0, 0, 61.5, 0},
		{"held before", paced(60, 4), func(r *record.Run) { r.Plan.Groups[0].HoldNs = 10e9 }, 0, 0, 66.7, 0},
		{"reuse", paced(72, 4), reuse, 0, 0, 0, 500},
		{"reuse, and a rate that never comes round", paced(10, 4), reuse, 0, 0, 0, 156},
		{"reuse that comes too late for a closed loop", paced(72, 4), func(r *record.Run) {
			reuse(r)
			r.Hosts[0].Sysctls["net.ipv4.tcp_tw_reuse_delay"] = "3000"
			full(15_000)(r)
		}, 0, 0, 0, 0},
		{"reuse that timestamps are missing for", paced(72, 4), func(r *record.Run) { reuse(r); r.Hosts[0].Sysctls["net.ipv4.tcp_timestamps"] = "0" }, 0, 0, 55.6, 0},
		{"the server keeps it", paced(72, 4), func(r *record.Run) { r.Predicted.TimeWait = "server" }, 0, 0, 0, 0},
		{"the server keeps it, held", paced(72, 4), func(r *record.Run) { r.Predicted.TimeWait, r.Plan.Groups[0].HoldNs = "server", 60e9 }, 0, 0, 55.6, 0},
		{"rising", paced(144, 4), func(r *record.Run) { r.Plan.Groups[0].RateFrom = 0 }, 0, 0, 37.8, 0},
		{"rising, and full within", paced(144, 1), func(r *record.Run) { r.Plan.Groups[0].RateFrom, r.ElapsedS, r.LoadS = 14, 10, 10 }, 0, 0, 15.5, 0},
		{"full while the last are held", paced(400, 1), short(2, 3), 0, 0, 2.5, 0},
		{"full while the last are held, by count", paced(400, 1), func(r *record.Run) {
			short(2, 3)(r)
			r.Plan.DurationNs, r.LoadS = 0, r.ElapsedS
		}, 0, 0, 2.5, 0},
		{"open connections alone", paced(300, 1), func(r *record.Run) {
			short(3, 5)(r)
			r.Predicted.TimeWait = "none"
		}, 0, 0, 3.3, 0},
		{"full to the last port", paced(500, 1), short(2, 3), 0, 0, 2, 0},
		{"opened once", paced(400, 1), func(r *record.Run) {
			short(2, 3)(r)
			r.Plan.DurationNs, r.Plan.Groups[0].PlateauNs = 0, 3e9
		}, 0, 0, 0, 0},
		{"closed loop", paced(72, 4), func(r *record.Run) {
			r.Rate.TargetPerS, r.Connections.Scheduled, r.Plan.Groups[0].RateFrom, r.Plan.Groups[0].RateTo = 0, 0, 0, 0
			r.Timeline = []record.Interval{{TS: 5, Started: 1000, Opened: 1000}, {TS: 10, Started: 360, Opened: 360}, {TS: 15, Started: 40, Opened: 40}, {TS: 20, Started: 40, Opened: 40}, {TS: 20.1}}
			r.Pressure.Ports.PeakInUse, r.Pressure.Ports.Available = 360, 200_000
		}, 0, 0, 0, 125},
		{"groups that are held differently", paced(72, 4), func(r *record.Run) {
			a, b := r.Plan.Groups[0], r.Plan.Groups[0]
			a.RateTo, b.RateTo, b.HoldNs = 36, 36, 120e9
			a.RateFrom, b.RateFrom = 36, 36
			r.Predicted.TimeWait, r.Plan.Groups = "none", []record.Group{a, b}
		}, 0, 0, 55.6, 0},
		{"groups that are held differently, closed loop", paced(72, 4), func(r *record.Run) {
			// 1,500 and 500 connections in 20 s, of which those are not held: 25/s that each keep a port for 10 s.
			r.Rate.TargetPerS, r.Connections.Scheduled = 0, 0
			a, b := record.Group{Close: "client:fin"}, record.Group{Close: "client:fin", HoldNs: 10e9}
			r.Predicted.TimeWait, r.Plan.Groups = "none", []record.Group{a, b}
			r.Groups = []record.GroupResult{{}, {}}
			r.Groups[0].Connections.Opened, r.Groups[1].Connections.Opened = 1500, 500
			r.Timeline = []record.Interval{{TS: 10, Started: 1000, Opened: 1000}, {TS: 20, Started: 1000, Opened: 1000}}
			r.Pressure.Ports.PeakInUse = 63
		}, 0, 0, 0, 63},
		{"closed loop, fast, before the first pass is taken", paced(72, 1), func(r *record.Run) {
			closed := closedLoop()
			closed.Hosts, closed.Sandbox = r.Hosts, r.Sandbox
			*r = closed
			r.LoadS, r.ElapsedS = 1, 1
			r.Pressure.Ports = record.Ports{Range: "32768 60999", Available: 28_232, FirstPass: 14_116, PeakInUse: 10_000, Pairs: 1}
			r.Timeline = []record.Interval{{TS: 0.5, Phase: "load", Started: 5000, Opened: 5000, PortsInUse: 5000}, {TS: 1, Phase: "load", Started: 5000, Opened: 5000, PortsInUse: 10_000}}
		}, 0, 0, 11.4, 0}, // by what 2 CPUs can walk at most
		{"closed loop, fast, with ports of one pass", paced(72, 1), func(r *record.Run) {
			closed := closedLoop()
			closed.Hosts, closed.Sandbox = r.Hosts, r.Sandbox
			*r = closed
			r.LoadS, r.ElapsedS = 1, 1
			r.Pressure.Ports = record.Ports{Range: "32768 60999", Available: 28_232, FirstPass: 28_232, PeakInUse: 10_000, Pairs: 1}
			r.Timeline = []record.Interval{{TS: 0.5, Phase: "load", Started: 5000, Opened: 5000, PortsInUse: 5000}, {TS: 1, Phase: "load", Started: 5000, Opened: 5000, PortsInUse: 10_000}}
		}, 0, 0, 2.8, 0},
		{"closed loop past the first pass", paced(72, 1), func(r *record.Run) {
			pastFirstPass(r, 169)
		}, 0, 0, 0, 0}, // the first ports come back before
		{"closed loop past the first pass for long", paced(72, 1), func(r *record.Run) {
			pastFirstPass(r, 169)
			r.Plan.Workers, r.Pressure.CPU.IdleS, r.LoadS, r.ElapsedS = 2, 0.04, 10, 10
			for at := 4; at <= 10; at++ {
				r.Pressure.Ports.PeakInUse += 169
				r.Timeline = append(r.Timeline, record.Interval{TS: float64(at), Phase: "load", Started: 169, Opened: 169, PortsInUse: r.Pressure.Ports.PeakInUse})
			}
		}, 0, 0, 0, 0}, // the first ports come back before
		{"closed loop past the first pass, and full before a port comes back", paced(72, 1), func(r *record.Run) {
			pastFirstPass(r, 1000)
		}, 0, 0, 30.3, 0},
		{"closed loop past the first pass, since when is not known", paced(72, 1), func(r *record.Run) {
			pastFirstPass(r, 169)
			r.Timeline = r.Timeline[:4]
		}, 0, 0, 0, 0},
		{"closed loop, idle CPUs for the search", paced(72, 1), thinks(1.5), 0, 0, 3.3, 0},
		{"closed loop, idle CPUs for the search, past the first pass", paced(72, 1), thinks(2), 0, 0, 3.3, 0},
		{"closed loop, idle CPUs for the search, since when is known", paced(72, 1), thinks(2.5), 0, 0, 3.3, 0},
		{"closed loop, idle but for the time after the load", paced(72, 1), func(r *record.Run) {
			thinks(1.5)(r)
			r.Pressure.CPU.ElapsedS, r.Pressure.CPU.IdleS = 20, 2*(20-1.5)
		}, 0, 0, 3.3, 0},
		{"closed loop, idle CPUs for the search, levels off", paced(72, 1), func(r *record.Run) {
			thinks(1.5)(r)
			r.Pressure.Ports.Available, r.Pressure.Ports.FirstPass = 50_000, 25_000
		}, 0, 0, 0, 37_229},
		{"closed loop, full CPUs", paced(72, 1), full(28_232), 0, 0, 11.4, 0},
		{"closed loop, full CPUs, and ports for as long as TIME_WAIT", paced(72, 1), full(57_758), 0, 0, 0, 0},
		{"closed loop, full CPUs, levels off", paced(72, 1), func(r *record.Run) {
			full(28_232)(r)
			r.Pressure.Ports.Pairs, r.Pressure.Ports.PeakInUse = 30, 334
		}, 0, 0, 0, 20_683},
		{"closed loop, full CPUs, levels off within the first pass", paced(72, 1), func(r *record.Run) {
			full(28_232)(r)
			r.Pressure.Ports.Pairs, r.Pressure.Ports.PeakInUse = 60, 167
		}, 0, 0, 0, 10_342},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.run
			if tt.with != nil {
				tt.with(&r)
			}
			if tt.fullAt > 0 {
				r.Timeline = []record.Interval{{TS: tt.before, PortsInUse: 999}, {TS: tt.fullAt, PortsInUse: 1000}, {TS: 90, Phase: "settle", PortsInUse: 1000}}
			}
			o := Outlook(&r)
			got := []any{math.Round(o.ExhaustedInS*10) / 10, o.LevelsOffAt}
			if d := cmp.Diff([]any{tt.full, tt.level}, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// Where connect will walk past the first pass, the rate of before is said to last only if the CPUs have time for it.
func TestOutlookMaySlow(t *testing.T) {
	one := func(r *record.Run) {
		// 0.5 ms each, of which connect would take more than half.
		thinks(1.5)(r)
		r.Plan.Groups[0].Connections, r.Plan.Workers = 1, 1
	}
	for _, tt := range []struct {
		name string
		with func(*record.Run)
		slow bool
	}{
		{"open loop", nil, false},
		{"idle", thinks(1.5), false},
		{"idle, past the first pass", thinks(2), false},
		{"one slot", one, true},
		{"one pass", func(r *record.Run) { one(r); r.Pressure.Ports.FirstPass = 2000 }, false},
		{"idle but for the time after the load", func(r *record.Run) {
			thinks(1.5)(r)
			r.Pressure.CPU.ElapsedS, r.Pressure.CPU.IdleS = 20, 2*(20-1.5)
		}, true},
		{"idle, but nobody read it", func(r *record.Run) { thinks(1.5)(r); r.Pressure.CPU.NotRead = "/proc/stat was not read" }, true},
		{"idle, but for a quota", func(r *record.Run) { thinks(1.5)(r); r.Pressure.CPU.Quota = 0.2 }, true},
		{"a worker is busy", func(r *record.Run) { thinks(1.5)(r); r.Pressure.CPU.GeneratorBusiest = 0.95 }, true},
		{"full", full(28_232), true},
	} {
		r := paced(72, 4)
		if tt.with != nil {
			tt.with(&r)
		}
		if p := Outlook(&r); p.MaySlow != tt.slow || p.ExhaustedInS == 0 {
			t.Errorf("%s: full after %v s, may be slower %v; want %v", tt.name, p.ExhaustedInS, p.MaySlow, tt.slow)
		}
	}
}

// A short run of a pattern that cannot be kept up is no certificate for it.
func TestOutlasts(t *testing.T) {
	for _, tt := range []struct {
		name    string
		run     record.Run
		with    func(*record.Run)
		reasons []string
		advice  string
	}{
		{"it lasts", paced(60, 4), nil, []string{"all 1,200 arrivals of the schedule were started, lag p99 413 µs"}, ""},
		{
			"local ports", paced(72, 4), nil,
			[]string{
				"all 1,440 arrivals of the schedule were started, lag p99 413 µs",
				"this rate does not last: 72.0 connections/s that keep a local port for up to 62.05 s each need 4,468 ports, and there are 4,000 (1,000 for each of 4 pairs): the first connect finds none after 55.6 s",
			},
			"more addresses: 72.0 connections/s for up to 62.05 s each need 5 pairs of 1,000 ports",
		},
		{
			"local ports, for want of a few", paced(65, 4), nil,
			[]string{
				"all 1,300 arrivals of the schedule were started, lag p99 413 µs",
				"this rate does not last: 65.0 connections/s that keep a local port for up to 62.05 s each need 4,034 ports, and there are 4,000 (1,000 for each of 4 pairs): the first connect finds none after 61.5 s to 63.6 s",
			},
			"more addresses: 65.0 connections/s for up to 62.05 s each need 5 pairs of 1,000 ports",
		},
		{
			"local ports, while the last are held", paced(300, 1), func(r *record.Run) {
				short(3, 5)(r)
				r.Predicted.TimeWait = "none"
			},
			[]string{
				"all 900 arrivals of the schedule were started, lag p99 413 µs",
				"this rate does not last: 300.0 connections/s that keep a local port for 5.00 s each need 1,500 ports, and there are 1,000 (of the 1 pair): the first connect finds none after 3.33 s",
			},
			"more addresses: --source with more of them, or more targets: each pair has 1,000 ports of its own\na shorter --hold",
		},
		{
			"buckets", paced(60, 4), func(r *record.Run) { r.TimeWait.MaxBuckets = 2000 },
			[]string{
				"all 1,200 arrivals of the schedule were started, lag p99 413 µs",
				"this rate does not last: 60.0 closes/s leave up to 3,723 TIME_WAITs of 60 to 62.0 s each, and tcp_max_tw_buckets is 2,000, full after 33.3 s",
			},
			"raise net.ipv4.tcp_max_tw_buckets",
		},
		{
			"connection tracking", paced(60, 4), func(r *record.Run) { r.Pressure.Conntrack = &record.Gauge{Peak: 1200, Limit: 5000} },
			[]string{
				"all 1,200 arrivals of the schedule were started, lag p99 413 µs",
				"this rate does not last: 60.0 connections/s, each tracked for 120 s after its close, take 7,200 entries, and nf_conntrack_max is 5,000, full after 83.3 s",
			},
			"raise net.netfilter.nf_conntrack_max",
		},
		{"connections that nothing tracks", paced(60, 4), func(r *record.Run) { r.Pressure.Conntrack = &record.Gauge{Peak: 12, Limit: 5000} }, []string{"all 1,200 arrivals of the schedule were started, lag p99 413 µs"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.run
			if tt.with != nil {
				tt.with(&r)
			}
			r.Pressure.Ports.Outlook = Outlook(&r)
			v := words(t, &r)
			if d := cmp.Diff(tt.reasons, v.Reasons); d != "" || !v.Valid || v.LimitedBy != record.LimitTarget {
				t.Errorf("%s, valid %v: -want +got:\n%s", v.LimitedBy, v.Valid, d)
			}
			if !strings.Contains(strings.Join(v.Advice, "\n"), tt.advice) || tt.advice == "" && len(v.Advice) > 0 {
				t.Errorf("the advice %q does not say %q", v.Advice, tt.advice)
			}
		})
	}
}
