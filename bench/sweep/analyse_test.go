package sweep

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
)

const rate = "rate.completed"

// analysed is the analysis of a sweep, which must be one that a record can hold.
func analysed(t *testing.T, s *record.Sweep, names ...string) *record.SweepAnalysis {
	t.Helper()
	a := Analyse(s, names...)
	s.Analysis = a
	var b bytes.Buffer
	if err := record.Write(&b, &record.Run{Schema: record.Schema, Kind: record.KindSweep, Sweep: s}); err != nil {
		t.Fatal(err)
	}
	again, err := record.Read(&b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(a, again.Sweep.Analysis); d != "" {
		t.Error(d)
	}
	return a
}

// without leaves out the runs of which f is true.
func without(s *record.Sweep, f func(*record.SweepRun) bool) *record.Sweep {
	s.Runs = slices.DeleteFunc(s.Runs, func(r record.SweepRun) bool { return f(&r) })
	return s
}

// An effect of some orders of magnitude comes out with a sensible interval, beside a small one of another factor, and their interaction.
func TestLargeEffect(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 1))
	s := simulated(random, []int{2, 3}, 5, made(0, 0, 0.02, 0.3), func(cell []int, run *record.SweepRun) {
		if cell[0] == 1 {
			run.Values[rate] *= 40
			run.LimitedBy = record.LimitCPU
		}
		run.Values[rate] *= 1 + 0.5*float64(cell[1])
		if cell[0] == 1 && cell[1] == 2 {
			run.Values[rate] /= 2
		}
	})
	a := analysed(t, s, rate)
	if a.Result != record.SweepDiffers || a.P == nil || *a.P > 0.01 {
		t.Errorf("result %s, p %v", a.Result, a.P)
	}
	m := &a.Metrics[0]
	near := func(what string, d *record.SweepDifference, want float64) {
		t.Helper()
		if d.Result == record.SweepNoise || *d.Lo+1 > want || *d.Hi+1 < want || (*d.Hi+1)/(*d.Lo+1) > 1.2 {
			t.Errorf("%s: %v [%v, %v] %s, want %v", what, *d.Difference+1, *d.Lo+1, *d.Hi+1, d.Result, want)
		}
	}
	at := func(levels ...string) int {
		return slices.IndexFunc(s.Cells, func(c record.SweepCell) bool { return slices.Equal(c.Levels, levels) })
	}
	near("the cell", &m.Cells[at("1", "0")], 40)
	near("both factors", &m.Cells[at("0", "2")], 2)
	// The mean over the other factor's levels, on the scale of ratios.
	near("the first factor", &m.Effects[0].SweepDifference, 40/math.Cbrt(2))
	near("the pair", &m.Pairs[1].SweepDifference, 0.5)
	if d := m.Pairs[0]; d.Result != record.SweepNoise || d.Of[1].Level != 1 {
		t.Errorf("the pair without an interaction: %+v", d)
	}
	if o := a.Cells[at("1", "0")]; o.LimitedBy != record.LimitCPU || o.Runs != 5 {
		t.Errorf("what limited the cell: %+v", o)
	}
	if o := a.Cells[0]; o.Runs != 10 {
		t.Errorf("the base has %+v", o)
	}
	for _, c := range a.Claims {
		if d := a.At(c); d.Result != record.SweepBetter && d.Result != record.SweepWorse || *d.Corrected > a.Alpha {
			t.Errorf("%+v is claimed: %+v", c, d)
		}
	}
}

// If the twin of the base differs from it, nothing is claimed.
func TestTwinDiffers(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 2))
	told, n := 0, 40
	for range n {
		s := simulated(random, []int{3, 3}, 10, made(0, 0, 0.02, 0.1), func(cell []int, run *record.SweepRun) {
			if run.Twin {
				run.Values[rate] *= 1.05
			}
			if cell[0] == 1 {
				run.Values[rate] *= 2
			}
		})
		a := analysed(t, s)
		if a.Result == record.SweepCannotTell {
			told++
			if len(a.Claims) > 0 || a.Findings[0].Code != codeTwinDiffers || a.Metrics[0].Twin.Result != record.SweepChanged {
				t.Fatalf("%+v", a)
			}
		}
	}
	t.Logf("a twin that is 5 %% apart is found out in %d of %d sweeps", told, n)
	if told < n*9/10 {
		t.Errorf("a twin that is 5 %% apart is found out in %d of %d sweeps", told, n)
	}
}

// What crashed, was interrupted or was refused leaves holes; the effect is found with what there is, and without a bias by the blocks' drift.
func TestHoles(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 3))
	for _, tt := range []struct {
		name   string
		remove func(*record.SweepRun) bool
		crash  func(*record.SweepRun) bool
		codes  []string
	}{
		{"interrupted in the last block", func(r *record.SweepRun) bool { return r.Block == 4 && r.Position > 3 }, nil, []string{codeIncomplete}},
		{"a cell in every other block", func(r *record.SweepRun) bool { return r.Cell == 3 && r.Block%2 == 1 }, nil, []string{codeIncomplete}},
		{"here and there", func(r *record.SweepRun) bool { return (r.Cell+2*r.Block)%7 == 3 }, nil, []string{codeIncomplete}},
		{"a cell crashes always", nil, func(r *record.SweepRun) bool { return r.Cell == 5 }, []string{codeCrashed}},
		{"crashes in the first block", nil, func(r *record.SweepRun) bool { return r.Block == 0 && r.Position%2 == 0 }, []string{codeCrashed}},
	} {
		s := simulated(random, []int{2, 4}, 5, made(0, 0, 0.02, 1), func(cell []int, run *record.SweepRun) {
			if cell[0] == 1 {
				run.Values[rate] *= 1.2
			}
		})
		if tt.remove != nil {
			without(s, tt.remove)
		}
		for i := range s.Runs {
			if r := &s.Runs[i]; tt.crash != nil && tt.crash(r) {
				*r = record.SweepRun{Cell: r.Cell, Block: r.Block, Twin: r.Twin, Error: "the cell crashed"}
			}
		}
		a := analysed(t, s, rate)
		var codes []string
		for _, f := range a.Findings {
			codes = append(codes, f.Code)
			if text := Sentence(f); text == f.Code || strings.Contains(text, "<nil>") {
				t.Errorf("%s: %q", tt.name, text)
			}
		}
		if e := a.Metrics[0].Effects[0]; !slices.Equal(codes, tt.codes) || e.Result != record.SweepBetter || *e.Lo > 0.2 || *e.Hi < 0.2 || *e.Hi-*e.Lo > 0.08 {
			t.Errorf("%s: %q, %v [%v, %v] %s", tt.name, codes, *e.Difference, *e.Lo, *e.Hi, e.Result)
		}
	}
}

// An interrupted sweep lacks as many runs as it began with: each block has the base twice, whether or not its second run has ended.
func TestIncompleteCounts(t *testing.T) {
	for _, tt := range []struct {
		name    string
		refused bool
		runs    []record.SweepRun
		want    string
	}{
		{"nothing ended", false, nil, "only 0 of 6 runs took place"},
		{"only the base's first run ended", false, []record.SweepRun{{}}, "only 1 of 6 runs took place"},
		{"only its second ended", false, []record.SweepRun{{Twin: true}}, "only 1 of 6 runs took place"},
		{"a cell is refused", true, nil, "only 0 of 4 runs took place"},
	} {
		s := &record.Sweep{
			Factors: []record.Factor{{Key: "backlog", Levels: []string{"5", "6"}}}, Blocks: 2,
			Cells: []record.SweepCell{{Levels: []string{"5"}}, {Levels: []string{"6"}}}, Runs: tt.runs,
		}
		if tt.refused {
			s.Cells[1].Refused = "it cannot be"
		}
		got := ""
		for _, f := range Analyse(s).Findings {
			if f.Code == codeIncomplete {
				got = Sentence(f)
			}
		}
		if !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// Counts and shares that are 0 have no logarithm. If all are 0 there is nothing to test, and no other test pays for it.
func TestZeros(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	s := simulated(random, []int{2, 2}, 6, made(0, 0, 0.02, 0.1), func(cell []int, run *record.SweepRun) {
		run.Values["failed_ratio"], run.Values["connections.failed"] = 0, 0
		if cell[0] == 1 {
			run.Values["connections.failed"] = 1000 + math.Round(20*random.NormFloat64())
		}
		run.Values["lifecycle.p50"] = 5
		if cell[0] == 1 {
			run.Values["lifecycle.p50"] = 6 // exactly, always
		}
		run.Values["counters.TcpExtTW"] = -3
	})
	a := analysed(t, s, "failed_ratio", "connections.failed", "lifecycle.p50", "counters.TcpExtTW")
	for i, want := range []string{record.SweepEqual, record.SweepWorse, record.SweepWorse, record.SweepEqual} {
		m := &a.Metrics[i]
		if got := m.Effects[0].Result; got != want || m.Log != (i == 2) {
			t.Errorf("%s: %s, log %v", m.Metric, got, m.Log)
		}
	}
	if d := a.Metrics[1].Effects[0]; math.Abs(*d.Difference-1000) > 30 || *d.Lo > 1000 || *d.Hi < 1000 {
		t.Errorf("%v [%v, %v]", *d.Difference, *d.Lo, *d.Hi)
	}
	if d := a.Metrics[2].Effects[0]; math.Abs(*d.Difference-0.2) > 1e-9 {
		t.Errorf("%v", *d.Difference)
	}
	if a.Tests != 10 {
		t.Errorf("%d tests, want 5 of each of two metrics", a.Tests)
	}
}

// Too few blocks are no proof of anything: the analysis says how many it takes.
func TestTooFew(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 5))
	double := func(cell []int, run *record.SweepRun) {
		if cell[0] == 1 {
			run.Values[rate] *= 2
		}
	}
	for _, tt := range []struct {
		levels []int
		blocks int
		want   string
	}{{[]int{2}, 1, record.SweepTooFew}, {[]int{2}, 2, record.SweepTooFew}, {[]int{2}, 4, record.SweepDiffers}, {[]int{3, 3}, 1, record.SweepTooFew}, {[]int{3, 3}, 3, record.SweepDiffers}, {nil, 3, record.SweepNoDifference}} {
		a := analysed(t, simulated(random, tt.levels, tt.blocks, made(0, 0, 0.02, 0.1), func(cell []int, run *record.SweepRun) {
			if len(cell) > 0 {
				double(cell, run)
			}
		}), rate)
		if a.Result != tt.want {
			t.Errorf("%v, %d blocks: %s, want %s (%+v)", tt.levels, tt.blocks, a.Result, tt.want, a.Findings)
		}
	}
	a := analysed(t, &record.Sweep{Cells: []record.SweepCell{{}}})
	if a.Result != record.SweepTooFew || len(a.Metrics) > 0 {
		t.Errorf("no run: %+v", a)
	}
	a = analysed(t, &record.Sweep{Cells: []record.SweepCell{{}}}, rate)
	if len(a.Findings) != 1 || a.Findings[0].Code != codeNoValues {
		t.Errorf("no run: %+v", a)
	}
}

// As many blocks as it takes are enough to tell a difference that no noise hides, and one less is not.
func TestBlocksNeeded(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 8))
	for _, levels := range [][]int{{2}, {3}, {4}, {6}, {2, 2}, {2, 3}} {
		with := func(blocks int) *record.SweepAnalysis {
			return analysed(t, simulated(random, levels, blocks, made(0, 0, 0.001, 0), func(cell []int, run *record.SweepRun) {
				if cell[0] == 1 {
					run.Values[rate] *= 1000
				}
			}))
		}
		one := with(1)
		if one.Result != record.SweepTooFew || len(one.Findings) != 1 {
			t.Errorf("%v, one block: %s, %+v", levels, one.Result, one.Findings)
			continue
		}
		need := int(one.Findings[0].Args["need"].(float64))
		if a := with(need); a.Result != record.SweepDiffers {
			t.Errorf("%v, %d blocks: %s, %+v", levels, need, a.Result, a.Findings)
		}
		if a := with(need - 1); a.Result != record.SweepTooFew {
			t.Errorf("%v, %d blocks: %s, though it takes %d", levels, need-1, a.Result, need)
		}
	}
}

// A rate found is known no better than its search was fine, and one search has the interval of that.
func TestFoundRates(t *testing.T) {
	s := simulated(rand.New(rand.NewPCG(3, 6)), []int{2}, 5, made(0, 0, 0.02, 0), func(cell []int, run *record.SweepRun) {
		per := 463.0
		if cell[0] == 1 {
			per = 926
		}
		run.Values = nil
		run.Found = &record.FoundRate{PerS: per, LoPerS: per * 0.99, HiPerS: per * 1.01, LimitedBy: record.LimitPorts}
	})
	s.Find = record.FindRate
	a := analysed(t, s)
	d := a.Metrics[0].Cells[1]
	if a.Metrics[0].Metric != FoundRate || d.Result != record.SweepBetter || *d.Difference < 0.999 || *d.Difference > 1.001 || *d.Lo > 0.99 || *d.Hi < 1.01 || *d.Lo < 0.9 {
		t.Errorf("%v [%v, %v] %s", *d.Difference, *d.Lo, *d.Hi, d.Result)
	}
	if l := a.Metrics[0].Levels[0]; *l.Lo != 463*0.99 || *l.Hi != 463*1.01 || a.Cells[0].LimitedBy != record.LimitPorts {
		t.Errorf("%+v", l)
	}
	a = analysed(t, without(s, func(r *record.SweepRun) bool { return r.Block > 0 }))
	// One block is enough for twice the rate, and not for a little more.
	if l := a.Metrics[0].Levels[1]; *l.Lo != 926*0.99 || a.Metrics[0].Cells[1].Result != record.SweepBetter {
		t.Errorf("%s, %+v", a.Result, l)
	}
}

// Two searches of one cell agree if their bounds have a rate in common, however alike or unlike what they found is.
func TestFoundTwins(t *testing.T) {
	for _, tt := range []struct {
		name string
		twin record.FoundRate
		want string
	}{
		{"alike", record.FoundRate{PerS: 459.5315, LoPerS: 452.7, HiPerS: 470.5}, record.SweepDiffers},
		{"within the bounds", record.FoundRate{PerS: 466, LoPerS: 460, HiPerS: 475}, record.SweepDiffers},
		{"apart", record.FoundRate{PerS: 300, LoPerS: 298, HiPerS: 305}, record.SweepCannotTell},
	} {
		s := simulated(rand.New(rand.NewPCG(3, 6)), []int{2}, 1, made(0, 0, 0.02, 0), func(cell []int, run *record.SweepRun) {
			found := record.FoundRate{PerS: 459.5301, LoPerS: 452.7, HiPerS: 470.5, LimitedBy: record.LimitPorts}
			switch {
			case cell[0] == 1:
				found = record.FoundRate{PerS: 7550, LoPerS: 7550, HiPerS: 7880, LimitedBy: record.LimitCPU}
			case run.Twin:
				found = tt.twin
			}
			run.Values, run.Found = nil, &found
		})
		s.Find = record.FindRate
		a := analysed(t, s)
		if a.Result != tt.want || (a.Metrics[0].Twin.Result == record.SweepChanged) != (tt.want == record.SweepCannotTell) {
			t.Errorf("%s: %s, the twin is %+v, the other cell %+v", tt.name, a.Result, a.Metrics[0].Twin, a.Metrics[0].Cells[1])
		}
	}
}

// Searches of one block whose bounds are apart are shown so.
func TestApart(t *testing.T) {
	s := simulated(rand.New(rand.NewPCG(3, 6)), []int{4}, 1, made(0, 0, 0.02, 0), func(cell []int, run *record.SweepRun) {
		per := 463.0 * (1 + 0.1*float64(cell[0]/2))
		run.Values, run.Found = nil, &record.FoundRate{PerS: per, LoPerS: per * 0.98, HiPerS: per * 1.02, LimitedBy: record.LimitPorts}
	})
	s.Find = record.FindRate
	a := analysed(t, s)
	for c, want := range []string{record.SweepUntested, record.SweepEqual, record.SweepApart, record.SweepApart} {
		if got := a.Metrics[0].Cells[c].Result; got != want {
			t.Errorf("cell %d: %s, want %s", c, got, want)
		}
	}
	if a.Result == record.SweepDiffers {
		t.Errorf("%+v", a.Claims)
	}
}

// A value that is a lower bound only may not make a difference that it could undo.
func TestLowerBounds(t *testing.T) {
	for _, tt := range []struct {
		base bool
		want string
	}{{false, record.SweepWorse}, {true, record.SweepDoubt}} {
		a := analysed(t, simulated(rand.New(rand.NewPCG(3, 7)), []int{2}, 6, made(0, 0, 0.02, 0), func(cell []int, run *record.SweepRun) {
			if cell[0] == 1 {
				run.Values["connect.p99"] *= 2
			}
			if (cell[0] == 0) == tt.base {
				run.AtLeast = []string{"connect.p99"}
			}
		}), "connect.p99")
		if d := a.Metrics[0].Cells[1]; d.Result != tt.want {
			t.Errorf("%+v: %s", tt, d.Result)
		}
	}
}

// The order of the runs does not matter, and the same sweep gives the same analysis.
func TestDeterministic(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 8))
	s := simulated(random, []int{2, 2}, 4, made(2, 0, 0.05, 0.1), nil)
	first := Analyse(s)
	if d := cmp.Diff(first, Analyse(s)); d != "" {
		t.Error(d)
	}
}

// Least squares are what a direct minimum of the squares is: no shift of a mean makes them smaller.
func TestModelIsLeastSquares(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 9))
	for range 50 {
		cells, blocks := 2+random.IntN(5), 2+random.IntN(5)
		var values []value
		for b := range blocks {
			for c := range cells {
				for range 1 + random.IntN(2) {
					if random.IntN(4) > 0 {
						values = append(values, value{cell: c, block: b, v: float64(c) + 3*float64(b) + random.NormFloat64()})
					}
				}
			}
		}
		m := fitAll(values, cells)
		squares := func(means []float64) float64 {
			sum := 0.0
			for _, b := range byBlock(m.values, blockOf) {
				mean := 0.0
				for _, v := range b {
					mean += (v.v - means[v.cell]) / float64(len(b))
				}
				for _, v := range b {
					d := v.v - means[v.cell] - mean
					sum += d * d
				}
			}
			return sum
		}
		least := squares(m.means)
		if m.df > 0 && math.Abs(least-m.s2*float64(m.df)) > 1e-9*(1+least) {
			t.Errorf("the squares are %v, not %v", least, m.s2*float64(m.df))
		}
		for c := range cells {
			for _, by := range []float64{-0.01, 0.01} {
				means := slices.Clone(m.means)
				means[c] += by
				if squares(means) < least-1e-9 {
					t.Errorf("the mean of cell %d is not the best: %v", c, m.means)
				}
			}
		}
	}
}

// Cells that no block connects with the base have no difference to it.
func TestUnconnected(t *testing.T) {
	s := simulated(rand.New(rand.NewPCG(3, 10)), []int{4}, 6, made(0, 0, 0.02, 0), nil)
	without(s, func(r *record.SweepRun) bool { return (r.Cell < 2) != (r.Block < 3) })
	a := analysed(t, s, rate)
	for c, want := range []string{record.SweepUntested, record.SweepNoise, record.SweepUntested, record.SweepUntested} {
		if d := a.Metrics[0].Cells[c]; d.Result != want || c > 1 && d.Difference != nil || a.Metrics[0].Levels[c].N == 0 {
			t.Errorf("cell %d: %+v", c, d)
		}
	}
}
