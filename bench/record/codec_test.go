package record

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate"
)

func sample(t testing.TB) *Run {
	h := NewHistogram()
	for i := range int64(1000) {
		if err := h.RecordValue(i * 1000); err != nil {
			t.Fatal(err)
		}
	}
	l, err := NewLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	return &Run{
		Schema: Schema, Version: "test", Kind: KindRun, Started: time.Unix(1764000000, 0).UTC(), ElapsedS: 10,
		Result: Result{
			Connections:   Connections{Attempted: 10, Opened: 9, Completed: 8, Failed: 1, Unfinished: 1},
			Outcomes:      map[string]int64{sockstate.OutcomeFIN.String(): 8, sockstate.OutcomeRefused.String(): 1, sockstate.OutcomeHeld.String(): 1},
			Rate:          Rate{OpenedPerS: 0.9, CompletedPerS: 0.8},
			Latency:       map[string]Latency{"connect": l},
			LatencyAbsent: map[string]string{"close": "the descriptor is gone"},
		},
		States:     States{Source: "diag"},
		TimeWait:   TimeWait{Peak: 7, Entered: 8},
		Counters:   map[string]int64{"TcpActiveOpens": 9},
		Accounting: []Check{{Name: "a", OK: true}, {Name: "b"}},
		Hosts:      []Host{{ClockOffsetUs: -5, NoFile: -1}},
		Pressure:   Pressure{CPU: CPU{IdleS: -0.01}, Orphans: Gauge{Limit: -1}},
		Warnings:   []string{"a <b>"},
	}
}

func TestRoundTrip(t *testing.T) {
	want := sample(t)
	var a, b bytes.Buffer
	if err := Write(&a, want); err != nil {
		t.Fatal(err)
	}
	if err := Write(&b, want); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the same record was written in two ways")
	}
	if strings.Contains(a.String(), `\u003c`) {
		t.Error("< and > are escaped")
	}
	got, err := Read(iotest.OneByteReader(&a))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestReadUnknownKeys(t *testing.T) {
	r, err := Read(strings.NewReader(`{"schema":"lastack.run/v1","kind":"drain","tomorrow":{"x":[-1]},"connections":{"attempted":3,"completed":3,"new":-1}}`))
	if err != nil {
		t.Fatal(err)
	}
	if r.Connections.Attempted != 3 {
		t.Errorf("attempted = %d, want 3", r.Connections.Attempted)
	}
}

func TestReadFaults(t *testing.T) {
	var whole bytes.Buffer
	if err := Write(&whole, sample(t)); err != nil {
		t.Fatal(err)
	}
	v1 := `{"schema":"lastack.run/v1",`
	tests := []struct {
		name, in string
		fault    fault
		key      string
		want     string // part of the text
	}{
		{"empty", "", faultEmpty, "", "repeat the run with -o"},
		{"blank", " \n\t ", faultEmpty, "", "empty"},
		{"truncated", whole.String()[:whole.Len()/2], faultTruncated, "", "ends in the middle"},
		{"one byte", "{", faultTruncated, "", "after 1 bytes"},
		{"text", "hello", faultNotJSON, "", "not JSON from byte 1"},
		{"binary", "\x7fELF\x00", faultNotJSON, "", "give the file"},
		{"garbled", strings.Replace(whole.String(), `"kind"`, `"kind`, 1), faultNotJSON, "", "damaged"},
		{"array", "[1]", faultNotRecord, "", "JSON array"},
		{"null", "null", faultNotRecord, "", `no key "schema"`},
		{"no schema", "{}", faultNotRecord, "", `no key "schema"`},
		{"JSON Lines", "{\"t_s\":1}\n{\"t_s\":2}\n", faultNotRecord, "", `these are JSON Lines, as --format jsonl and -o FILE.jsonl write them`},
		{"JSON Lines with a record last", "{\"t_s\":1}\n" + v1 + "\"kind\":\"run\"}\n", faultNotRecord, "", `give the file that "lastack run -o FILE.json" wrote, or what --format json prints`},
		{"two records", whole.String() + whole.String(), faultNotRecord, "", "more than one JSON value"},
		{"a schema written over", v1 + `"kind":"run","schema":"lastack.run/v2"}`, faultNewer, "", "update lastack"},
		{"kind first, of another version", `{"kind":"run","schema":"lastack.run/v2","connections":[]}`, faultNewer, "", "update lastack"},
		{"schema last", `{"connections":{},"kind":"run","schema":"lastack.run/v2"}`, faultNewer, "", "update lastack"},
		{"another tool", `{"schema":"vegeta/v1"}`, faultNotRecord, "", `"vegeta/v1"`},
		{"bad version", `{"schema":"lastack.run/vX"}`, faultNotRecord, "", "lastack.run/vX"},
		{"version 0", `{"schema":"lastack.run/v0"}`, faultNotRecord, "", "lastack.run/v0"},
		{"another kind", `{"schema":"lastack.run/v1","kind":"fleet","cells":[],"connections":[]}`, faultNewer, "kind", `of kind "fleet", which this lastack does not know (it knows run, drain, sweep, tune, plan, handshake): update lastack`},
		{"kind is no text", `{"schema":"lastack.run/v1","kind":["run"]}`, faultDamaged, "kind", "take another copy"},
		{"newer", `{"schema":"lastack.run/v2","connections":[]}`, faultNewer, "", "update lastack"},
		{"schema of a wrong type", `{"schema":1}`, faultDamaged, "schema", "JSON number"},
		{"wrong type", v1 + `"connections":{"failed":"no"}}`, faultDamaged, "connections.failed", "holds a JSON string"},
		{"fraction", v1 + `"connections":{"failed":1.5}}`, faultDamaged, "connections.failed", "1.5"},
		{"overflow", v1 + `"elapsed_s":1e999}`, faultDamaged, "elapsed_s", "1e999"},
		{"bad time", v1 + `"started":"yesterday"}`, faultDamaged, "", "yesterday"},
		{"negative count", v1 + `"connections":{"failed":-1}}`, faultDamaged, "connections.failed", "failed is -1"},
		{"negative outcome", v1 + `"outcomes":{"fin":1,"held":-4}}`, faultDamaged, "outcomes.held", "-4"},
		{"negative latency", v1 + `"latency":{"connect":{"min_us":-0.5}}}`, faultDamaged, "latency.connect.min_us", "-0.5"},
		{"a huge time", v1 + `"latency":{"connect":{"p99_us":1e300}}}`, faultDamaged, "latency.connect.p99_us", "1e+300"},
		{"a huge time before the stop", v1 + `"timeline":[{"t_s":-1e19}]}`, faultDamaged, "timeline[0].t_s", "-1e+19"},
		{"negative state", v1 + `"timeline":[{},{"client":{"TIME_WAIT":-2}}]}`, faultDamaged, "timeline[1].client.TIME_WAIT", "-2"},
		{"negative in a pointer", v1 + `"tcp_info":{"sampled":-2}}`, faultDamaged, "tcp_info.sampled", "-2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := Read(strings.NewReader(tt.in))
			var fe *formatError
			if !errors.As(err, &fe) {
				t.Fatalf("got %v, %v, want a *formatError", r, err)
			}
			if fe.Fault != tt.fault || fe.Key != tt.key || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got fault %d, key %q, %q; want %d, %q, %q", fe.Fault, fe.Key, err, tt.fault, tt.key, tt.want)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

// What compares numbers shows them as they came, and a counter may be written over.
func TestReadNegative(t *testing.T) {
	const v1 = `{"schema":"lastack.run/v1",`
	for _, in := range []string{
		`"accounting":[{"want":{"min":-597,"max":-1},"got":-2}]}`,
		`"thresholds":[{"value":-1.5}]}`,
		`"counters":{"TcpExtTW":-3}}`,
		`"timeline":[{"counters":{"TcpExtTW":-3}}]}`,
		`"pressure":{"cpu":{"idle_s":-0.01},"orphans":{"limit":-1}}}`,
		`"hosts":[{"nofile":-1,"clock_offset_us":-20}]}`,
	} {
		if _, err := Read(strings.NewReader(v1 + in)); err != nil {
			t.Errorf("%s: %v", in, err)
		}
	}
}

type spaces struct{}

func (spaces) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}

func TestReadTooLarge(t *testing.T) {
	_, err := read(spaces{}, 1<<20)
	var fe *formatError
	if !errors.As(err, &fe) || fe.Fault != faultTooLarge {
		t.Errorf("got %v, want faultTooLarge", err)
	}
}

func TestReadIOError(t *testing.T) {
	_, err := Read(iotest.ErrReader(io.ErrClosedPipe))
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want the reader's error", err)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestWriteErrors(t *testing.T) {
	if err := Write(brokenWriter{}, sample(t)); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want the writer's error", err)
	}
	r := sample(t)
	r.Latency["connect"] = Latency{MeanUs: math.NaN()}
	err := Write(io.Discard, r)
	var fe *formatError
	if !errors.As(err, &fe) || fe.Fault != faultNotFinite || fe.Key != "latency.connect.mean_us" {
		t.Errorf("got %v, want faultNotFinite of latency.connect.mean_us", err)
	}
}

func FuzzRead(f *testing.F) {
	seed := sample(f)
	seed.Latency = nil // a histogram makes a seed too large to mutate well
	whole, err := Marshal(seed, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add([]byte(`{"schema":"lastack.run/v1"}`))
	sweep, err := Marshal(sweepSample(seed), "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sweep)
	f.Add([]byte(`{"schema":"lastack.run/v1","latency":{"connect":{"count":1,"hdr":"HISTFAAAAA=="}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Read(bytes.NewReader(b))
		if err != nil {
			var fe *formatError
			if !errors.As(err, &fe) {
				t.Fatalf("not a *formatError: %v", err)
			}
			return
		}
		if !bytes.Contains(bytes.TrimSpace(b), []byte("\n{")) { // which begins the next record of a stream
			all := NewStream(bytes.NewReader(b))
			one, err := all.Next()
			if d := cmp.Diff(r, one); d != "" || err != nil {
				t.Fatalf("in a stream: %v %s", err, d)
			}
			if _, err := all.Next(); !errors.Is(err, io.EOF) {
				t.Fatalf("after it: %v", err)
			}
		}
		for _, l := range r.Latency {
			_, _ = l.Histogram()
		}
		var out bytes.Buffer
		if err := Write(&out, r); err != nil {
			t.Fatal(err)
		}
		again, err := Read(&out)
		if err != nil {
			t.Fatal(err)
		}
		var a, b2 bytes.Buffer
		if err := errors.Join(Write(&a, r), Write(&b2, again)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a.Bytes(), b2.Bytes()) {
			t.Error("a record changed on its way through JSON")
		}
	})
}

func TestReadDamagedWhole(t *testing.T) {
	tests := []struct{ name, record, key string }{
		{"ledger", `{"schema":"lastack.run/v1","connections":{"attempted":10,"completed":7,"failed":2}}`, "connections.attempted"},
		{"plan without capacity", `{"schema":"lastack.run/v1","kind":"plan"}`, "capacity"},
		{"plan without rates", `{"schema":"lastack.run/v1","kind":"plan","capacity":{}}`, "capacity.rates_per_s"},
		{"plan's needs", `{"schema":"lastack.run/v1","kind":"plan","capacity":{"rates_per_s":[1,2],"needs":[{"at":[{}]}]}}`, "capacity.needs"},
		{"plan's curves", `{"schema":"lastack.run/v1","kind":"plan","capacity":{"rates_per_s":[1],"limits":[{}]}}`, "capacity.curve.needs"},
		{"plan's points", `{"schema":"lastack.run/v1","kind":"plan","capacity":{"rates_per_s":[1],"limits":[{}],"curve":{"rates_per_s":[1,2],"needs":[[1]]}}}`, "capacity.curve.needs"},
		{"histogram", `{"schema":"lastack.run/v1","latency":{"connect":{"count":1,"hdr":"garbage"}}}`, "latency.connect"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Read(strings.NewReader(tt.record))
			f, ok := errors.AsType[*formatError](err)
			if !ok || f.Fault != faultDamaged || f.Key != tt.key {
				t.Errorf("Read: %v; want damage at %s", err, tt.key)
			}
		})
	}
}

// Times are from the signal, and some come before it.
func TestDrainCodec(t *testing.T) {
	r := sample(t)
	r.Kind = KindDrain
	r.Drain = &Drain{Tries: make([]DrainTry, 2)}
	for i := range r.Drain.Tries {
		r.Drain.Tries[i].Score = "none of 2 requests lost"
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
	var fe *formatError
	if err := r.Validate(); !errors.As(err, &fe) || fe.Key != "drain.tries[1].listener.refused_window_s" {
		t.Errorf("got %v", err)
	}
}
