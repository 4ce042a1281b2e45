package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"lastack/bench/quantity"
	"lastack/loadgen"
)

// The largest count and rate: more than any host can do, and exact in a float64.
const (
	maxCount = int64(1e15)
	maxRate  = float64(loadgen.MaxRate)
)

const (
	countHelp = "want a whole number (k, M and G allowed): 500, 5k, 1.5M"
	rateHelp  = "want connections/s (k, M and G allowed): 500, 5k, or 1k..20k for a rate that changes linearly"
)

// parseCount reads a whole number from 0 to maxCount.
func parseCount(s string) (int64, error) {
	v, ok := quantity.ParseSI(s)
	if !ok || v != math.Trunc(v) {
		return 0, fmt.Errorf("%q is not a count: %s", s, countHelp)
	}
	if v > float64(maxCount) {
		return 0, fmt.Errorf("%q is too large: want at most %d", s, maxCount)
	}
	return int64(v), nil
}

// formatCount prints a count as parseCount reads it, with k or M if that is exact.
func formatCount(n int64) string {
	switch {
	case n != 0 && n%1e6 == 0:
		return strconv.FormatInt(n/1e6, 10) + "M"
	case n != 0 && n%1e3 == 0:
		return strconv.FormatInt(n/1e3, 10) + "k"
	}
	return strconv.FormatInt(n, 10)
}

// parseRate reads a rate, or a range LO..HI. 0 means closed loop.
func parseRate(s string) (rateFlag, error) {
	from, to, changes := strings.Cut(s, "..")
	if !changes {
		to = from
	}
	lo, ok1 := quantity.ParseSI(from)
	hi, ok2 := quantity.ParseSI(to)
	if !ok1 || !ok2 {
		return rateFlag{}, fmt.Errorf("%q is not a rate: %s", s, rateHelp)
	}
	if lo > maxRate || hi > maxRate {
		return rateFlag{}, fmt.Errorf("%q is too fast: want at most %s connections/s", s, formatCount(int64(maxRate)))
	}
	if changes && lo == 0 && hi == 0 {
		return rateFlag{}, fmt.Errorf("%q never starts a connection: %s", s, rateHelp)
	}
	return rateFlag{from: lo, to: hi}, nil
}

// formatRate prints a rate as parseRate reads it.
func formatRate(r rateFlag) string {
	if r.from == r.to {
		return formatSI(r.from)
	}
	return formatSI(r.from) + ".." + formatSI(r.to)
}

func formatSI(v float64) string {
	if v == math.Trunc(v) && v <= float64(maxCount) {
		return formatCount(int64(v))
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// countFlag is a count.
type countFlag int64

// Set implements pflag.Value.
func (c *countFlag) Set(s string) error {
	n, err := parseCount(s)
	if err == nil {
		*c = countFlag(n)
	}
	return err
}

func (c *countFlag) String() string { return formatCount(int64(*c)) }

// Type implements pflag.Value.
func (c *countFlag) Type() string { return "N" }

// rateFlag is a rate in connections/s that changes linearly from one value to the
// other over the load. Zero means closed loop.
type rateFlag struct{ from, to float64 }

// Set implements pflag.Value.
func (r *rateFlag) Set(s string) error {
	v, err := parseRate(s)
	if err == nil {
		*r = v
	}
	return err
}

func (r *rateFlag) String() string { return formatRate(*r) }

// Type implements pflag.Value.
func (r *rateFlag) Type() string { return "R" }
