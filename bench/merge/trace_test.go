package merge

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
)

// traced gives shards traces, and returns what one trace of all would have seen.
func traced(t testing.TB, rng *rand.Rand, shards []*record.Run) record.States {
	t.Helper()
	type times struct {
		h   *hdr.Histogram
		sum float64
	}
	var all record.States
	union := map[string]map[string]*times{"client": {}, "server": {}}
	latency := func(d *times) record.Latency {
		l := mustLatency(t, d.h)
		l.MeanUs = d.sum / float64(l.Count)
		return l
	}
	count := func(maps ...*map[string]map[string]int64) {
		n := 1 + rng.Int64N(1000)
		side, name := []string{"client", "server"}[rng.IntN(2)], fmt.Sprint("k", rng.IntN(3))
		for _, m := range maps {
			if *m == nil {
				*m = map[string]map[string]int64{}
			}
			if (*m)[side] == nil {
				(*m)[side] = map[string]int64{}
			}
			(*m)[side][name] += n
		}
	}
	for i, r := range shards {
		r.Hosts[0] = record.Host{BootID: fmt.Sprint("boot", i), NetNS: "net:1"}
		s := &r.States
		s.Transitions, s.Dwell = map[string]map[string]int64{}, map[string]map[string]record.Latency{}
		for range 8 {
			count(&s.Transitions, &all.Transitions)
			count(&s.Living, &all.Living)
			count(&s.Unpredicted, &all.Unpredicted)
			count(&s.ResetsSent, &all.ResetsSent)
			count(&s.ResetsReceived, &all.ResetsReceived)
			count(&s.Retransmits, &all.Retransmits)
		}
		for _, side := range []string{"client", "server"} {
			s.Dwell[side] = map[string]record.Latency{}
			for _, state := range []string{"FIN_WAIT_1", "CLOSE_WAIT"} {
				mine := &times{h: record.NewHistogram()}
				if union[side][state] == nil {
					union[side][state] = &times{h: record.NewHistogram()}
				}
				for range 1 + rng.IntN(50) {
					ns := 1 + rng.Int64N(1<<uint(1+rng.IntN(40)))
					for _, d := range []*times{mine, union[side][state]} {
						if err := d.h.RecordValue(ns); err != nil {
							t.Fatal(err)
						}
						d.sum += float64(ns) / 1e3
					}
				}
				s.Dwell[side][state] = latency(mine)
			}
		}
		minis := record.Minis{Expired: rng.Int64N(100), Early: 1 + rng.Int64N(100), Rearmed: rng.Int64N(100)}
		s.Minisockets, s.LostBy = map[string]map[string]record.Minis{"client": {"TIME_WAIT": minis}}, map[string]int64{record.LostUnknown: minis.Early}
		if all.Minisockets == nil {
			all.Minisockets = map[string]map[string]record.Minis{"client": {}}
		}
		sum := all.Minisockets["client"]["TIME_WAIT"]
		all.Minisockets["client"]["TIME_WAIT"] = record.Minis{Expired: sum.Expired + minis.Expired, Early: sum.Early + minis.Early, Rearmed: sum.Rearmed + minis.Rearmed}
		all.LostBy = record.Sum(all.LostBy, s.LostBy)
		n := rng.Int64N(500)
		s.Paths = map[string]record.Paths{"client": {Connections: 1000, AsPredicted: 1000 - n}}
		s.Exceptions = []record.Exception{{Side: "client", From: "FIN_WAIT_2", To: "CLOSED", How: record.ByReset, N: n}}
		if all.Paths == nil {
			all.Paths, all.Exceptions = map[string]record.Paths{}, []record.Exception{{Side: "client", From: "FIN_WAIT_2", To: "CLOSED", How: record.ByReset}}
		}
		p := all.Paths["client"]
		all.Paths["client"] = record.Paths{Connections: p.Connections + 1000, AsPredicted: p.AsPredicted + 1000 - n}
		all.Exceptions[0].N += n
		s.ResetsSentIn = map[string]map[string]map[string]int64{"client": {"TCP_STATE": {"CLOSED": n}}}
		if all.ResetsSentIn == nil {
			all.ResetsSentIn = map[string]map[string]map[string]int64{"client": {"TCP_STATE": {}}}
		}
		all.ResetsSentIn["client"]["TCP_STATE"]["CLOSED"] += n
	}
	all.Dwell = map[string]map[string]record.Latency{}
	for side, states := range union {
		all.Dwell[side] = map[string]record.Latency{}
		for state, d := range states {
			all.Dwell[side][state] = latency(d)
		}
	}
	return all
}

// The traces of shards are, bucket by bucket, what one trace of all connections would have been, however often they are merged.
func TestTraces(t *testing.T) {
	near := cmp.Comparer(func(a, b float64) bool { return a == b || math.Abs(a-b) < 1e-9*math.Abs(a) })
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 3))
		n := 2 + rng.IntN(6)
		shards, _ := made(t, rng, n)
		want := traced(t, rng, shards)
		cut := 1 + rng.IntN(n-1)
		part := merged(t, true, again(t, merged(t, true, shards[:cut]...)), again(t, merged(t, true, shards[cut:]...)))
		got := part.States
		got.Source, got.Peak, got.Final = want.Source, want.Peak, want.Final
		if diff := cmp.Diff(want, got, near); diff != "" {
			t.Fatalf("seed %d: -want +got\n%s", seed, diff)
		}
	}
}

// A sum that would have connections twice, or not all, is not made, and the record says why.
func TestNoTraces(t *testing.T) {
	for name, change := range map[string]func(shards []*record.Run){
		"missing, because 1 of 3 records have no trace of the kernel":                      func(s []*record.Run) { s[1].States.Transitions = nil },
		"missing, because shards in one network namespace traced each other's connections": func(s []*record.Run) { s[2].Hosts[0] = s[0].Hosts[0] },
	} {
		rng := rand.New(rand.NewPCG(1, 4))
		shards, _ := made(t, rng, 3)
		traced(t, rng, shards)
		for _, s := range shards {
			s.Latency["close"], s.LatencySource = s.Latency["lifecycle"], map[string]string{"close": record.FromTrace}
		}
		change(shards)
		r := merged(t, false, shards...)
		if r.States.Transitions != nil || r.States.Dwell != nil || len(r.Warnings) == 0 || r.Warnings[len(r.Warnings)-1] != "states.transitions: "+name {
			t.Errorf("transitions %v, warnings %q", r.States.Transitions, r.Warnings)
		}
		if _, there := r.Latency["close"]; there || r.LatencySource != nil || "missing, because "+r.LatencyAbsent["close"] != name {
			t.Errorf("%s: latency.close is there: %t, its source %q, absent %q", name, there, r.LatencySource, r.LatencyAbsent)
		}
	}
}
