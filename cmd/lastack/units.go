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
func parseRate(s string) (lo, hi float64, err error) {
	from, to, changes := strings.Cut(s, "..")
	if !changes {
		to = from
	}
	lo, ok1 := quantity.ParseSI(from)
	hi, ok2 := quantity.ParseSI(to)
	if !ok1 || !ok2 {
		return 0, 0, fmt.Errorf("%q is not a rate: %s", s, rateHelp)
	}
	if lo > maxRate || hi > maxRate {
		return 0, 0, fmt.Errorf("%q is too fast: want at most %s connections/s", s, formatCount(int64(maxRate)))
	}
	if changes && lo == 0 && hi == 0 {
		return 0, 0, fmt.Errorf("%q never starts a connection: %s", s, rateHelp)
	}
	return lo, hi, nil
}

// formatRate prints a rate as parseRate reads it.
func formatRate(from, to float64) string {
	if from == to {
		return formatSI(from)
	}
	return formatSI(from) + ".." + formatSI(to)
}

func formatSI(v float64) string {
	if v == math.Trunc(v) && v <= float64(maxCount) {
		return formatCount(int64(v))
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}
