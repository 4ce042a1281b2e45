package record

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// drainSample is a drain of three tries: the second lost requests, the third could not be seen in full.
func drainSample() *Run {
	code := 0
	calm := DrainTry{
		Requests: DrainRequests{Sent: 1000, Completed: 900, CompletedClose: 100, SlowestS: at(0.25), GapS: at(0.01)},
		Listener: DrainListener{Attempts: 100, LastAcceptS: at(-0.0005), SlowestConnectS: 0.001},
		Server:   DrainServer{ExitS: at(0.5), ExitCode: &code},
		Groups: []DrainGroup{
			{Name: "idle", Connections: DrainConnections{Opened: 20, FIN: 10, Never: 10, Kept: 9}},
			{Name: "partial", Connections: DrainConnections{Opened: 3, RST: 3}},
		},
		Queued:     &DrainQueued{Asked: 5, Queued: 5, Served: 4, Reset: 1},
		Reconnect:  DrainReconnect{Clients: 13, Landed: map[string]int64{"old": 1, "new": 9}, Failed: 3, LastS: at(1.5)},
		Leftover:   DrainLeftover{Known: true, TimeWait: 7, FinWait2: 2},
		Port:       DrainPort{Plain: "EADDRINUSE", Reuse: DrainBound},
		LastGoneS:  at(0.6),
		Accounting: []Check{{OK: true}, {}},
	}
	bad, blind := calm, calm
	bad.Requests = DrainRequests{Sent: 1000, Completed: 986, CutFIN: 5, CutRST: 4, TimedOut: 3, Answered5xx: 2, Raced: 6, Safe: 8, Unsafe: 4}
	bad.Listener = DrainListener{Attempts: 100, Refused: 30, FirstRefusalS: at(0.002), AcceptsAgainS: at(0.152), RefusedWindowS: 0.15, TimedOut: 2}
	bad.Server = DrainServer{ExitS: at(30.01), ExitSignal: "SIGKILL", ThenSent: true}
	blind.Server, blind.Leftover, blind.Port, blind.Groups, blind.Queued = DrainServer{Stayed: true}, DrainLeftover{}, DrainPort{}, nil, nil
	blind.LastGoneS, blind.Accounting = nil, nil
	blind.Unknown = map[string]string{"leftover": "the server is on another host", "port.plain": "no bind on another host", "queued": "not producible: a hook stops the server"}
	return &Run{Schema: Schema, Kind: KindDrain, Drain: &Drain{Tries: []DrainTry{calm, bad, blind}}}
}

func TestEvaluateDrain(t *testing.T) {
	all := drainSample()
	one := func(i int) *Run {
		r := *all
		r.Drain = &Drain{Tries: all.Drain.Tries[i : i+1]}
		return &r
	}
	all.Latency = map[string]Latency{"connect": {Count: 9, P50Us: 88}}
	const worst = "try 2 of 3, the worst"
	tests := []struct {
		r    *Run
		expr string
		want ThresholdResult // Got in text
	}{
		{all, "lost==0", ThresholdResult{GotText: "12", Reason: worst}},
		{one(0), "lost==0", ThresholdResult{GotText: "0", OK: true}},
		{&Run{Drain: &Drain{Tries: []DrainTry{{Listener: DrainListener{Attempts: 9, Opened: 5, Failed: 4}}}}}, "failed==0", ThresholdResult{GotText: "0", OK: true}},
		{&Run{Drain: &Drain{Tries: []DrainTry{{Listener: DrainListener{Attempts: 9, Opened: 5, Unreachable: 4}}}}}, "failed==0", ThresholdResult{GotText: "4"}},
		{all, "lost<=12", ThresholdResult{GotText: "12", OK: true, Reason: worst}},
		{all, "lost_ratio<0.1%", ThresholdResult{GotText: "1.2%", Reason: worst}},
		{all, "requests>=1k", ThresholdResult{GotText: "1000", OK: true, Reason: "in each of 3 tries"}},
		{all, "requests!=1k", ThresholdResult{GotText: "1000", Reason: "in each of 3 tries"}},
		{all, "answered_close>50", ThresholdResult{GotText: "0", Reason: worst}},
		{all, "answered_close!=0", ThresholdResult{GotText: "0", Reason: worst}},
		{all, "answered_close<50", ThresholdResult{GotText: "100", Reason: "try 1 of 3, the worst of 2 that missed it"}},
		{all, "refused_window<100ms", ThresholdResult{GotText: "150ms", Reason: worst}},
		{one(0), "refused_window<100ms", ThresholdResult{GotText: "0s", OK: true}},
		{one(0), "first_refusal>1s", ThresholdResult{Reason: didNotHappen}},
		{one(1), "first_refusal<=2ms", ThresholdResult{GotText: "2ms", OK: true}},
		{one(0), "last_accept<0s", ThresholdResult{GotText: "-500µs", OK: true}},
		{one(0), "slowest<1s", ThresholdResult{GotText: "250ms", OK: true}},
		{all, "slowest<1s", ThresholdResult{Reason: worst + ": " + didNotHappen}},
		{one(1), "connect_slowest<1s", ThresholdResult{Reason: "no connect succeeded after the signal"}},
		{one(0), "idle_never<=1", ThresholdResult{GotText: "1", OK: true}},
		{one(0), "partial_rst==3", ThresholdResult{GotText: "3", OK: true}},
		{one(2), "idle_rst==0", ThresholdResult{Reason: "the load had no group of idle clients"}},
		{one(0), "queued_reset==0", ThresholdResult{GotText: "1"}},
		{one(2), "queued_reset==0", ThresholdResult{Reason: "not producible: a hook stops the server"}},
		{one(0), "reconnected==10", ThresholdResult{GotText: "10", OK: true}},
		{all, "exit_time<1m", ThresholdResult{Reason: "try 3 of 3, the worst: the server kept running"}},
		{one(1), "exit_time<30s", ThresholdResult{GotText: "30.01s"}},
		{one(0), "exit_code==0", ThresholdResult{GotText: "0", OK: true}},
		{one(1), "exit_code==0", ThresholdResult{Reason: "SIGKILL ended it, so that there is no code"}},
		{one(1), "then_sent==0", ThresholdResult{GotText: "1"}},
		{one(0), "time_wait_left==7", ThresholdResult{GotText: "7", OK: true}},
		{one(2), "time_wait_left<1M", ThresholdResult{Reason: "the server is on another host"}},
		{one(0), "bind_plain==1", ThresholdResult{GotText: "0", Reason: "EADDRINUSE"}},
		{one(0), "bind_reuse==1", ThresholdResult{GotText: "1", OK: true}},
		{one(2), "bind_plain==1", ThresholdResult{Reason: "no bind on another host"}},
		{one(2), "bind_reuse==1", ThresholdResult{Reason: "it was not tried"}},
		{one(0), "mismatches==0", ThresholdResult{GotText: "1"}},
		{all, "connect.p50<1ms", ThresholdResult{GotText: "88µs", OK: true}},
		{all, "exchange.p50<1ms", ThresholdResult{Reason: "the exchange latency is absent"}},
		{&Run{Kind: KindRun}, "lost==0", ThresholdResult{Reason: "only a drain has it"}},
		{&Run{Kind: KindDrain, Drain: &Drain{}}, "lost==0", ThresholdResult{Reason: "there is no try"}},
		{&Run{Kind: KindDrain, Drain: &Drain{Tries: make([]DrainTry, 1)}}, "refused==0", ThresholdResult{Reason: "nothing connected after the signal"}},
		{&Run{Kind: KindDrain, Drain: &Drain{Tries: make([]DrainTry, 1)}}, "lost_ratio<1%", ThresholdResult{Reason: "no request was under way at the signal, or sent after it"}},
	}
	for _, tt := range tests {
		t.Run(tt.expr, func(t *testing.T) {
			th, err := ParseDrainThreshold(tt.expr)
			if err != nil {
				t.Fatal(err)
			}
			got := th.Evaluate(tt.r)
			got = ThresholdResult{GotText: got.GotText, OK: got.OK, Reason: got.Reason}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestEvaluateUndecided holds thresholds against tries in which clients waited still: what is only a lower bound does not
// meet an upper one.
func TestEvaluateUndecided(t *testing.T) {
	hung := DrainTry{
		Requests: DrainRequests{Sent: 822, Open: 822, GapS: at(4.01), GapOpen: true},
		Listener: DrainListener{Attempts: 802, Opened: 802, Undecided: 802, SlowestConnectS: 0.002},
	}
	unserved := hung
	unserved.Requests.TimedOut, unserved.Requests.Open = 822, 0
	unserved.Listener.Unserved, unserved.Listener.UnservedFromS, unserved.Listener.Undecided = 802, at(0.005), 0
	some := DrainTry{
		Requests:  DrainRequests{Sent: 30, Completed: 20, CutRST: 4, Unsafe: 4, Open: 6, SlowestS: at(0.2), GapS: at(0.1)},
		Listener:  DrainListener{Attempts: 9, Opened: 5, Pending: 3, TimedOut: 1, SlowestConnectS: 0.3},
		Reconnect: DrainReconnect{Clients: 9, Failed: 2, Landed: map[string]int64{"new": 7}, LastS: at(0.4)},
	}
	refused := DrainTry{
		Requests: DrainRequests{Sent: 22, Completed: 22, SlowestS: at(0.2), GapS: at(0.1)},
		Listener: DrainListener{Attempts: 940, Opened: 5, Refused: 935, FirstRefusalS: at(0.001), AcceptsAgainS: at(0.05), RefusedWindowS: 0.049},
	}
	silent := DrainTry{Listener: DrainListener{Attempts: 9, TimedOut: 6, Pending: 3}}
	const open802 = "at least that: no reply had come yet on 802 connections when the load ended"
	const open822 = "at least that: 822 requests had no reply yet when the load ended"
	latencies := map[string]Latency{
		"connect":  {Count: 1000, MinUs: 1e3, MeanUs: 1.2e3, P50Us: 1.2e3, P90Us: 1.4e3, P99Us: 1.6e3, P999Us: 1.9e3, MaxUs: 2e3},
		"exchange": {Count: 1000, MinUs: 1e3, MeanUs: 2e3, P50Us: 2e3, P90Us: 2.5e3, P99Us: 3e3, P999Us: 3.5e3, MaxUs: 4e3},
	}
	const open6 = "at least that: 6 requests had no reply yet when the load ended"
	for _, tt := range []struct {
		try  DrainTry
		expr string
		want ThresholdResult
	}{
		{hung, "lost==0", ThresholdResult{GotText: "0", Reason: "at least that: 822 requests had no reply yet when the load ended"}},
		{hung, "lost_ratio<1%", ThresholdResult{GotText: "0%", Reason: "at least that: 822 requests had no reply yet when the load ended"}},
		{hung, "unanswered==0", ThresholdResult{GotText: "822"}},
		{unserved, "unserved==0", ThresholdResult{GotText: "802"}},
		{unserved, "failed==0", ThresholdResult{GotText: "822"}},
		{hung, "unserved==0", ThresholdResult{GotText: "0", Reason: open802}},
		{hung, "failed==0", ThresholdResult{GotText: "0", Reason: "at least that: 822 requests had no reply yet when the load ended"}},
		{hung, "refused_window<100ms", ThresholdResult{GotText: "0s", Reason: open802}},
		{unserved, "refused_window<100ms", ThresholdResult{Reason: "handshakes by the kernel from 5.00 ms on: no process was seen accepting"}},
		{hung, "answer_gap<5s", ThresholdResult{GotText: "4.01s", Reason: "at least that: no reply came any more while clients were watched"}},
		{some, "lost==4", ThresholdResult{GotText: "4", Reason: open6}},
		{some, "lost<100", ThresholdResult{GotText: "4", Reason: open6}},
		{some, "lost>=4", ThresholdResult{GotText: "4", OK: true, Reason: open6}},
		{some, "lost!=3", ThresholdResult{GotText: "4", OK: true, Reason: open6}},
		{some, "lost!=5", ThresholdResult{GotText: "4", Reason: open6}},
		{some, "unsafe<=4", ThresholdResult{GotText: "4", Reason: open6}},
		{some, "failed>=5", ThresholdResult{GotText: "5", OK: true, Reason: open6}},
		{some, "failed<=5", ThresholdResult{GotText: "5", Reason: open6}},
		{silent, "failed<=6", ThresholdResult{GotText: "6", Reason: "at least that: 3 connects had no answer yet when the load ended"}},
		{some, "slowest<1s", ThresholdResult{GotText: "200ms", Reason: "at least that: 6 requests had none"}},
		{some, "answer_gap<1s", ThresholdResult{GotText: "100ms", OK: true}},
		{some, "connect_slowest<1s", ThresholdResult{GotText: "300ms", Reason: "at least that: 4 connects had no answer"}},
		{some, "connect_timed_out<=1", ThresholdResult{GotText: "1", Reason: "at least that: 3 connects had no answer yet when the load ended"}},
		{some, "reconnect_last<1s", ThresholdResult{GotText: "400ms", Reason: "at least that: 2 clients were not back when the watch ended"}},
		{hung, "timed_out==0", ThresholdResult{GotText: "0", Reason: open822}},
		{hung, "answered_5xx==0", ThresholdResult{GotText: "0", Reason: open822}},
		{hung, "http_5xx==0", ThresholdResult{GotText: "0", Reason: open822}},
		{hung, "http_4xx==0", ThresholdResult{GotText: "0", Reason: open822}},
		{hung, "http_5xx_before==0", ThresholdResult{GotText: "0", OK: true}},
		{hung, "raced==0", ThresholdResult{GotText: "0", Reason: open822}},
		{some, "cut_fin==0", ThresholdResult{GotText: "0", Reason: open6}},
		{some, "cut_rst==4", ThresholdResult{GotText: "4", Reason: open6}},
		{some, "refused==0", ThresholdResult{GotText: "0", Reason: "at least that: 3 connects had no answer yet when the load ended"}},
		{hung, "connect.max<5ms", ThresholdResult{GotText: "2ms", OK: true}},
		{hung, "exchange.p99<1s", ThresholdResult{GotText: "3ms", Reason: "at least that: 822 requests had no reply in time"}},
		{hung, "exchange.count>1", ThresholdResult{GotText: "1000", OK: true}},
		{hung, "exchange.min<1s", ThresholdResult{GotText: "1ms", OK: true}},
		{hung, "exchange.mean<1s", ThresholdResult{GotText: "2ms", Reason: "at least that: 822 requests had no reply in time"}},
		{unserved, "exchange.max<1s", ThresholdResult{GotText: "4ms", Reason: "at least that: 822 requests had no reply in time"}},
		{some, "exchange.p99<10ms", ThresholdResult{GotText: "3ms", OK: true}},
		{some, "exchange.p99<3500us", ThresholdResult{GotText: "3ms", Reason: "at least that: 6 requests had no reply in time"}},
		{some, "exchange.p999<1s", ThresholdResult{GotText: "3.5ms", Reason: "at least that: 6 requests had no reply in time"}},
		{some, "exchange.p999>1ms", ThresholdResult{GotText: "3.5ms", OK: true}},
		{some, "connect.p999<1s", ThresholdResult{GotText: "1.9ms", Reason: "at least that: 4 connects had no answer in time"}},
		{refused, "lost==0", ThresholdResult{GotText: "0", OK: true}},
		{refused, "failed==0", ThresholdResult{GotText: "935"}},
		{silent, "refused_window<100ms", ThresholdResult{Reason: "no connect was answered"}},
	} {
		t.Run(tt.expr, func(t *testing.T) {
			th, err := ParseDrainThreshold(tt.expr)
			if err != nil {
				t.Fatal(err)
			}
			got := th.Evaluate(&Run{Kind: KindDrain, Result: Result{Latency: latencies}, Drain: &Drain{Tries: []DrainTry{tt.try}}})
			got = ThresholdResult{GotText: got.GotText, OK: got.OK, Reason: got.Reason}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
	// Of two tries with the same value, the one that may have more is the worse.
	th, err := ParseDrainThreshold("lost<=4")
	if err != nil {
		t.Fatal(err)
	}
	sure := some
	sure.Requests.Open = 0
	got := th.Evaluate(&Run{Kind: KindDrain, Drain: &Drain{Tries: []DrainTry{sure, some}}})
	if want := "try 2 of 2, the worst: " + open6; got.OK || got.Reason != want {
		t.Errorf("got %+v, want it missed: %s", got, want)
	}
}

// What a run measures, a drain mostly does not.
func TestRunThresholdOfDrain(t *testing.T) {
	r := drainSample()
	for expr, reason := range map[string]string{
		"rate.opened>1": "a drain does not measure it", "failed_ratio<1%": "a drain does not measure it", "counters.TcpExtTW<1": "a drain does not measure it",
		"connect.p50<1s": "the connect latency is absent",
	} {
		th, err := ParseThreshold(expr)
		if err != nil {
			t.Fatal(err)
		}
		if res := th.Evaluate(r); res.OK || res.Reason != reason {
			t.Errorf("%s: %+v", expr, res)
		}
	}
}

func TestParseDrainThresholdErrors(t *testing.T) {
	for expr, want := range map[string]string{
		"lost":                 "'failed==0'",
		"loss==0":              "failed|lost|lost_ratio|unsafe",
		"rate.opened>1":        "refused_window",
		"lag.p99<1s":           "connect|exchange",
		"connect.p995<1s":      "connect.p999",
		"refused_window<100":   "a time with its unit",
		"lost<100ms":           "SI k, M and G",
		"lost_ratio<2":         "a percentage",
		"connections.failed<1": "unknown metric",
	} {
		_, err := ParseDrainThreshold(expr)
		var te *ThresholdError
		if !errors.As(err, &te) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", expr, err, want)
		}
	}
	if _, err := ParseThreshold("lost==0"); err == nil || strings.Contains(err.Error(), "refused_window") {
		t.Errorf("of a run: %v", err)
	}
}

// The help names every metric that the parser knows, and no other.
func TestDrainThresholdHelp(t *testing.T) {
	_, all, _ := strings.Cut(DrainThresholdHelp, "Metrics: ")
	all, _, _ = strings.Cut(all, "; connect|exchange .")
	var help, known []string
	for _, group := range strings.Split(all, "; ") {
		for _, name := range strings.Split(group, "|") {
			name, _, _ = strings.Cut(name, " ")
			help = append(help, name)
		}
	}
	for _, m := range drainMetrics() {
		known = append(known, m.name)
	}
	if d := cmp.Diff(known, help); d != "" {
		t.Error(d)
	}
}

func TestSpread(t *testing.T) {
	got := make(map[string]MetricSpread)
	tries := drainSample().Drain.Tries
	for _, s := range Spread(tries) {
		got[s.Metric] = s
	}
	if len(got) != len(drainMetrics()) {
		t.Errorf("%d metrics of %d", len(got), len(drainMetrics()))
	}
	for _, want := range []MetricSpread{
		{Metric: "lost", Unit: UnitCount, Max: 12, MinTry: 1, MaxTry: 2, Tries: 3},
		{Metric: "lost_ratio", Unit: UnitShare, Max: 0.012, MinTry: 1, MaxTry: 2, Tries: 3},
		{Metric: "exit_time", Unit: UnitMicros, Min: 0.5e6, Median: 15.255e6, Max: 30.01e6, MinTry: 1, MaxTry: 2, Tries: 2, Reason: "the server kept running"},
		{Metric: "first_refusal", Unit: UnitMicros, Min: 2000, Median: 2000, Max: 2000, MinTry: 2, MaxTry: 2, Tries: 1, Reason: didNotHappen},
		{Metric: "bind_plain", Unit: UnitCount, MinTry: 1, MaxTry: 1, Tries: 2, Reason: "no bind on another host"},
	} {
		if d := cmp.Diff(want, got[want.Metric]); d != "" {
			t.Error(d)
		}
	}
	none := Spread(nil)
	if len(none) != len(got) || none[0].Tries != 0 {
		t.Errorf("of no tries: %+v", none[0])
	}
	huge := make([]DrainTry, 2)
	huge[0].LastGoneS, huge[1].LastGoneS = at(math.MaxFloat64/2e6), at(math.MaxFloat64/2e6)
	for _, s := range Spread(huge) {
		if math.IsInf(s.Median, 0) {
			t.Errorf("%s: %v", s.Metric, s.Median)
		}
	}
}

// Times are from the signal, and some come before it.
func TestDrainCodec(t *testing.T) {
	r := drainSample()
	for i := range r.Drain.Tries {
		r.Drain.Tries[i].Score = ScoreLine(&r.Drain.Tries[i])
		r.Drain.Tries[i].Moments = []DrainMoment{{TS: -1, What: "the load was complete"}, {What: "SIGTERM"}}
		r.Drain.Tries[i].Slices = []DrainSlice{{TS: -0.1, Accepted: 3}, {Refused: 2}}
	}
	var b bytes.Buffer
	if err := Write(&b, r); err != nil {
		t.Fatal(err)
	}
	got, err := Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r, got); d != "" {
		t.Error(d)
	}
	r.Drain.Tries[1].Listener.RefusedWindowS = -1
	var fe *FormatError
	if err := r.Validate(); !errors.As(err, &fe) || fe.Key != "drain.tries[1].listener.refused_window_s" {
		t.Errorf("got %v", err)
	}
}

func FuzzParseDrainThreshold(f *testing.F) {
	for _, s := range []string{"lost==0", "refused_window<100ms", "lost_ratio<=0.1%", "exit_code != 3", "connect.p99<1s", "bind_plain>=1"} {
		f.Add(s)
	}
	r := drainSample()
	f.Fuzz(func(t *testing.T, expr string) {
		th, err := ParseDrainThreshold(expr)
		if err != nil {
			var te *ThresholdError
			if !errors.As(err, &te) {
				t.Fatalf("not a *ThresholdError: %v", err)
			}
			return
		}
		if res := th.Evaluate(r); res.OK && res.GotText == "" {
			t.Errorf("met without a value: %+v", res)
		}
	})
}
