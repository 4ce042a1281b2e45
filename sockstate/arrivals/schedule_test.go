package arrivals

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestScheduleTotal(t *testing.T) {
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
		{"a hundred million a second for a day", []slope{{24 * time.Hour, 1e8, 1e8}}, 8_640_000_000_000},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newSchedule(0, tc.slopes...)
			if got := p.Total(); got != tc.want {
				t.Errorf("Total() = %d, want %d", got, tc.want)
			}
		})
	}
}

func TestScheduleAt(t *testing.T) {
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
			p := newSchedule(0, tc.slopes...)
			got := make(map[int64]time.Duration)
			for n := range tc.want {
				got[n] = p.At(float64(n))
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("At (-want +got):\n%s", d)
			}
		})
	}
}

// checkSchedule looks at the schedule around some of its arrivals.
func checkSchedule(t *testing.T, slopes []slope) {
	t.Helper()
	p := newSchedule(0, slopes...)
	var length time.Duration
	for _, s := range slopes {
		length += max(s.length, 0)
	}
	total := p.Total()
	for i := range int64(200) {
		n := i * max(total/200, 1)
		if n >= total {
			break
		}
		at := p.At(float64(n))
		if at < 0 || at > length {
			t.Fatalf("%v: At(%d) = %v, outside the %v of the schedule", slopes, n, at, length)
		}
		if before := p.Before(at); before != n {
			t.Fatalf("%v: Before(At(%d)) = %d", slopes, n, before)
		}
		if after := p.Before(at + 1); after != n+1 {
			t.Fatalf("%v: Before(At(%d)+1ns) = %d", slopes, n, after)
		}
		if n+1 < total && p.At(float64(n+1)) <= at {
			t.Fatalf("%v: At(%d) = %v and At(%d) = %v", slopes, n, at, n+1, p.At(float64(n+1)))
		}
	}
	if got := p.Before(length + 1); got != total {
		t.Fatalf("%v: %d arrivals before its end, Total() = %d", slopes, got, total)
	}
	if got := p.Before(0); got != 0 {
		t.Fatalf("%v: %d arrivals before the start", slopes, got)
	}
}

func TestScheduleProperties(t *testing.T) {
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
		checkSchedule(t, slopes)
	}
}

func FuzzSchedule(f *testing.F) {
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
		checkSchedule(t, []slope{{time.Duration(l1), a, b}, {time.Duration(l2), c, d}})
	})
}

func TestLoad(t *testing.T) {
	const s = time.Second
	for _, tc := range []struct {
		name string
		load Load
		want int64 // arrivals after the warm-up
	}{
		{"duration", Load{From: 2000, To: 2000, Duration: 10 * s}, 20_000},
		{"duration and warm-up", Load{From: 2000, To: 2000, Duration: 10 * s, Warmup: 3 * s}, 20_000},
		{"lo..hi keeps lo in the warm-up", Load{From: 100, To: 300, Duration: 10 * s, Warmup: 3 * s}, 2000},
		{"from nothing", Load{To: 300, Duration: 10 * s, Warmup: 3 * s}, 1500},
		{"ramp inside the warm-up", Load{From: 500, To: 500, Duration: 10 * s, Warmup: 3 * s, Ramp: 2 * s}, 5000},
		{"ramp longer than the warm-up", Load{From: 500, To: 500, Duration: 10 * s, Warmup: 1 * s, Ramp: 2 * s}, 4875},
		{"count", Load{From: 100, To: 100, Count: 777}, 777},
		{"count after a warm-up", Load{From: 100, To: 100, Count: 777, Warmup: 3 * s}, 777},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := tc.load.Schedule()
			if got := p.Total() - p.Before(tc.load.Warmup); got != tc.want {
				t.Errorf("%d arrivals are measured, want %d", got, tc.want)
			}
		})
	}
	t.Run("count after a ramp", func(t *testing.T) {
		p := Load{From: 100, To: 100, Count: 777, Ramp: 3 * s}.Schedule()
		if p.Total() < 777 {
			t.Errorf("%d arrivals, the count is 777", p.Total())
		}
	})
}

// Due and When agree with the arrivals that the engine starts, and with sums by hand.
func TestScheduleDue(t *testing.T) {
	const s = time.Second
	for _, c := range []struct {
		name string
		load Load
		due  map[float64]float64
	}{
		{"even", Load{From: 100, To: 100, Duration: 10 * s}, map[float64]float64{0: 0, 4: 400, 11: 1000}},
		{"up", Load{From: 100, To: 300, Duration: 10 * s}, map[float64]float64{0: 0, 5: 750, 10: 2000, 12: 2000}},
		{"down to nothing", Load{From: 100, Duration: 10 * s}, map[float64]float64{5: 375, 10: 500, 12: 500}},
		{"up after a warm-up", Load{From: 100, To: 300, Warmup: 2 * s, Duration: 10 * s}, map[float64]float64{1: 100, 2: 200, 7: 950, 12: 2200}},
		{"ramp", Load{From: 100, To: 100, Ramp: 4 * s, Duration: 10 * s}, map[float64]float64{2: 50, 4: 200, 10: 800, 11: 800}},
		{"ramp in a warm-up", Load{From: 100, To: 100, Ramp: 4 * s, Warmup: 5 * s, Duration: 10 * s}, map[float64]float64{4: 200, 15: 1300, 16: 1300}},
		{"ramp of a number", Load{From: 100, To: 100, Ramp: 4 * s, Count: 1000}, map[float64]float64{4: 200, 18: 1600, 19: 1600}},
		{"nothing", Load{}, map[float64]float64{0: 0, 5: 0}},
	} {
		p := c.load.Schedule()
		for at, want := range c.due {
			if got := p.Due(at); math.Abs(got-want) > 1e-6 {
				t.Errorf("%s: %v are due by %v s, want %v", c.name, got, at, want)
			}
		}
		for n := int64(0); n < p.Total(); n++ {
			due := p.At(float64(n))
			if got := p.Due(due.Seconds()); math.Abs(got-float64(n)) > 1e-4 {
				t.Fatalf("%s: arrival %d is due at %v, by when there are %v", c.name, n, due, got)
			}
			if at, more := p.When(float64(n)); math.Abs(at-due.Seconds()) > 1e-6 || more != 0 {
				t.Fatalf("%s: arrival %d is due at %v, not at %v (%v more)", c.name, n, due, at, more)
			}
		}
		total := float64(p.Total())
		end, _ := p.When(total)
		if at, more := p.When(total + 7); at != end || math.Abs(more-7) > 1e-6 {
			t.Errorf("%s: 7 more than all are due at %v, %v more", c.name, at, more)
		}
		if want := c.name != "even" && c.name != "nothing"; p.Changes() != want {
			t.Errorf("%s: changes: %t", c.name, p.Changes())
		}
	}
}

func BenchmarkScheduleAt(b *testing.B) {
	p := newSchedule(0, slope{10 * time.Second, 0, 20_000}, slope{time.Hour, 20_000, 20_000})
	b.ReportAllocs()
	var sum time.Duration
	for i := 0; b.Loop(); i++ {
		sum += p.At(float64(int64(i) % p.Total()))
	}
	if sum < 0 {
		b.Fatal("a time before the start")
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
		{1 << 24, 5e-4, math.MaxInt32 * time.Second},
	} {
		if got := Spread(tt.n, tt.rate); got != tt.want {
			t.Errorf("Spread(%v, %v) = %v, want %v", tt.n, tt.rate, got, tt.want)
		}
	}
	for _, rate := range []float64{1e-3, 5e-4} {
		p := Load{From: rate, To: rate, Count: 1 << 24}.Schedule()
		if p.Total() < 2 || p.At(1) < time.Second {
			t.Errorf("%v/s: %d arrivals, the second after %v", rate, p.Total(), p.At(1))
		}
	}
}

// Arrivals by chance have exponential gaps, in each worker and in all together: mean and standard deviation are equal. What several workers
// have is a process of the whole rate.
func TestChance(t *testing.T) {
	const workers, rate, length = 3, 1000.0, 200 * time.Second
	p := newSchedule(0, slope{length, rate, rate})
	var all []float64
	for id := range workers {
		c, n := NewChance(7, id), 0.0
		for n = workers * c.Gap(); n < float64(p.Total()); n += workers * c.Gap() {
			all = append(all, p.At(n).Seconds())
		}
	}
	slices.Sort(all)
	if got, want := float64(len(all)), rate*length.Seconds(); math.Abs(got-want) > 5*math.Sqrt(want) {
		t.Errorf("%v arrivals, expected %v", got, want)
	}
	mean, squares, last := 0.0, 0.0, 0.0
	for _, at := range all {
		mean, squares, last = mean+(at-last), squares+(at-last)*(at-last), at
	}
	n := float64(len(all))
	if mean /= n; math.Abs(mean*rate-1) > 0.02 {
		t.Errorf("the mean gap is %v s", mean)
	}
	// E[gap^2] = 2 / rate^2 for exponential gaps, 1 for even ones.
	if second := squares / n * rate * rate; math.Abs(second-2) > 0.05 {
		t.Errorf("the second moment of the gaps is %v of a squared mean gap, expected 2", second)
	}
	if got := (*Chance)(nil).Gap(); got != 1 {
		t.Errorf("a paced gap is %v", got)
	}
}

// The shards of a load have its arrivals, each of them once and at its time.
func TestPhases(t *testing.T) {
	const s = time.Second
	for _, whole := range []Load{
		{From: 1000, To: 1000, Duration: 3 * s},
		{From: 900, To: 900, Duration: 3 * s, Warmup: s},
		{From: 333, To: 333, Duration: s},
		{From: 100, To: 700, Duration: 5 * s, Warmup: 2 * s},
		{From: 700, Duration: 5 * s},
		{From: 500, To: 500, Duration: 4 * s, Ramp: 2 * s},
		{From: 3, To: 3, Duration: s},
	} {
		all := whole.Schedule()
		for _, n := range []int{1, 2, 3, 7, 64} {
			var got []time.Duration
			for i := range n {
				part := whole
				part.From, part.To, part.Phase = whole.From/float64(n), whole.To/float64(n), float64(i)/float64(n)
				p := part.Schedule()
				for k := range p.Total() {
					got = append(got, p.At(float64(k)))
				}
			}
			slices.Sort(got)
			if int64(len(got)) != all.Total() {
				t.Errorf("%+v in %d parts: %d arrivals, want %d", whole, n, len(got), all.Total())
				continue
			}
			for k, at := range got {
				if d := at - all.At(float64(k)); d.Abs() > time.Microsecond {
					t.Errorf("%+v in %d parts: arrival %d at %v, want %v", whole, n, k, at, all.At(float64(k)))
					break
				}
			}
		}
	}
}
