package report

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// thousands prints n with separators: 12,345.
func thousands(n int64) string {
	s := strconv.FormatInt(n, 10)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// rate prints a number per second: one decimal below a thousand, where it still tells something.
func rate(v float64) string {
	if v >= 1000 && v < math.MaxInt64/2 {
		return thousands(int64(math.Round(v)))
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

// askedRate prints a rate as it was asked for.
func askedRate(v float64) string {
	if v != math.Trunc(v) || v > math.MaxInt64/2 {
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return thousands(int64(v))
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

// significant prints v, 0 <= v < 1000, with three digits.
func significant(v float64) string {
	switch {
	case v < 9.995:
		return strconv.FormatFloat(v, 'f', 2, 64)
	case v < 99.95:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
}

// scale splits a time in microseconds into three digits and a unit.
func scale(us float64) (number, unit string) {
	switch {
	case us == 0:
		return "0", "s"
	case us < 0.9995:
		return strconv.FormatFloat(us*1e3, 'f', 0, 64), "ns"
	case us < 999.5:
		return significant(us), "µs"
	case us < 999.5e3:
		return significant(us / 1e3), "ms"
	case us < 999.5e6:
		return significant(us / 1e6), "s"
	case us < 1e15:
		return thousands(int64(math.Round(us / 1e6))), "s"
	default:
		return strconv.FormatFloat(us/1e6, 'e', 1, 64), "s"
	}
}

// micros prints a time: 1.24 ms.
func micros(us float64) string {
	n, u := scale(us)
	return n + " " + u
}

// cell is micros with the unit in two columns, so that numbers align in a table.
func cell(us float64) string {
	n, u := scale(us)
	if u == "s" {
		u = "s "
	}
	return n + " " + u
}

func seconds(s float64) string { return micros(s * 1e6) }

// asked prints a time as it was asked for, without zeros at its end: 10 s.
func asked(ns int64) string {
	n, u := scale(float64(ns) / 1e3)
	if strings.Contains(n, ".") {
		n = strings.TrimRight(strings.TrimRight(n, "0"), ".")
	}
	return n + " " + u
}

// size prints bytes.
func size(n int64) string {
	if n < 1024 {
		return thousands(n) + " B"
	}
	v := float64(n)
	for _, u := range []string{"KiB", "MiB", "GiB"} {
		v /= 1024
		if v < 999.5 {
			return significant(v) + " " + u
		}
	}
	v /= 1024
	if v < 999.5 {
		return significant(v) + " TiB"
	}
	return thousands(int64(v)) + " TiB"
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
