package report

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"lastack/bench/record"
	"lastack/bench/verdict"
	"lastack/sockstate"
)

// longRun is a run of n intervals of a second: a real one's, made longer. Its histograms are as wide as those of a busy run, and add up.
func longRun(t testing.TB, n int) *record.Run {
	t.Helper()
	r := saved(t, "open-loop")
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	latency := func(h *hdr.Histogram) record.Latency {
		l, err := record.NewLatency(h)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	// fillUp records values around a median in microseconds, some of them late by far.
	fillUp := func(h *hdr.Histogram, count int, median float64) {
		for range count {
			if err := h.RecordValue(int64(1e3*median*math.Exp(rng.NormFloat64()+3*max(0, rng.NormFloat64()-2))) + 1); err != nil {
				t.Fatal(err)
			}
		}
	}
	// To make so many histograms would take most of a test's time.
	different := make([]*hdr.Histogram, 50)
	latencies := make([]record.Latency, len(different))
	for i := range different {
		different[i] = record.NewHistogram()
		fillUp(different[i], 10_000+rng.IntN(10_000), 300+10*float64(i))
		latencies[i] = latency(different[i])
	}
	r.Timeline = make([]record.Interval, n)
	for i := range r.Timeline {
		l := latencies[i%len(different)]
		count := int(l.Count)
		r.Timeline[i] = record.Interval{
			TS: float64(i+1) + float64(rng.IntN(1e6))/1e9, Phase: "load", Started: int64(count), Opened: int64(count), Completed: int64(count), Failed: int64(rng.IntN(3)),
			P50Us: l.P50Us, P99Us: l.P99Us, MaxUs: l.MaxUs, Lifecycle: &l, PortsInUse: rng.IntN(28_000), Fds: rng.IntN(900), MemBytes: rng.Int64N(1 << 26),
			Client:   map[string]int{"ESTABLISHED": rng.IntN(300), "SYN_SENT": rng.IntN(100), "FIN_WAIT_1": rng.IntN(100), "FIN_WAIT_2": rng.IntN(100), "TIME_WAIT": rng.IntN(30_000)},
			Server:   map[string]int{"ESTABLISHED": rng.IntN(300), "SYN_RECV": rng.IntN(100), "CLOSE_WAIT": rng.IntN(100), "LAST_ACK": rng.IntN(100)},
			Counters: map[string]int64{"TcpRetransSegs": rng.Int64N(9), "TcpExtListenDrops": rng.Int64N(9)},
		}
	}
	all := record.NewHistogram()
	for i, h := range different {
		for _, bar := range h.Distribution() {
			if err := all.RecordValues(bar.To, bar.Count*int64((n-i+len(different)-1)/len(different))); err != nil {
				t.Fatal(err)
			}
		}
	}
	r.ElapsedS, r.LoadS = r.Timeline[n-1].TS, float64(n)
	r.Latency = map[string]record.Latency{"lifecycle": latency(all)}
	for i, name := range sockstate.LatencyNames() {
		if name != "lifecycle" {
			h := record.NewHistogram()
			fillUp(h, 100_000, float64(20*(i+1)))
			r.Latency[name] = latency(h)
		}
	}
	completed := all.TotalCount()
	r.Connections = record.Connections{Attempted: completed, Opened: completed, Completed: completed}
	r.Outcomes = map[string]int64{"fin": completed}
	for i := range 400 {
		r.Counters[fmt.Sprintf("TcpExtCounter%d", i)] = rng.Int64N(1e9)
	}
	r.Verdict = verdict.Judge(r)
	return r
}

// TestLongRuns bounds the pages of ten minutes, an hour and a day. Rows that are too many are left out, those that stay are the record's.
func TestLongRuns(t *testing.T) {
	for _, c := range []struct{ intervals, rows, html, csv int }{
		{600, 600, 300_000, 200_000},
		{3600, 3600, 1_500_000, 1_000_000},
		{86_400, 3928, 1_500_000, 20_000_000},
	} {
		r := longRun(t, c.intervals)
		page := htmlPage(t, r)
		if c.intervals == 600 && htmlPage(t, r) != page {
			t.Errorf("%d intervals: the same record makes different pages", c.intervals)
		}
		if table := render(t, "csv", r); len(page) > c.html || len(table) > c.csv || bytes.Count(table, []byte("\n")) != c.intervals+1 {
			t.Errorf("%d intervals make a page of %d bytes, and a table of %d", c.intervals, len(page), len(table))
		}
		_, rows := figureData(t, page, "p-ports")
		if len(rows) != c.rows || (c.rows < c.intervals) != strings.Contains(page, "are too many for a page") {
			t.Errorf("%d rows of %d intervals, want %d", len(rows), c.intervals, c.rows)
		}
		byTime := make(map[string]string)
		for i := range r.Timeline {
			byTime[fmt.Sprint(r.Timeline[i].TS)] = fmt.Sprint(r.Timeline[i].PortsInUse)
		}
		for _, row := range rows {
			if want, ok := byTime[row[0]]; !ok || row[1] != want {
				t.Errorf("at %s s %s ports are in use, the record has %s", row[0], row[1], want)
			}
		}
		if last := fmt.Sprint(r.Timeline[c.intervals-1].TS); rows[len(rows)-1][0] != last {
			t.Errorf("the last row is at %s, the last interval at %s", rows[len(rows)-1][0], last)
		}
		if c.intervals > 600 {
			continue // it takes long to check so many histograms
		}
		if n := bytes.Count(render(t, "hlog", r), []byte("Tag=lifecycle,")); n != c.intervals {
			t.Errorf("%d intervals make %d lines of lifecycles", c.intervals, n)
		}
	}
}

// BenchmarkHour reads the record of an hour, and prints it in each format.
func BenchmarkHour(b *testing.B) {
	var saved bytes.Buffer
	if err := record.Write(&saved, longRun(b, 3600)); err != nil {
		b.Fatal(err)
	}
	for _, format := range FormatNames() {
		b.Run(format, func(b *testing.B) {
			b.SetBytes(int64(saved.Len()))
			for b.Loop() {
				r, err := record.Read(bytes.NewReader(saved.Bytes()))
				if err != nil {
					b.Fatal(err)
				}
				var page bytes.Buffer
				if err := Render(&page, View{Format: format, Verbose: true}, r); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(page.Len()), "page-bytes")
			}
		})
	}
}
