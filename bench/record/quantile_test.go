package record

import (
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// exactRank is Rank in exact arithmetic, of a percentile as people write it.
func exactRank(t *testing.T, percentile string, n int64) int64 {
	t.Helper()
	x, ok := new(big.Rat).SetString(percentile)
	if !ok {
		t.Fatalf("%q is no number", percentile)
	}
	x.Mul(x, new(big.Rat).SetFrac64(n, 100))
	up := new(big.Int).Add(x.Num(), new(big.Int).Sub(x.Denom(), big.NewInt(1)))
	return max(1, up.Quo(up, x.Denom()).Int64())
}

// The published percentiles, and others that a threshold may ask for.
var percentiles = map[string]float64{
	"0": 0, "0.001": 0.001, "1": 1, "25": 25, "33.3": 33.3, "50": 50, "75": 75, "90": 90, "95": 95, "99": 99, "99.5": 99.5, "99.9": 99.9,
	"99.99": 99.99, "99.999": 99.999, "99.9999": 99.9999, "100": 100,
}

func TestRank(t *testing.T) {
	large := []int64{9_999, 10_000, 10_001, 99_999, 100_000, 1_000_000, 1_000_001, 123_456_789, 1e9, 1e12 + 1}
	for text, p := range percentiles {
		for n := int64(1); n <= 3_000; n++ {
			if got, want := Rank(p, n), exactRank(t, text, n); got != want {
				t.Fatalf("p%s of %d values is number %d, want %d", text, n, got, want)
			}
		}
		for _, n := range large {
			if got, want := Rank(p, n), exactRank(t, text, n); got != want {
				t.Errorf("p%s of %d values is number %d, want %d", text, n, got, want)
			}
		}
	}
	for _, tt := range []struct {
		p    float64
		n    int64
		want int64
	}{
		{99, 60, 60},
		{99, 100, 99},
		{99, 101, 100},
		{99.9, 501, 501},
		{99.9, 1000, 999},
		{50, 3, 2},
		{50, 2, 1},
		{-1, 5, 1},
		{math.NaN(), 5, 1},
		{200, 5, 5},
		{math.Inf(1), 5, 5},
		{99, 0, 0},
		{100, math.MaxInt64, math.MaxInt64},
	} {
		if got := Rank(tt.p, tt.n); got != tt.want {
			t.Errorf("p%v of %d values is number %d, want %d", tt.p, tt.n, got, tt.want)
		}
	}
}

// What a histogram gives is the very value of that rank: up to 2,047 ns, each value has a place of its own.
func TestPercentileIsAnOrderStatistic(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 3))
	h := NewHistogram()
	var values []int64
	for n := int64(1); n <= 2000; n++ {
		v := 1 + rng.Int64N(2000)
		if err := h.RecordValue(v); err != nil {
			t.Fatal(err)
		}
		at, _ := slices.BinarySearch(values, v)
		values = slices.Insert(values, at, v)
		for text, p := range percentiles {
			if got, want := Percentile(h, p), values[exactRank(t, text, n)-1]; got != want {
				t.Fatalf("p%s of %d values is %d, want %d", text, n, got, want)
			}
		}
		us := func(text string) float64 { return float64(values[exactRank(t, text, n)-1]) / 1e3 }
		if l := Summarize(h); l.P50Us != us("50") || l.P90Us != us("90") || l.P99Us != us("99") || l.P999Us != us("99.9") {
			t.Fatalf("of %d values: %+v", n, l)
		}
	}
	if got := Percentile(NewHistogram(), 99); got != 0 {
		t.Errorf("of nothing: %d", got)
	}
}

// Nobody but Percentile asks the library for a quantile.
func TestOnlyPercentileReadsQuantiles(t *testing.T) {
	asks := regexp.MustCompile(`\.(ValueAt(Quantile|Percentile)\w*|CumulativeDistribution\w*)\(`)
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasPrefix(d.Name(), ".") && d.Name() != ".." {
			if err == nil {
				err = filepath.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || filepath.Base(path) == "quantile.go" {
			return nil
		}
		text, err := os.ReadFile(path)
		if found := asks.Find(text); found != nil {
			t.Errorf("%s calls %s: want record.Percentile, whose rank is not rounded", path, found)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
