package setup

import (
	"fmt"
	"strings"

	"lastack/bench/quantity"
	"lastack/loadgen"
)

const (
	maxRate  = float64(loadgen.MaxRate)
	rateHelp = "want connections/s (k, M and G allowed): 500, 5k, or 1k..20k for a rate that changes linearly"
)

// ParseRate reads a rate in connections/s, or a range LO..HI. 0 means closed loop.
func ParseRate(s string) (from, to float64, err error) {
	lo, hi, changes := strings.Cut(s, "..")
	if !changes {
		hi = lo
	}
	from, ok1 := quantity.ParseSI(lo)
	to, ok2 := quantity.ParseSI(hi)
	if !ok1 || !ok2 {
		return 0, 0, fmt.Errorf("%q is not a rate: %s", s, rateHelp)
	}
	if from > maxRate || to > maxRate {
		return 0, 0, fmt.Errorf("%q is too fast: want at most %s connections/s", s, quantity.FormatCount(loadgen.MaxRate))
	}
	if changes && from == 0 && to == 0 {
		return 0, 0, fmt.Errorf("%q never starts a connection: %s", s, rateHelp)
	}
	return from, to, nil
}

// FormatRate prints a rate as ParseRate reads it.
func FormatRate(from, to float64) string {
	if from == to {
		return quantity.FormatSI(from)
	}
	return quantity.FormatSI(from) + ".." + quantity.FormatSI(to)
}
