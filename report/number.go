package report

import (
	"math"
	"strconv"
	"strings"
	"time"

	"lastack/bench/quantity"
)

// askedRate prints a rate as it was asked for.
func askedRate(v float64) string {
	if v != math.Trunc(v) || v > math.MaxInt64/2 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return quantity.Count(int64(v))
}

// percent prints the share of n in d. It says 0 and 100 only where they are exact.
func percent(n, d float64) string {
	if d <= 0 {
		return ""
	}
	if n == d {
		return "100 %"
	}
	if n == 0 {
		return "0 %"
	}
	p := n / d * 100
	switch {
	case p < 0.01:
		return "< 0.01 %"
	case p > 99.99 && p < 100:
		return "> 99.99 %"
	}
	return strconv.FormatFloat(p, 'f', 2, 64) + " %"
}

// usage prints a share of a limit, where two decimals would be noise.
func usage(n, d float64) string {
	if d <= 0 {
		return ""
	}
	p := n / d * 100
	if p > 0 && p < 0.1 {
		return "< 0.1 %"
	}
	if p > 99.9 && p < 100 {
		return "99.9 %"
	}
	return strconv.FormatFloat(p, 'f', 1, 64) + " %"
}

// cell is quantity.Micros with the unit in two columns, so that numbers align in a table.
func cell(us float64) string {
	s := quantity.Micros(us)
	if strings.HasSuffix(s, " s") {
		s += " "
	}
	return s
}

// asked prints a time as it was asked for, without zeros at its end: 10 s.
func asked(ns int64) string {
	n, unit, _ := strings.Cut(quantity.Micros(float64(ns)/1e3), " ")
	if strings.Contains(n, ".") {
		n = strings.TrimRight(strings.TrimRight(n, "0"), ".")
	}
	return n + " " + unit
}

// short prints v in at most width columns, SI-shortened: 12.3k. width is at least 4.
func short(v float64, width int) string {
	if v < 0 || math.IsNaN(v) {
		return "-"
	}
	if v < math.Pow10(width)-0.5 && v == math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	if v < 1000 {
		return trimTo(v, width, "")
	}
	for _, u := range []string{"k", "M", "G", "T", "P", "E"} {
		v /= 1000
		if v < 999.5 {
			return trimTo(v, width, u)
		}
	}
	return "many"
}

// trimTo prints 0 <= v < 1000 with as many of two decimals as fit.
func trimTo(v float64, width int, unit string) string {
	for digits := 2; digits >= 0; digits-- {
		s := strconv.FormatFloat(v, 'f', digits, 64) + unit
		if len(s) <= min(width, 4+len(unit)) {
			return s
		}
	}
	return strconv.FormatFloat(v, 'f', 0, 64) + unit
}

// shortMicros prints a time in five columns: 1.2ms, 412us, 60.1s.
func shortMicros(us float64) string {
	switch {
	case us <= 0 || math.IsNaN(us):
		return "-"
	case us < 999.5:
		return strconv.FormatFloat(math.Max(us, 1), 'f', 0, 64) + "us"
	case us < 99.95e3:
		return strconv.FormatFloat(us/1e3, 'f', 1, 64) + "ms"
	case us < 999.5e3:
		return strconv.FormatFloat(us/1e3, 'f', 0, 64) + "ms"
	case us < 99.95e6:
		return strconv.FormatFloat(us/1e6, 'f', 1, 64) + "s"
	case us < 9999.5e6:
		return strconv.FormatFloat(us/1e6, 'f', 0, 64) + "s"
	default:
		return "long"
	}
}

// moment prints a point in time, always in UTC.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
