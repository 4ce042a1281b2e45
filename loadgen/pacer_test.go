package loadgen

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPacerTotal(t *testing.T) {
	const s = time.Second
	for _, tc := range []struct {
		name   string
		slopes []slope
		want   int64
	}{
		{"none", nil, 0},
		{"2000/s for 10s", []slope{{10 * s, 2000, 2000}}, 20_000},
		{"a third of a connection a second", []slope{{9 * s, 1.0 / 3, 1.0 / 3}}, 3},
		{"0.1/s for 10s is exact, though 0.1 is not", []slope{{10 * s, 0.1, 0.1}}, 1},
		{"a fraction of an arrival is one, at the start", []slope{{s, 0.25, 0.25}}, 1},
		{"a fraction is rounded up", []slope{{s, 10.5, 10.5}}, 11},
		{"0..1000", []slope{{4 * s, 0, 1000}}, 2000},
		{"1000..0", []slope{{4 * s, 1000, 0}}, 2000},
		{"1k..20k", []slope{{60 * s, 1000, 20_000}}, 630_000},
		{"ramp, then steady", []slope{{2 * s, 0, 500}, {8 * s, 500, 500}}, 4500},
		{"warm-up, then lo..hi", []slope{{3 * s, 100, 100}, {10 * s, 100, 300}}, 2300},
		{"a silence first", []slope{{3 * s, 0, 0}, {10 * s, 0, 300}}, 1500},
		{"slopes without a length count for nothing", []slope{{0, 1e6, 1e6}, {s, 7, 7}, {-s, 5, 5}}, 7},
		{"the greatest rate for a day", []slope{{24 * time.Hour, MaxRate, MaxRate}}, 8_640_000_000_000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPacer(tc.slopes...)
			if got := p.Total(); got != tc.want {
				t.Errorf("Total() = %d, want %d", got, tc.want)
			}
		})
	}
}

func TestPacerAt(t *testing.T) {
	const s, ms = time.Second, time.Millisecond
	for _, tc := range []struct {
		name   string
		slopes []slope
		want   map[int64]time.Duration
	}{
		{"steady", []slope{{10 * s, 2000, 2000}}, map[int64]time.Duration{
			0: 0, 1: 500 * time.Microsecond, 2000: s, 19_999: 9999500 * time.Microsecond,
		}},
		// H(u) = 500 u^2 / 2 over the ramp.
		{"ramp, then steady", []slope{{2 * s, 0, 500}, {8 * s, 500, 500}}, map[int64]time.Duration{
			0: 0, 125: s, 500: 2 * s, 501: 2*s + 2*ms, 1000: 3 * s,
		}},
		{"falling", []slope{{4 * s, 1000, 0}}, map[int64]time.Duration{
			0: 0, 1500: 2 * s, // three quarters of them in the first half
		}},
		{"a silence first", []slope{{3 * s, 0, 0}, {10 * s, 1, 1}}, map[int64]time.Duration{0: 3 * s, 4: 7 * s}},
		{"once in three seconds", []slope{{9 * s, 1.0 / 3, 1.0 / 3}}, map[int64]time.Duration{0: 0, 1: 3 * s, 2: 6 * s}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPacer(tc.slopes...)
			got := make(map[int64]time.Duration)
			for n := range tc.want {
				got[n] = p.At(n)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("At (-want +got):\n%s", d)
			}
		})
	}
}

// checkPacer looks at the schedule around some of its arrivals.
func checkPacer(t *testing.T, slopes []slope) {
	t.Helper()
	p := newPacer(slopes...)
	var length time.Duration
	for _, s := range slopes {
		length += max(s.Length, 0)
	}
	total := p.Total()
	for i := range int64(200) {
		n := i * max(total/200, 1)
		if n >= total {
			break
		}
		at := p.At(n)
		if at < 0 || at > length {
			t.Fatalf("%v: At(%d) = %v, outside the %v of the schedule", slopes, n, at, length)
		}
		if before := p.Before(at); before != n {
			t.Fatalf("%v: Before(At(%d)) = %d", slopes, n, before)
		}
		if after := p.Before(at + 1); after != n+1 {
			t.Fatalf("%v: Before(At(%d)+1ns) = %d", slopes, n, after)
		}
		if n+1 < total && p.At(n+1) <= at {
			t.Fatalf("%v: At(%d) = %v and At(%d) = %v", slopes, n, at, n+1, p.At(n+1))
		}
	}
	if got := p.Before(length + 1); got != total {
		t.Fatalf("%v: %d arrivals before its end, Total() = %d", slopes, got, total)
	}
	if got := p.Before(0); got != 0 {
		t.Fatalf("%v: %d arrivals before the start", slopes, got)
	}
}

func TestPacerProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	rate := func() float64 {
		switch r.IntN(4) {
		case 0:
			return 0
		case 1:
			return r.Float64() * 10
		case 2:
			return float64(r.IntN(50_000))
		}
		return r.Float64() * 1e6
	}
	for range 500 {
		slopes := make([]slope, 1+r.IntN(4))
		for i := range slopes {
			slopes[i] = slope{time.Duration(r.Int64N(int64(time.Minute))), rate(), rate()}
		}
		checkPacer(t, slopes)
	}
}

func FuzzPacer(f *testing.F) {
	f.Add(int64(10*time.Second), 2000.0, 2000.0, int64(time.Second), 0.0, 500.0)
	f.Add(int64(1), 0.0, 0.0, int64(time.Hour), 1e6, 1e-3)
	f.Fuzz(func(t *testing.T, l1 int64, a, b float64, l2 int64, c, d float64) {
		for _, r := range []float64{a, b, c, d} {
			// Above, arrivals are so close that nanoseconds do not tell them apart.
			if !(r >= 0 && r <= 1e7) || r > 0 && r < 1e-3 {
				t.Skip("not a rate that Validate takes")
			}
		}
		for _, l := range []int64{l1, l2} {
			if l > int64(time.Hour) || l < 0 {
				t.Skip("so long that seconds in float64 are coarser than the arrivals")
			}
		}
		checkPacer(t, []slope{{time.Duration(l1), a, b}, {time.Duration(l2), c, d}})
	})
}

func TestPlanPacer(t *testing.T) {
	const s = time.Second
	group := func(from, to float64) Group { return Group{RateFrom: from, RateTo: to} }
	for _, tc := range []struct {
		name string
		plan Plan
		g    Group
		want int64 // arrivals after the warm-up
	}{
		{"duration", Plan{Duration: 10 * s}, group(2000, 2000), 20_000},
		{"duration and warm-up", Plan{Duration: 10 * s, Warmup: 3 * s}, group(2000, 2000), 20_000},
		{"lo..hi keeps lo in the warm-up", Plan{Duration: 10 * s, Warmup: 3 * s}, group(100, 300), 2000},
		{"from nothing", Plan{Duration: 10 * s, Warmup: 3 * s}, group(0, 300), 1500},
		{"ramp inside the warm-up", Plan{Duration: 10 * s, Warmup: 3 * s, Ramp: 2 * s}, group(500, 500), 5000},
		{"ramp longer than the warm-up", Plan{Duration: 10 * s, Warmup: 1 * s, Ramp: 2 * s}, group(500, 500), 4875},
		{"count", Plan{Count: 777}, group(100, 100), 777},
		{"count after a warm-up", Plan{Count: 777, Warmup: 3 * s}, group(100, 100), 777},
		{"plateau", Plan{}, Group{RateFrom: 100, RateTo: 100, Connections: 50, Plateau: s}, 50},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := tc.plan.pacer(&tc.g)
			if got := p.Total() - p.Before(tc.plan.Warmup); got != tc.want {
				t.Errorf("%d arrivals are measured, want %d", got, tc.want)
			}
		})
	}
	t.Run("count after a ramp", func(t *testing.T) {
		p := (&Plan{Count: 777, Ramp: 3 * s}).pacer(&Group{RateFrom: 100, RateTo: 100})
		if p.Total() < 777 {
			t.Errorf("%d arrivals, the count is 777", p.Total())
		}
	})
}

func BenchmarkPacerAt(b *testing.B) {
	p := newPacer(slope{10 * time.Second, 0, 20_000}, slope{time.Hour, 20_000, 20_000})
	b.ReportAllocs()
	var sum time.Duration
	for i := 0; b.Loop(); i++ {
		sum += p.At(int64(i) % p.Total())
	}
	if sum < 0 {
		b.Fatal("a time before the start")
	}
}

func BenchmarkHistogramRecord(b *testing.B) {
	h := newHistogram()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		record(h, int64(i)*977%10_000_000)
	}
}

// A time that no clock holds stays in the future.
func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		n, rate float64
		want    time.Duration
	}{
		{0, 1e-300, 0},
		{10, 5, 2 * time.Second},
		{1, 1e-3, 1000 * time.Second},
		{1, 1e-300, math.MaxInt32 * time.Second},
		{MaxConnections, 5e-4, math.MaxInt32 * time.Second},
	} {
		if got := spread(tt.n, tt.rate); got != tt.want {
			t.Errorf("spread(%v, %v) = %v, want %v", tt.n, tt.rate, got, tt.want)
		}
	}
	p := Plan{}
	for _, g := range []Group{
		{Connections: MaxConnections, RateFrom: 1e-3, RateTo: 1e-3, Plateau: time.Second},
		{Connections: MaxConnections, RateFrom: 5e-4, RateTo: 5e-4, Plateau: time.Second},
	} {
		pacer := p.pacer(&g)
		if pacer.Total() < 2 || pacer.At(1) < time.Second {
			t.Errorf("a plateau that opens at %v/s: %d arrivals, the second after %v", g.RateFrom, pacer.Total(), pacer.At(1))
		}
	}
}
