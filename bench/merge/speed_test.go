package merge

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"lastack/bench/record"
)

// long makes the record of a shard one of ten minutes, with histograms like those of 30,000 lifecycles a second, and returns its text. Its
// intervals are of few kinds.
func long(tb testing.TB, rng *rand.Rand, r *record.Run, intervals int) []byte {
	tb.Helper()
	const kinds, values = 4, 30_000
	r.ElapsedS, r.LoadS = float64(intervals), float64(intervals)
	var of [kinds]record.Interval
	for k := range of {
		h := [2]record.Latency{}
		for j := range h {
			one := record.NewHistogram()
			for range values {
				if err := one.RecordValue(int64(min(200e3*math.Exp(0.8*rng.NormFloat64())*float64(1+j), 1e12))); err != nil {
					tb.Fatal(err)
				}
			}
			h[j] = mustLatency(tb, one)
		}
		of[k] = record.Interval{
			Phase: record.PhaseLoad, Started: values, Opened: values, Completed: values, Requests: values, InFlight: 64, Lifecycle: &h[1], Connect: &h[0],
			P50Us: h[1].P50Us, P99Us: h[1].P99Us, MaxUs: h[1].MaxUs, Client: map[string]int{"ESTABLISHED": 60, "TIME_WAIT": 28_000}, Server: map[string]int{"CLOSE_WAIT": 3, "LISTEN": 2},
			PortsInUse: 28_000, Fds: 80, MemBytes: 1 << 20, Counters: map[string]int64{"TcpExtTCPTimeouts": 3},
		}
	}
	r.Timeline = nil
	for k := range intervals {
		iv := of[k%kinds]
		iv.TS = float64(k + 1)
		r.Timeline = append(r.Timeline, iv)
	}
	b, err := record.Marshal(r, " ")
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// BenchmarkMerge merges 64 records of ten minutes, as lastack merge does.
func BenchmarkMerge(b *testing.B) {
	rng := rand.New(rand.NewPCG(9, 9))
	shards, _ := made(b, rng, 64)
	var texts [][]byte
	for _, r := range shards {
		texts = append(texts, long(b, rng, r, 600))
	}
	b.SetBytes(int64(len(texts) * len(texts[0])))
	for b.Loop() {
		var m Merger
		for i, text := range texts {
			r, err := record.Read(bytes.NewReader(text))
			if err != nil {
				b.Fatal(err)
			}
			m.Add(fmt.Sprint(i), r)
		}
		r, err := m.Result(false)
		if err != nil || len(r.Timeline) != 600 {
			b.Fatal(err)
		}
	}
}
