package metric

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"lastack/bench/record"
	"lastack/sockstate"
)

// drainSample is a drain of three tries: the second lost requests, the third could not be seen in full.
func drainSample() *record.Run {
	code := 0
	calm := record.DrainTry{
		Requests: record.DrainRequests{Sent: 1000, Completed: 900, CompletedClose: 100, SlowestS: at(0.25), GapS: at(0.01)},
		Listener: record.DrainListener{Attempts: 100, LastAcceptS: at(-0.0005), SlowestConnectS: 0.001},
		Server:   record.DrainServer{ExitS: at(0.5), ExitCode: &code},
		Groups: []record.DrainGroup{
			{Name: "idle", Connections: record.DrainConnections{Opened: 20, FIN: 10, Never: 10, Kept: 9}},
			{Name: "partial", Connections: record.DrainConnections{Opened: 3, RST: 3}},
		},
		Queued:     &record.DrainQueued{Asked: 5, Queued: 5, Served: 4, Reset: 1},
		Reconnect:  record.DrainReconnect{Clients: 13, Landed: map[string]int64{"old": 1, "new": 9}, Failed: 3, LastS: at(1.5)},
		Leftover:   record.DrainLeftover{Known: true, TimeWait: 7, FinWait2: 2},
		Port:       record.DrainPort{Plain: "EADDRINUSE", Reuse: record.DrainBound},
		LastGoneS:  at(0.6),
		Accounting: []record.Check{{OK: true}, {}},
	}
	bad, blind := calm, calm
	bad.Requests = record.DrainRequests{Sent: 1000, Completed: 986, CutFIN: 5, CutRST: 4, TimedOut: 3, Answered5xx: 2, Raced: 6, Safe: 8, Unsafe: 4}
	bad.Listener = record.DrainListener{Attempts: 100, Refused: 30, FirstRefusalS: at(0.002), AcceptsAgainS: at(0.152), RefusedWindowS: 0.15, TimedOut: 2}
	bad.Server = record.DrainServer{ExitS: at(30.01), ExitSignal: "SIGKILL", ThenSent: true}
	blind.Server, blind.Leftover, blind.Port, blind.Groups, blind.Queued = record.DrainServer{Stayed: true}, record.DrainLeftover{}, record.DrainPort{}, nil, nil
	blind.LastGoneS, blind.Accounting = nil, nil
	blind.Unknown = map[string]string{"leftover": "the server is on another host", "port.plain": "no bind on another host", "queued": "not producible: a hook stops the server"}
	return &record.Run{Schema: record.Schema, Kind: record.KindDrain, Drain: &record.Drain{Tries: []record.DrainTry{calm, bad, blind}}}
}

func TestEvaluateDrain(t *testing.T) {
	all := drainSample()
	one := func(i int) *record.Run {
		r := *all
		r.Drain = &record.Drain{Tries: all.Drain.Tries[i : i+1]}
		return &r
	}
	all.Latency = map[string]record.Latency{"connect": {Count: 9, P50Us: 88}}
	const worst = "try 2 of 3, the worst"
	tests := []struct {
		r    *record.Run
		expr string
		want record.ThresholdResult // Got in text
	}{
		{all, "lost==0", record.ThresholdResult{GotText: "12", Reason: worst}},
		{one(0), "lost==0", record.ThresholdResult{GotText: "0", OK: true}},
		{&record.Run{Drain: &record.Drain{Tries: []record.DrainTry{{Listener: record.DrainListener{Attempts: 9, Opened: 5, Failed: 4}}}}}, "failed==0", record.ThresholdResult{GotText: "0", OK: true}},
		{&record.Run{Drain: &record.Drain{Tries: []record.DrainTry{{Listener: record.DrainListener{Attempts: 9, Opened: 5, Unreachable: 4}}}}}, "failed==0", record.ThresholdResult{GotText: "4"}},
		{all, "lost<=12", record.ThresholdResult{GotText: "12", OK: true, Reason: worst}},
		{all, "lost_ratio<0.1%", record.ThresholdResult{GotText: "1.2%", Reason: worst}},
		{all, "requests>=1k", record.ThresholdResult{GotText: "1000", OK: true, Reason: "in each of 3 tries"}},
		{all, "requests!=1k", record.ThresholdResult{GotText: "1000", Reason: "in each of 3 tries"}},
		{all, "answered_close>50", record.ThresholdResult{GotText: "0", Reason: worst}},
		{all, "answered_close!=0", record.ThresholdResult{GotText: "0", Reason: worst}},
		{all, "answered_close<50", record.ThresholdResult{GotText: "100", Reason: "try 1 of 3, the worst of 2 that missed it"}},
		{all, "refused_window<100ms", record.ThresholdResult{GotText: "150ms", Reason: worst}},
		{one(0), "refused_window<100ms", record.ThresholdResult{GotText: "0s", OK: true}},
		{one(0), "first_refusal>1s", record.ThresholdResult{Reason: didNotHappen}},
		{one(1), "first_refusal<=2ms", record.ThresholdResult{GotText: "2ms", OK: true}},
		{one(0), "last_accept<0s", record.ThresholdResult{GotText: "-500µs", OK: true}},
		{one(0), "slowest<1s", record.ThresholdResult{GotText: "250ms", OK: true}},
		{all, "slowest<1s", record.ThresholdResult{Reason: worst + ": " + didNotHappen}},
		{one(1), "connect_slowest<1s", record.ThresholdResult{Reason: "no connect succeeded after the signal"}},
		{one(0), "idle_never<=1", record.ThresholdResult{GotText: "1", OK: true}},
		{one(0), "partial_rst==3", record.ThresholdResult{GotText: "3", OK: true}},
		{one(2), "idle_rst==0", record.ThresholdResult{Reason: "the load had no group of idle clients"}},
		{one(0), "queued_reset==0", record.ThresholdResult{GotText: "1"}},
		{one(2), "queued_reset==0", record.ThresholdResult{Reason: "not producible: a hook stops the server"}},
		{one(0), "reconnected==10", record.ThresholdResult{GotText: "10", OK: true}},
		{all, "exit_time<1m", record.ThresholdResult{Reason: "try 3 of 3, the worst: the server kept running"}},
		{one(1), "exit_time<30s", record.ThresholdResult{GotText: "30.01s"}},
		{one(0), "exit_code==0", record.ThresholdResult{GotText: "0", OK: true}},
		{one(1), "exit_code==0", record.ThresholdResult{Reason: "SIGKILL ended it, so there is no exit code"}},
		{one(1), "then_sent==0", record.ThresholdResult{GotText: "1"}},
		{one(0), "time_wait_left==7", record.ThresholdResult{GotText: "7", OK: true}},
		{one(2), "time_wait_left<1M", record.ThresholdResult{Reason: "the server is on another host"}},
		{one(0), "bind_plain==1", record.ThresholdResult{GotText: "0", Reason: "EADDRINUSE"}},
		{one(0), "bind_reuse==1", record.ThresholdResult{GotText: "1", OK: true}},
		{one(2), "bind_plain==1", record.ThresholdResult{Reason: "no bind on another host"}},
		{one(2), "bind_reuse==1", record.ThresholdResult{Reason: "it was not tried"}},
		{one(0), "mismatches==0", record.ThresholdResult{GotText: "1"}},
		{all, "connect.p50<1ms", record.ThresholdResult{GotText: "88µs", OK: true}},
		{all, "exchange.p50<1ms", record.ThresholdResult{Reason: "the exchange latency is absent"}},
		{&record.Run{Kind: record.KindRun}, "lost==0", record.ThresholdResult{Reason: "only a drain has it"}},
		{&record.Run{Kind: record.KindDrain, Drain: &record.Drain{}}, "lost==0", record.ThresholdResult{Reason: "there were no tries"}},
		{&record.Run{Kind: record.KindDrain, Drain: &record.Drain{Tries: make([]record.DrainTry, 1)}}, "refused==0", record.ThresholdResult{Reason: "nothing connected after the signal"}},
		{&record.Run{Kind: record.KindDrain, Drain: &record.Drain{Tries: make([]record.DrainTry, 1)}}, "lost_ratio<1%", record.ThresholdResult{Reason: "no request was in progress at the signal, or sent after it"}},
	}
	for _, tt := range tests {
		t.Run(tt.expr, func(t *testing.T) {
			th, err := ParseThreshold(record.KindDrain, tt.expr)
			if err != nil {
				t.Fatal(err)
			}
			got := th.Evaluate(tt.r)
			got = record.ThresholdResult{GotText: got.GotText, OK: got.OK, Reason: got.Reason}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestEvaluateUndecided holds thresholds against tries in which clients waited still: what is only a lower bound does not
// meet an upper one.
func TestEvaluateUndecided(t *testing.T) {
	hung := record.DrainTry{
		Requests: record.DrainRequests{Sent: 822, Open: 822, GapS: at(4.01), GapOpen: true},
		Listener: record.DrainListener{Attempts: 802, Opened: 802, Undecided: 802, SlowestConnectS: 0.002},
	}
	unserved := hung
	unserved.Requests.TimedOut, unserved.Requests.Open = 822, 0
	unserved.Listener.Unserved, unserved.Listener.UnservedFromS, unserved.Listener.Undecided = 802, at(0.005), 0
	some := record.DrainTry{
		Requests:  record.DrainRequests{Sent: 30, Completed: 20, CutRST: 4, Unsafe: 4, Open: 6, SlowestS: at(0.2), GapS: at(0.1)},
		Listener:  record.DrainListener{Attempts: 9, Opened: 5, Pending: 3, TimedOut: 1, SlowestConnectS: 0.3},
		Reconnect: record.DrainReconnect{Clients: 9, Failed: 2, Landed: map[string]int64{"new": 7}, LastS: at(0.4)},
	}
	refused := record.DrainTry{
		Requests: record.DrainRequests{Sent: 22, Completed: 22, SlowestS: at(0.2), GapS: at(0.1)},
		Listener: record.DrainListener{Attempts: 940, Opened: 5, Refused: 935, FirstRefusalS: at(0.001), AcceptsAgainS: at(0.05), RefusedWindowS: 0.049},
	}
	silent := record.DrainTry{Listener: record.DrainListener{Attempts: 9, TimedOut: 6, Pending: 3}}
	const open802 = "at least that: no reply had come yet on 802 connections when the load ended"
	const open822 = "at least that: 822 requests had no reply yet when the load ended"
	latencies := map[string]record.Latency{
		"connect":  {Count: 1000, MinUs: 1e3, MeanUs: 1.2e3, P50Us: 1.2e3, P90Us: 1.4e3, P99Us: 1.6e3, P999Us: 1.9e3, MaxUs: 2e3},
		"exchange": {Count: 1000, MinUs: 1e3, MeanUs: 2e3, P50Us: 2e3, P90Us: 2.5e3, P99Us: 3e3, P999Us: 3.5e3, MaxUs: 4e3},
	}
	const open6 = "at least that: 6 requests had no reply yet when the load ended"
	for _, tt := range []struct {
		try  record.DrainTry
		expr string
		want record.ThresholdResult
	}{
		{hung, "lost==0", record.ThresholdResult{GotText: "0", Reason: "at least that: 822 requests had no reply yet when the load ended"}},
		{hung, "lost_ratio<1%", record.ThresholdResult{GotText: "0%", Reason: "at least that: 822 requests had no reply yet when the load ended"}},
		{hung, "unanswered==0", record.ThresholdResult{GotText: "822"}},
		{unserved, "unserved==0", record.ThresholdResult{GotText: "802"}},
		{unserved, "failed==0", record.ThresholdResult{GotText: "822"}},
		{hung, "unserved==0", record.ThresholdResult{GotText: "0", Reason: open802}},
		{hung, "failed==0", record.ThresholdResult{GotText: "0", Reason: "at least that: 822 requests had no reply yet when the load ended"}},
		{hung, "refused_window<100ms", record.ThresholdResult{GotText: "0s", Reason: open802}},
		{unserved, "refused_window<100ms", record.ThresholdResult{Reason: "handshakes by the kernel from 5.00 ms on: no process was seen accepting"}},
		{hung, "answer_gap<5s", record.ThresholdResult{GotText: "4.01s", Reason: "at least that: no more replies came while clients were watched"}},
		{some, "lost==4", record.ThresholdResult{GotText: "4", Reason: open6}},
		{some, "lost<100", record.ThresholdResult{GotText: "4", Reason: open6}},
		{some, "lost>=4", record.ThresholdResult{GotText: "4", OK: true, Reason: open6}},
		{some, "lost!=3", record.ThresholdResult{GotText: "4", OK: true, Reason: open6}},
		{some, "lost!=5", record.ThresholdResult{GotText: "4", Reason: open6}},
		{some, "unsafe<=4", record.ThresholdResult{GotText: "4", Reason: open6}},
		{some, "failed>=5", record.ThresholdResult{GotText: "5", OK: true, Reason: open6}},
		{some, "failed<=5", record.ThresholdResult{GotText: "5", Reason: open6}},
		{silent, "failed<=6", record.ThresholdResult{GotText: "6", Reason: "at least that: 3 connects had no answer yet when the load ended"}},
		{some, "slowest<1s", record.ThresholdResult{GotText: "200ms", Reason: "at least that: 6 requests had none"}},
		{some, "answer_gap<1s", record.ThresholdResult{GotText: "100ms", OK: true}},
		{some, "connect_slowest<1s", record.ThresholdResult{GotText: "300ms", Reason: "at least that: 4 connects had no answer"}},
		{some, "connect_timed_out<=1", record.ThresholdResult{GotText: "1", Reason: "at least that: 3 connects had no answer yet when the load ended"}},
		{some, "reconnect_last<1s", record.ThresholdResult{GotText: "400ms", Reason: "at least that: 2 clients were not back when the watch ended"}},
		{hung, "timed_out==0", record.ThresholdResult{GotText: "0", Reason: open822}},
		{hung, "answered_5xx==0", record.ThresholdResult{GotText: "0", Reason: open822}},
		{hung, "http_5xx==0", record.ThresholdResult{GotText: "0", Reason: open822}},
		{hung, "http_4xx==0", record.ThresholdResult{GotText: "0", Reason: open822}},
		{hung, "http_5xx_before==0", record.ThresholdResult{GotText: "0", OK: true}},
		{hung, "raced==0", record.ThresholdResult{GotText: "0", Reason: open822}},
		{some, "cut_fin==0", record.ThresholdResult{GotText: "0", Reason: open6}},
		{some, "cut_rst==4", record.ThresholdResult{GotText: "4", Reason: open6}},
		{some, "refused==0", record.ThresholdResult{GotText: "0", Reason: "at least that: 3 connects had no answer yet when the load ended"}},
		{hung, "connect.max<5ms", record.ThresholdResult{GotText: "2ms", OK: true}},
		{hung, "exchange.p99<1s", record.ThresholdResult{GotText: "3ms", Reason: "at least that: 822 requests had no reply in time"}},
		{hung, "exchange.count>1", record.ThresholdResult{GotText: "1000", OK: true}},
		{hung, "exchange.min<1s", record.ThresholdResult{GotText: "1ms", OK: true}},
		{hung, "exchange.mean<1s", record.ThresholdResult{GotText: "2ms", Reason: "at least that: 822 requests had no reply in time"}},
		{unserved, "exchange.max<1s", record.ThresholdResult{GotText: "4ms", Reason: "at least that: 822 requests had no reply in time"}},
		{some, "exchange.p99<10ms", record.ThresholdResult{GotText: "3ms", OK: true}},
		{some, "exchange.p99<3500us", record.ThresholdResult{GotText: "3ms", Reason: "at least that: 6 requests had no reply in time"}},
		{some, "exchange.p999<1s", record.ThresholdResult{GotText: "3.5ms", Reason: "at least that: 6 requests had no reply in time"}},
		{some, "exchange.p999>1ms", record.ThresholdResult{GotText: "3.5ms", OK: true}},
		{some, "connect.p999<1s", record.ThresholdResult{GotText: "1.9ms", Reason: "at least that: 4 connects had no answer in time"}},
		{refused, "lost==0", record.ThresholdResult{GotText: "0", OK: true}},
		{refused, "failed==0", record.ThresholdResult{GotText: "935"}},
		{silent, "refused_window<100ms", record.ThresholdResult{Reason: "no connect was answered"}},
	} {
		t.Run(tt.expr, func(t *testing.T) {
			th, err := ParseThreshold(record.KindDrain, tt.expr)
			if err != nil {
				t.Fatal(err)
			}
			got := th.Evaluate(&record.Run{Kind: record.KindDrain, Result: record.Result{Latency: latencies}, Drain: &record.Drain{Tries: []record.DrainTry{tt.try}}})
			got = record.ThresholdResult{GotText: got.GotText, OK: got.OK, Reason: got.Reason}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
	// Of two tries with the same value, the one that may have more is the worse.
	th, err := ParseThreshold(record.KindDrain, "lost<=4")
	if err != nil {
		t.Fatal(err)
	}
	sure := some
	sure.Requests.Open = 0
	got := th.Evaluate(&record.Run{Kind: record.KindDrain, Drain: &record.Drain{Tries: []record.DrainTry{sure, some}}})
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
		th, err := ParseThreshold(record.KindRun, expr)
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
		"loss==0":              "did you mean lost",
		"rate.opened>1":        "accepted are those of lastack help metrics, such as failed",
		"lag.p99<1s":           "unknown metric",
		"connect.p995<1s":      "connect.p99",
		"refused_window<100":   "a time with its unit",
		"lost<100ms":           "SI k, M and G",
		"lost_ratio<2":         "a percentage",
		"connections.failed<1": "unknown metric",
	} {
		_, err := ParseThreshold(record.KindDrain, expr)
		if _, ok := errors.AsType[*sockstate.ValueError](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", expr, err, want)
		}
	}
	if _, err := ParseThreshold(record.KindRun, "lost==0"); err == nil || strings.Contains(err.Error(), "refused_window") {
		t.Errorf("of a run: %v", err)
	}
}

func TestSpread(t *testing.T) {
	got := make(map[string]Spread)
	tries := drainSample().Drain.Tries
	for _, s := range Spreads(tries) {
		got[s.Name] = s
	}
	if len(got) != len(drainMetrics()) {
		t.Errorf("%d metrics of %d", len(got), len(drainMetrics()))
	}
	for name, want := range map[string]Spread{
		"lost":          {Max: 12, MinTry: 1, MaxTry: 2, Tries: 3},
		"lost_ratio":    {Max: 0.012, MinTry: 1, MaxTry: 2, Tries: 3},
		"exit_time":     {Min: 0.5e6, Median: 15.255e6, Max: 30.01e6, MinTry: 1, MaxTry: 2, Tries: 2, Reason: "the server kept running"},
		"first_refusal": {Min: 2000, Median: 2000, Max: 2000, MinTry: 2, MaxTry: 2, Tries: 1, Reason: didNotHappen},
		"bind_plain":    {MinTry: 1, MaxTry: 1, Tries: 2, Reason: "no bind on another host"},
	} {
		if d := cmp.Diff(want, got[name], cmpopts.IgnoreFields(Spread{}, "Metric")); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	none := Spreads(nil)
	if len(none) != len(got) || none[0].Tries != 0 {
		t.Errorf("of no tries: %+v", none[0])
	}
	huge := make([]record.DrainTry, 2)
	huge[0].LastGoneS, huge[1].LastGoneS = at(math.MaxFloat64/2e6), at(math.MaxFloat64/2e6)
	for _, s := range Spreads(huge) {
		if math.IsInf(s.Median, 0) {
			t.Errorf("%s: %v", s.Name, s.Median)
		}
	}
}

func FuzzParseDrainThreshold(f *testing.F) {
	for _, s := range []string{"lost==0", "refused_window<100ms", "lost_ratio<=0.1%", "exit_code != 3", "connect.p99<1s", "bind_plain>=1"} {
		f.Add(s)
	}
	r := drainSample()
	f.Fuzz(func(t *testing.T, expr string) {
		th, err := ParseThreshold(record.KindDrain, expr)
		if err != nil {
			if _, ok := errors.AsType[*sockstate.ValueError](err); !ok {
				t.Fatalf("not a *ValueError: %v", err)
			}
			return
		}
		if res := th.Evaluate(r); res.OK && res.GotText == "" {
			t.Errorf("met without a value: %+v", res)
		}
	})
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{4, 1}, 2.5}, {[]float64{9, 1, 2}, 2}, {[]float64{8, 1, 2, 4}, 3}, {[]float64{math.MaxFloat64, math.MaxFloat64}, math.MaxFloat64}} {
		if got := Median(tt.in); got != tt.want {
			t.Errorf("median of %v: %v, want %v", tt.in, got, tt.want)
		}
	}
}
