package verdict

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
)

// leaves has the server react like that, and tcp_fin_timeout so many seconds.
func leaves(reaction, finTimeout string) func(*record.Run) {
	return func(r *record.Run) {
		r.Plan.Groups[0].Close, r.Plan.Groups[0].OnEOF = "client:fin", reaction
		r.Predicted.TimeWait = "none"
		r.Hosts[0].Sysctls["net.ipv4.tcp_fin_timeout"] = finTimeout
	}
}

// 1,000 ports bear a rate for as long as orphans last: tcp_fin_timeout, and a bucket of the timer wheel.
func TestOnsetOfOrphans(t *testing.T) {
	at := func(from, to float64) *record.Onset { return &record.Onset{EarliestS: from, LatestS: to} }
	delayed := func(delay string) func(*record.Run) {
		return func(r *record.Run) { leaves("delay="+delay, "5")(r); r.Predicted.TimeWait = "client" }
	}
	for _, tt := range []struct {
		name string
		rate float64
		with func(*record.Run)
		want *record.Onset
	}{
		{"all ports are taken before the first orphan ends", 250, leaves("never", "5"), at(4, 4)},
		{"within the bucket", 195, leaves("never", "5"), at(5.13, 5.38)},
		{"orphans end soon enough", 189, leaves("never", "5"), nil},
		{"the kernel's default is as long as TIME_WAIT", 16.5, leaves("never", "60"), at(60.61, 62.65)},
		{"a delay that orphans do not outlast", 250, leaves("delay=9s", "5"), at(4, 4)},
		{"a delay comes before TIME_WAIT", 16, delayed("1s"), at(62.5, 64.55)},
		{"the delay after a half-close", 16, func(r *record.Run) { delayed("1s")(r); r.Plan.Groups[0].Close = "client:half" }, at(62.5, 64.55)},
		{"a reset is never answered", 16, func(r *record.Run) { delayed("1s")(r); r.Plan.Groups[0].Close = "client:rst" }, nil},
	} {
		r := paced(tt.rate, 1)
		tt.with(&r)
		r.Connections.Scheduled, r.LoadS, r.Plan.DurationNs = int64(100*tt.rate), 100, 100e9
		if d := cmp.Diff(tt.want, rounded(Outlook(&r).Predicted)); d != "" {
			t.Errorf("%s: -want +got\n%s", tt.name, d)
		}
	}
}

// A load that ran out of ports because of orphans hears of them, and what ends them sooner.
func TestReasonsOfOrphans(t *testing.T) {
	for _, tt := range []struct {
		rate         float64
		want, advice string
	}{
		{
			100, "the server closes late or never, so each connection keeps its port as an orphan in FIN_WAIT_2 for 60.0 s (tcp_fin_timeout): 1,000 ports / 61.0 s = 16.4 connections/s sustained; it was asked for 100.0/s",
			"net.ipv4.tcp_fin_timeout=9 ends orphans soon enough",
		},
		{2000, "it was asked for 2,000/s", "--on-eof close"},
	} {
		r := paced(tt.rate, 1)
		leaves("never", "60")(&r)
		r.Connections.Failed, r.Outcomes = 1000, map[string]int64{"fin": 1000, "no_local_port": 1000}
		r.Connections.Completed = 1000
		r.FirstFailureS = map[string]float64{"no_local_port": 10}
		r.Pressure.Ports.PeakInUse = 1000
		v := words(t, &r)
		reasons, advice := strings.Join(v.Reasons, "\n"), strings.Join(v.Advice, "\n")
		if !strings.Contains(reasons, tt.want) || strings.Contains(reasons, "open connections held") {
			t.Errorf("%v/s: the reasons are\n%s", tt.rate, reasons)
		}
		if !strings.Contains(advice, tt.advice) || tt.rate > 1000 && strings.Contains(advice, "tcp_fin_timeout") {
			t.Errorf("%v/s: the advice is\n%s", tt.rate, advice)
		}
	}
}
