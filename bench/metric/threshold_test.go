package metric

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/sockstate"
)

func TestEvaluate(t *testing.T) {
	full := sample(t)
	bare := sample(t)
	bare.States.Source, bare.Observer.CensusReason = "", "not permitted"
	bare.Counters, bare.Accounting, bare.Connections.Attempted = nil, nil, 0
	bare.Latency = map[string]record.Latency{"connect": {Count: 3, P50Us: 1}, "lag": {}}
	late := sample(t)
	late.Outcomes = map[string]int64{sockstate.OutcomeConnectTimeout.String(): 20}
	const late20 = "at least that: 20 connects had no answer in time"
	silent := &record.Run{Result: record.Result{Outcomes: map[string]int64{sockstate.OutcomeConnectTimeout.String(): 2, sockstate.OutcomeRequestTimeout.String(): 1, sockstate.OutcomeCloseTimeout.String(): 3}, Latency: map[string]record.Latency{"lifecycle": {Count: 1, P50Us: 10, MaxUs: 10}}}}
	tests := []struct {
		r    *record.Run
		expr string
		want record.ThresholdResult
	}{
		{late, "connect.p98<5ms", record.ThresholdResult{Metric: "connect.p98", Got: 979.455, GotText: "979.5µs", Want: "<5ms", OK: true}},
		{late, "connect.p98<985us", record.ThresholdResult{Metric: "connect.p98", Got: 979.455, GotText: "979.5µs", Want: "<985us", Reason: late20}},
		{late, "connect.p99<5ms", record.ThresholdResult{Metric: "connect.p99", Got: 989.183, GotText: "989.2µs", Want: "<5ms", Reason: late20}},
		{late, "connect.p99>5us", record.ThresholdResult{Metric: "connect.p99", Got: 989.183, GotText: "989.2µs", Want: ">5us", OK: true}},
		{late, "connect.count==1k", record.ThresholdResult{Metric: "connect.count", Got: 1000, GotText: "1000", Want: "==1k", OK: true}},
		{silent, "lifecycle.p50<1s", record.ThresholdResult{
			Metric: "lifecycle.p50", Got: 10, GotText: "10µs", Want: "<1s",
			Reason: "at least that: 2 connects had no answer in time, 1 request had no reply in time, 3 connections were not closed by the peer in time",
		}},
		{full, "connect.p99<5ms", record.ThresholdResult{Metric: "connect.p99", Got: 989.183, GotText: "989.2µs", Want: "<5ms", OK: true}},
		{full, " connect.p99 >= 5ms ", record.ThresholdResult{Metric: "connect.p99", Got: 989.183, GotText: "989.2µs", Want: ">=5ms"}},
		{full, "connect.p95<=949.759us", record.ThresholdResult{Metric: "connect.p95", Got: 949.247, GotText: "949.2µs", Want: "<=949.759us", OK: true}},
		{full, "connect.p25<1ms", record.ThresholdResult{Metric: "connect.p25", Got: 249.087, GotText: "249.1µs", Want: "<1ms", OK: true}},
		{full, "connect.count==1k", record.ThresholdResult{Metric: "connect.count", Got: 1000, GotText: "1000", Want: "==1k", OK: true}},
		{full, "connect.min<1us", record.ThresholdResult{Metric: "connect.min", Got: 0, GotText: "0s", Want: "<1us", OK: true}},
		{full, "close.p99<1ms", record.ThresholdResult{Metric: "close.p99", Want: "<1ms", Reason: "the close latency is absent: the descriptor is gone"}},
		{full, "lag.p99<1ms", record.ThresholdResult{Metric: "lag.p99", Want: "<1ms", Reason: "the lag latency is absent"}},
		{full, "rate.opened>12.5k/s", record.ThresholdResult{Metric: "rate.opened", Got: 0.9, GotText: "0.9/s", Want: ">12.5k/s"}},
		{full, "connections.failed!=0", record.ThresholdResult{Metric: "connections.failed", Got: 1, GotText: "1", Want: "!=0", OK: true}},
		{full, "outcomes.refused==1", record.ThresholdResult{Metric: "outcomes.refused", Got: 1, GotText: "1", Want: "==1", OK: true}},
		{full, "outcomes.no_fd==0", record.ThresholdResult{Metric: "outcomes.no_fd", Got: 0, GotText: "0", Want: "==0", OK: true}},
		{full, "failed_ratio<0.1%", record.ThresholdResult{Metric: "failed_ratio", Got: 0.1, GotText: "10%", Want: "<0.1%"}},
		{full, "failed_ratio<=0.1", record.ThresholdResult{Metric: "failed_ratio", Got: 0.1, GotText: "10%", Want: "<=0.1", OK: true}},
		{full, "time_wait.peak<1M", record.ThresholdResult{Metric: "time_wait.peak", Got: 7, GotText: "7", Want: "<1M", OK: true}},
		{full, "time_wait.entered==8", record.ThresholdResult{Metric: "time_wait.entered", Got: 8, GotText: "8", Want: "==8", OK: true}},
		{full, "counters.TcpActiveOpens>8", record.ThresholdResult{Metric: "counters.TcpActiveOpens", Got: 9, GotText: "9", Want: ">8", OK: true}},
		{full, "counters.TcpExtTW<1", record.ThresholdResult{Metric: "counters.TcpExtTW", GotText: "0", Want: "<1", OK: true, Reason: "it did not grow, or this kernel has no counter of that name"}},
		{full, "accounting.mismatches==0", record.ThresholdResult{Metric: "accounting.mismatches", Got: 1, GotText: "1", Want: "==0"}},
		{bare, "time_wait.peak<1", record.ThresholdResult{Metric: "time_wait.peak", Want: "<1", Reason: "no census was taken: not permitted"}},
		{bare, "time_wait.overflow<1", record.ThresholdResult{Metric: "time_wait.overflow", Want: "<1", Reason: noCounters}},
		{bare, "counters.TcpExtTW<1", record.ThresholdResult{Metric: "counters.TcpExtTW", Want: "<1", Reason: noCounters}},
		{bare, "accounting.mismatches==0", record.ThresholdResult{Metric: "accounting.mismatches", Want: "==0", Reason: "nothing could be checked against the kernel's counters"}},
		{bare, "failed_ratio<1", record.ThresholdResult{Metric: "failed_ratio", Want: "<1", Reason: "no connection was attempted"}},
		{bare, "connect.p75<1s", record.ThresholdResult{Metric: "connect.p75", Want: "<1s", Reason: record.ErrNoHistogram.Error()}},
		{bare, "connect.p50<1s", record.ThresholdResult{Metric: "connect.p50", Got: 1, GotText: "1µs", Want: "<1s", OK: true}},
		{bare, "lag.max<1s", record.ThresholdResult{Metric: "lag.max", Want: "<1s", Reason: "the lag latency has no samples"}},
		{&record.Run{}, "connect.p50<1s", record.ThresholdResult{Metric: "connect.p50", Want: "<1s", Reason: "the connect latency is absent"}},
	}
	for _, tt := range tests {
		t.Run(tt.expr, func(t *testing.T) {
			th, err := ParseThreshold(record.KindRun, tt.expr)
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Expr = tt.expr
			if d := cmp.Diff(tt.want, th.Evaluate(tt.r)); d != "" {
				t.Error(d)
			}
			if th.String() != tt.expr {
				t.Errorf("String() = %q", th)
			}
		})
	}
}

// TestBoundExact holds a metric against its own value, as a person would write it.
func TestBoundExact(t *testing.T) {
	r := &record.Run{}
	r.Connections.Attempted, r.Connections.Failed, r.Connections.Requests = 1000, 7, 16100
	r.Rate.OpenedPerS = 1100
	for _, expr := range []string{"failed_ratio==0.7%", "failed_ratio<=0.7%", "failed_ratio==0.007", "connections.requests==16.1k", "rate.opened==1.1k/s"} {
		th, err := ParseThreshold(record.KindRun, expr)
		if err != nil {
			t.Fatal(err)
		}
		if res := th.Evaluate(r); !res.OK {
			t.Errorf("%s is missed by %v", expr, res.Got)
		}
	}
}

func TestParseThresholdErrors(t *testing.T) {
	tests := []struct {
		expr string
		want string
	}{
		{"", "accepted are < <="},
		{"connect.p99", "no operator"},
		{"connect.p99=5ms", `unknown operator "="`},
		{"connect.p99=<5ms", `unknown operator "=<"`},
		{"connect.p99<>5ms", `unknown operator "<>"`},
		{"<5ms", `unknown metric ""`},
		{"latency<5ms", "accepted are those of lastack help metrics, such as failed_ratio"},
		{"connect<5ms", "accepted are connect.min, "},
		{"connect.p101<5ms", "connect.p999"},
		{"connect.p995<5ms", "connect.p999"},
		{"connect.pp<5ms", "connect.mean"},
		{"connect.p<5ms", "connect.mean"},
		{"connect.p5.<5ms", "connect.mean"},
		{"connect.median<5ms", `unknown metric "connect.median"`},
		{"rate.p99<5", "rate.opened, rate.completed"},
		{"outcomes.ECONNRESET<5", "outcomes.cut_in_request"},
		{"counters.ActiveOpens<5", "as nstat prints it"},
		{"time_wait.now<5", "time_wait.peak"},
		{"accounting.ok<5", "accounting.mismatches"},
		{"connect.p99<", "there is no value"},
		{"connect.p99<5", "a time with its unit"},
		{"connect.p99<-5ms", "a time"},
		{"connect.p99<1%", "a time"},
		{"connect.count<5ms", "SI k, M and G"},
		{"rate.opened<5ms", "per second"},
		{"connections.failed<-1", "a number"},
		{"connections.failed<1e9", "a number"},
		{"connections.failed<NaN", "a number"},
		{"connections.failed<k", "a number"},
		{"connections.failed<99999999999G", "a number"},
		{"failed_ratio<5", "a percentage"},
		{"failed_ratio<101%", "a percentage"},
		{"failed_ratio<1k", "a percentage"},
	}
	for _, tt := range tests {
		t.Run(tt.expr, func(t *testing.T) {
			_, err := ParseThreshold(record.KindRun, tt.expr)
			e, ok := errors.AsType[*sockstate.ValueError](err)
			if !ok || e.Name != "threshold" || e.Value != strconv.Quote(tt.expr) || !strings.Contains(e.Want, tt.want) {
				t.Errorf("got %v, want a ValueError of %q that says %q", err, tt.expr, tt.want)
			}
		})
	}
}

func TestHTTPThresholds(t *testing.T) {
	answered := record.Run{
		Plan: record.Plan{Groups: []record.Group{{Exchange: "http:/x"}}},
		Result: record.Result{
			HTTP:           map[string]int64{"2xx": 10, "3xx": 2, "4xx": 9, "5xx": 4, "invalid": 1, "1xx": 3},
			ExchangeErrors: map[string]int64{sockstate.FaultTLS.String(): 6},
		},
	}
	refused := record.Run{Plan: answered.Plan}
	echo := record.Run{Plan: record.Plan{Groups: []record.Group{{Exchange: "echo:1,1"}}}}
	for _, tt := range []struct {
		run  record.Run
		expr string
		want record.ThresholdResult
	}{
		{answered, "http_4xx==0", record.ThresholdResult{Got: 9, GotText: "9", Want: "==0"}},
		{answered, "http_2xx>=10", record.ThresholdResult{Got: 10, GotText: "10", Want: ">=10", OK: true}},
		{answered, "http_3xx<3", record.ThresholdResult{Got: 2, GotText: "2", Want: "<3", OK: true}},
		{answered, "http_5xx==0", record.ThresholdResult{Got: 4, GotText: "4", Want: "==0"}},
		{answered, "http_1xx==3", record.ThresholdResult{Got: 3, GotText: "3", Want: "==3", OK: true}},
		{answered, "http_invalid==0", record.ThresholdResult{Got: 1, GotText: "1", Want: "==0"}},
		{answered, "exchange_errors.tls==0", record.ThresholdResult{Got: 6, GotText: "6", Want: "==0"}},
		{answered, "exchange_errors.ssh==0", record.ThresholdResult{GotText: "0", Want: "==0", OK: true}},
		{refused, "http_2xx>0", record.ThresholdResult{GotText: "0", Want: ">0", Reason: "no reply came"}},
		{refused, "http_4xx==0", record.ThresholdResult{GotText: "0", Want: "==0", OK: true, Reason: "no reply came"}},
		{echo, "http_4xx==0", record.ThresholdResult{Want: "==0", Reason: "no HTTP was asked for"}},
	} {
		th, err := ParseThreshold(record.KindRun, tt.expr)
		if err != nil {
			t.Fatal(err)
		}
		tt.want.Expr, tt.want.Metric = tt.expr, th.m.Name
		if d := cmp.Diff(tt.want, th.Evaluate(&tt.run)); d != "" {
			t.Errorf("%s (-want +got):\n%s", tt.expr, d)
		}
	}
	for _, expr := range []string{"http_6xx==0", "http_==0", "http==0", "exchange_errors==0", "exchange_errors.x==0"} {
		if _, err := ParseThreshold(record.KindRun, expr); err == nil {
			t.Errorf("%s was accepted", expr)
		}
	}
	if all, other := answered.Replies(); all != 26 || other != 16 {
		t.Errorf("replies %d, other than 2xx %d; want 26 and 16", all, other)
	}
}

func TestPercentile(t *testing.T) {
	for s, want := range map[string]float64{"p0": 0, "p5": 5, "p50": 50, "p99.9": 99.9, "p999": 99.9, "p9999": 99.99, "p100": 100, "p99.99": 99.99} {
		if got, ok := parsePercentile(s); !ok || got != want {
			t.Errorf("%s: got %v, %v, want %v", s, got, ok, want)
		}
	}
}

func FuzzParseThreshold(f *testing.F) {
	for _, s := range []string{"connect.p99<5ms", "failed_ratio<0.1%", "rate.opened>=12.5k", "counters.TcpExtTW==0", "lag.p99.99!=1h", "outcomes.held <= 3"} {
		f.Add(s)
	}
	r := sample(f)
	f.Fuzz(func(t *testing.T, expr string) {
		th, err := ParseThreshold(record.KindRun, expr)
		if err != nil {
			if _, ok := errors.AsType[*sockstate.ValueError](err); !ok {
				t.Fatalf("not a *ValueError: %v", err)
			}
			return
		}
		res := th.Evaluate(r)
		if res.OK && res.GotText == "" {
			t.Errorf("met without a value: %+v", res)
		}
		if th.Evaluate(&record.Run{}).Metric == "" {
			t.Error("no metric")
		}
	})
}

// Of 60 requests one took 500 ms: a bound on the p99, and on a percentile that is read from the histogram, is missed.
func TestThresholdSeesTheWorst(t *testing.T) {
	h := record.NewHistogram()
	for range 59 {
		if err := h.RecordValue(1_080_000); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.RecordValue(500_000_000); err != nil {
		t.Fatal(err)
	}
	l, err := record.NewLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	if l.P99Us < 500_000 || l.P999Us < 500_000 || l.P90Us > 2_000 {
		t.Errorf("%+v", l)
	}
	r := &record.Run{Result: record.Result{Latency: map[string]record.Latency{"exchange": l}}}
	for _, expr := range []string{"exchange.p99<20ms", "exchange.p99.5<20ms", "exchange.p98.4<20ms"} {
		bound, err := ParseThreshold(record.KindRun, expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := bound.Evaluate(r); got.OK {
			t.Errorf("%s is met: %+v", expr, got)
		}
	}
}

func sample(t testing.TB) *record.Run {
	h := record.NewHistogram()
	for i := range int64(1000) {
		if err := h.RecordValue(i * 1000); err != nil {
			t.Fatal(err)
		}
	}
	l, err := record.NewLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	return &record.Run{
		Schema: record.Schema, Version: "test", Kind: record.KindRun, Started: time.Unix(1764000000, 0).UTC(), ElapsedS: 10,
		Result: record.Result{
			Connections:   record.Connections{Attempted: 10, Opened: 9, Completed: 8, Failed: 1, Unfinished: 1},
			Outcomes:      map[string]int64{sockstate.OutcomeFIN.String(): 8, sockstate.OutcomeRefused.String(): 1, sockstate.OutcomeHeld.String(): 1},
			Rate:          record.Rate{OpenedPerS: 0.9, CompletedPerS: 0.8},
			Latency:       map[string]record.Latency{"connect": l},
			LatencyAbsent: map[string]string{"close": "the descriptor is gone"},
		},
		States:     record.States{Source: "diag"},
		TimeWait:   record.TimeWait{Peak: 7, Entered: 8},
		Counters:   map[string]int64{"TcpActiveOpens": 9},
		Accounting: []record.Check{{Name: "a", OK: true}, {Name: "b"}},
		Hosts:      []record.Host{{ClockOffsetUs: -5, NoFile: -1}},
		Pressure:   record.Pressure{CPU: record.CPU{IdleS: -0.01}, Orphans: record.Gauge{Limit: -1}},
		Warnings:   []string{"a <b>"},
	}
}
