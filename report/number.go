package report

import (
	"math"
	"strconv"
	"strings"

	"lastack/bench/quantity"
)

// askedRate prints a rate as it was asked for.
func askedRate(v float64) string {
	if v != math.Trunc(v) || v > math.MaxInt64/2 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return quantity.Count(int64(v))
}

// askedTime prints a time as it was asked for, without zeros at its end: 10 s.
func askedTime(ns int64) string {
	n, unit, _ := strings.Cut(quantity.Micros(float64(ns)/1e3), " ")
	if strings.Contains(n, ".") {
		n = strings.TrimRight(strings.TrimRight(n, "0"), ".")
	}
	return n + " " + unit
}
