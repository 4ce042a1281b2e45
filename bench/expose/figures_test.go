package expose

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"testing"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"lastack/bench/record"
	"lastack/server"
	"lastack/sockstate"
	"lastack/sockstate/socktest/golden"
)

var testBuild = Build{Version: `v1.2.3 "x"`, Go: "go1.26"}

// histogram records n times of the whole range.
func histogram(t testing.TB, rng *rand.Rand, n int) *hdr.Histogram {
	t.Helper()
	h := record.NewHistogram()
	for range n {
		if err := h.RecordValue(int64(math.Exp(rng.Float64() * math.Log(float64(sockstate.HistogramMax))))); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func latency(t testing.TB, h *hdr.Histogram) *record.Latency {
	t.Helper()
	l, err := record.NewLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	return &l
}

// intervals are n of a run that has everything that intervals can have.
func intervals(t testing.TB, n int) []record.Interval {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	var all []record.Interval
	for i := range n {
		iv := record.Interval{
			TS: float64(i + 1), Phase: record.PhaseLoad, Started: 10, Opened: 9, Completed: 7, Failed: 2, Requests: 8, InFlight: int64(i),
			Failures: map[string]int64{"refused": 1, "rst_received": 1}, Counters: map[string]int64{},
			Client: map[string]int{"TIME_WAIT": 5 * i, "SYN_RECV": 1}, Server: map[string]int{"LISTEN": 1},
			AcceptQueue: 3, Fds: 20, MemBytes: 4096,
			Lifecycle: latency(t, histogram(t, rng, 500)), Connect: latency(t, histogram(t, rng, 20)),
		}
		for k := range 60 { // of more counters than are shown
			iv.Counters[fmt.Sprintf("TcpExtTrouble%d", k)] = 1
		}
		all = append(all, iv)
	}
	return all
}

// allFigures are those of each kind, with all that they can show.
func allFigures(t testing.TB) map[string]*Figures {
	t.Helper()
	run, drain := Run(testBuild), Drain(testBuild)
	run.Name(&record.Shard{I: 1, N: 3}, "R1")
	for _, iv := range intervals(t, 3) {
		run.See(record.Event{Interval: &iv})
		drain.See(record.Event{Interval: &iv})
	}
	at := 1.5
	drain.See(record.Event{Try: &record.DrainTry{
		Queued: &record.DrainQueued{Reset: 2}, LastGoneS: &at, Groups: []record.DrainGroup{{Name: "idle"}, {Name: "partial"}},
		Requests: record.DrainRequests{Sent: 100, CutRST: 3, SlowestS: &at, GapS: &at}, Listener: record.DrainListener{Attempts: 9, Refused: 4, FirstRefusalS: &at, AcceptsAgainS: &at, LastAcceptS: &at},
		Leftover: record.DrainLeftover{Known: true, TimeWait: 7}, Port: record.DrainPort{Plain: "EADDRINUSE", Reuse: record.DrainBound},
	}})
	st := server.Stats{Accepted: 30, Open: 2, Requests: 40}
	for o := range st.Outcomes {
		st.Outcomes[o] = int64(o)
	}
	serve := Server(testBuild)
	serve.Serve(func() server.Stats { return st })
	return map[string]*Figures{"run": run, "drain": drain, "serve": serve}
}

// What is shown, by name and help. What Prometheus collects by these names must not change by accident.
func TestText(t *testing.T) {
	t.Parallel()
	for kind, f := range allFigures(t) {
		golden.Check(t, "testdata/"+kind+".txt", string(f.exposition(false)))
	}
}

// The ledger of a server has no count that is not shown.
func TestServer(t *testing.T) {
	t.Parallel()
	st := server.Stats{}
	want := map[string]bool{}
	for key := range st.Counts() {
		want["lastack_server_"+key+"_total"] = true
	}
	got := map[string]bool{}
	for _, f := range Server(testBuild).families {
		got[f.Name] = true
	}
	delete(want, "lastack_server_open_total")
	delete(got, "lastack_server_open") // it goes down too
	delete(got, "lastack_server_outcomes_total")
	if !maps.Equal(want, got) {
		t.Errorf("shown are %v, the ledger has %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// What intervals have missed is in the record, and no counter goes back.
func TestEnd(t *testing.T) {
	t.Parallel()
	f := Run(testBuild)
	ivs := intervals(t, 4)
	for _, iv := range ivs[:3] {
		f.See(record.Event{Interval: &iv})
	}
	before := string(f.exposition(false))
	whole := record.NewHistogram()
	for i := range ivs {
		h, err := ivs[i].Lifecycle.Histogram()
		if err != nil {
			t.Fatal(err)
		}
		whole.Merge(h)
	}
	r := &record.Run{Warmup: &record.Connections{Attempted: 10}}
	r.Connections = record.Connections{Attempted: 30, Opened: 1, Completed: 28, Failed: 8}
	r.Outcomes = map[string]int64{"refused": 4}
	r.Latency = map[string]record.Latency{"lifecycle": *latency(t, whole)}
	f.End(r)
	got := series(t, string(f.exposition(false)))
	for name, want := range map[string]float64{
		"lastack_connections_attempted_total": 40, "lastack_connections_opened_total": 27, "lastack_connections_completed_total": 28,
		`lastack_failures_total{outcome="refused"}`: 4, "lastack_lifecycle_seconds_count": 2000, "lastack_connect_seconds_count": 60, "lastack_in_flight": 0,
	} {
		if got[name] != want {
			t.Errorf("%s %v, want %v", name, got[name], want)
		}
	}
	for name, was := range series(t, before) {
		if name != "lastack_in_flight" && got[name] < was {
			t.Errorf("%s went from %v to %v", name, was, got[name])
		}
	}
}

// A native histogram has all values of the one that it is made of, each in the bucket of its size, and few buckets.
func TestNative(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(7, 7))
	for _, n := range []int{0, 1, 100, 20_000} {
		h := histogram(t, rng, n)
		var sum record.LatencySum
		if err := sum.Add(latency(t, h)); err != nil {
			t.Fatal(err)
		}
		got := native(&sum)
		if len(got.index) > mostBuckets || !slices.IsSorted(got.index) {
			t.Errorf("%d values: %d buckets %v", n, len(got.index), got.index)
		}
		total := int64(0)
		for i, at := range got.index {
			upper := math.Exp2(float64(at) / math.Ldexp(1, got.schema))
			lower := math.Exp2(float64(at-1) / math.Ldexp(1, got.schema))
			want := int64(0)
			for ns, n := range sum.Buckets {
				if s := float64(ns) / 1e9; s > lower*(1+1e-12) && s <= upper*(1+1e-12) {
					want += n
				}
			}
			if total += got.count[i]; got.count[i] != want {
				t.Errorf("%d values: bucket up to %gs has %d, want %d", n, upper, got.count[i], want)
			}
		}
		if total != int64(n) || sum.Count() != int64(n) || math.Abs(sum.SumNs()-h.Mean()*float64(n)) > 1e-6*sum.SumNs() {
			t.Errorf("%d values: %d in buckets, sum %g, mean %g", n, total, sum.SumNs(), h.Mean())
		}
	}
}

// BenchmarkScrape is what an interval and a scrape cost the process of a run: the text alone, and with the connection that carries it, both of whose
// ends count here.
func BenchmarkScrape(b *testing.B) {
	f := Run(testBuild)
	ivs := intervals(b, 3)
	b.Run("interval", func(b *testing.B) {
		for b.Loop() {
			f.See(record.Event{Interval: &ivs[0]})
		}
	})
	for name, protobuf := range map[string]bool{"text": false, "protobuf": true} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				f.exposition(protobuf)
			}
		})
	}
	b.Run("connection", func(b *testing.B) {
		l := listen(b, f)
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		r := bufio.NewReader(c)
		for b.Loop() {
			if _, err := io.WriteString(c, "GET /metrics HTTP/1.1\r\nHost: lastack\r\n\r\n"); err != nil {
				b.Fatal(err)
			}
			reply, err := http.ReadResponse(r, nil)
			if err == nil {
				_, err = io.Copy(io.Discard, reply.Body)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
