package sweep

import (
	"math"
	"math/rand/v2"
	"testing"

	"lastack/bench/record"
)

func TestNumber(t *testing.T) {
	for _, tt := range []struct {
		key, level string
		want       float64
		ok         bool
	}{
		{"sources", "4", 4, true},
		{"rate", "2k", 2000, true},
		{"hold", "200ms", 0.2, true},
		{"hold", "1m", 60, true},
		{"net.ipv4.ip_local_port_range", "20000 20499", 500, true},
		{"net.ipv4.ip_local_port_range", "32768\t60999", 28_232, true},
		{"source-ports", "20000-20999", 1000, true},
		{"close", "client:fin", 0, false},
		{"net.ipv4.ip_local_port_range", "9 2", 0, false},
		{"sources", "10.0.0.1", 0, false},
		{"loss", "NaN", 0, false},
		{"net.ipv4.tcp_rmem", "4096 131072 6291456", 0, false},
	} {
		if got, ok := Number(tt.key, tt.level); ok != tt.ok || ok && math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%s=%s is %v, %t", tt.key, tt.level, got, ok)
		}
	}
	for _, f := range []record.Factor{{Key: "net.ipv4.tcp_tw_reuse", Levels: []string{"0", "1", "2"}}, {Key: "sources", Levels: []string{"1", "4"}}, {Key: "sources", Levels: []string{"1", "x", "4"}}} {
		if numbers(&f) != nil {
			t.Errorf("%v has a slope", f)
		}
	}
}

// The interval of a slope holds the true one in 95 % of sweeps, also if noise grows with the level, or the cells of the highest level are the noisiest,
// and whatever blocks add. A second factor changes nothing of it.
func TestSlopeWithin(t *testing.T) {
	random := rand.New(rand.NewPCG(6, 6))
	for _, tt := range []struct {
		name   string
		levels []int
		blocks int
		from   noise
		noisy  float64
		drift  float64
	}{
		{"in proportion", []int{3}, 5, made(0, 0, 0.02, 0), 0, 0},
		{"blocks drift", []int{4}, 5, made(0, 0, 0.03, 0), 0, 0.1},
		{"two factors", []int{3, 2}, 5, made(0, 0, 0.02, 0), 0, 0},
		{"ten blocks", []int{3}, 10, made(0, 0, 0.02, 0), 0, 0},
		{"the highest is noisier", []int{3}, 10, made(0, 0, 0.01, 0), 0.03, 0},
		{"heavy tails", []int{3}, 5, made(3, 0, 0.02, 0), 0, 0},
	} {
		in, n := 0, times(200)
		want := 200.0
		for b := range tt.blocks {
			want *= math.Pow(1+tt.drift*float64(b), 1/float64(tt.blocks))
		}
		for range n {
			s := simulated(random, tt.levels, tt.blocks, tt.from, func(cell []int, run *record.SweepRun) {
				v := run.Values["rate.completed"] * float64(5+cell[0]) / 5 * (1 + tt.drift*float64(run.Block))
				if cell[0] == tt.levels[0]-1 {
					v *= math.Exp(tt.noisy * random.NormFloat64())
				}
				run.Values["rate.completed"] = v
			})
			m := Analyse(s, "rate.completed").Metrics[0]
			if len(m.Slopes) == 0 || m.Slopes[0].Lo == nil {
				t.Fatalf("%s: no slope: %+v", tt.name, m.Slopes)
			}
			if l := m.Slopes[0]; *l.Lo <= want && want <= *l.Hi {
				in++
			}
		}
		t.Logf("%s: %d of %d intervals hold the slope", tt.name, in, n)
		if in < n*92/100 {
			t.Errorf("%s: %d of %d intervals hold the slope", tt.name, in, n)
		}
	}
}

// Rates found that are linear in the ports: the slope is exact, and its interval what the searches left open.
func TestSlopeOfSearches(t *testing.T) {
	s := &record.Sweep{Find: record.FindRate, Blocks: 1, Factors: []record.Factor{{Key: "net.ipv4.ip_local_port_range", Levels: []string{"20000 20499", "20000 20999", "20000 21999"}}}}
	for i, ports := range []float64{500, 1000, 2000} {
		s.Cells = append(s.Cells, record.SweepCell{Levels: s.Factors[0].Levels[i : i+1]})
		rate := ports / 61.02
		s.Runs = append(s.Runs, record.SweepRun{Cell: i, Position: i, Valid: true, Found: &record.FoundRate{PerS: rate, LoPerS: 0.99 * rate, HiPerS: 1.01 * rate}})
	}
	l := Analyse(s).Metrics[0].Slopes[0]
	if math.Abs(l.Slope*61.02-1) > 1e-9 || math.Abs(l.Proportion-1) > 1e-9 || l.Off > 1e-9 || *l.Lo*61.02 < 0.96 || *l.Lo*61.02 > 0.99 || *l.Hi*61.02 > 1.04 || *l.Hi*61.02 < 1.01 {
		t.Errorf("%+v from %v to %v", l, *l.Lo, *l.Hi)
	}
}
