package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"lastack/bench/quantity"
)

// growthFlag is a list of factors: 2x,5x,10x.
type growthFlag struct{ factors *[]float64 }

// Set implements pflag.Value.
func (f growthFlag) Set(s string) error {
	var all []float64
	for part := range strings.SplitSeq(s, ",") {
		v, ok := quantity.ParseSI(strings.TrimSuffix(strings.TrimSpace(part), "x"))
		if !ok || v <= 0 {
			return fmt.Errorf("%q is not a growth: want factors above 0, like 2x,5x,10x", s)
		}
		if len(all) == mostGrowth {
			return fmt.Errorf("%q has too many factors: want at most %d", s, mostGrowth)
		}
		all = append(all, v)
	}
	slices.Sort(all)
	*f.factors = slices.Compact(all)
	return nil
}

// mostGrowth is as many factors as a page has columns for.
const mostGrowth = 6

func (f growthFlag) String() string {
	var all []string
	for _, v := range *f.factors {
		all = append(all, quantity.FormatSI(v)+"x")
	}
	return strings.Join(all, ",")
}

// Type implements pflag.Value.
func (f growthFlag) Type() string { return "Nx,..." }

// longFlag is a duration that may be in days or weeks: 90d, 13w.
type longFlag struct{ d *time.Duration }

// Set implements pflag.Value.
func (f longFlag) Set(s string) error {
	const day = 24 * time.Hour
	for _, u := range []struct {
		suffix string
		unit   time.Duration
	}{{"d", day}, {"w", 7 * day}} {
		if n, err := strconv.ParseUint(strings.TrimSuffix(s, u.suffix), 10, 16); err == nil && strings.HasSuffix(s, u.suffix) && n > 0 && n <= 5000 {
			*f.d = time.Duration(n) * u.unit
			return nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return fmt.Errorf("%q is not a time: want one like 90d, 13w or 36h", s)
	}
	*f.d = d
	return nil
}

func (f longFlag) String() string {
	if *f.d == 0 {
		return ""
	}
	return f.d.String()
}

// Type implements pflag.Value.
func (f longFlag) Type() string { return "D" }

// optionalChoice is a choice of words that has no default.
func optionalChoice(p *string, of []string) *choice {
	return &choice{func(s string) { *p = s }, func() string { return *p }, of}
}
