// Package quantity formats counts, rates, times and bytes the same way everywhere, and escapes text
// from elsewhere. It also parses the numbers of flags.
package quantity

import (
	"math"
	"strconv"
	"strings"
)

// Plural is one for 1, otherwise many.
func Plural[T int | int64](n T, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// Count prints n with commas between the thousands: 12,345.
func Count(n int64) string {
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

// PerSecond prints a rate without its unit: with one decimal below a thousand, and like Count above.
func PerSecond(v float64) string {
	if v >= 999.95 && v < math.MaxInt64/2 {
		return Count(int64(math.Round(v)))
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

// Micros prints a time in microseconds with three digits, in ns, µs, ms or s: 1.24 ms.
func Micros(us float64) string {
	switch {
	case us == 0:
		return "0 s"
	case us < 0.9995:
		return strconv.FormatFloat(us*1e3, 'f', 0, 64) + " ns"
	case us < 999.5:
		return significant(us) + " µs"
	case us < 999.5e3:
		return significant(us/1e3) + " ms"
	case us < 999.5e6:
		return significant(us/1e6) + " s"
	case us < 1e15:
		return Count(int64(math.Round(us/1e6))) + " s"
	default:
		return strconv.FormatFloat(us/1e6, 'e', 1, 64) + " s"
	}
}

// Seconds is Micros for a time in seconds.
func Seconds(s float64) string { return Micros(s * 1e6) }

// Clock prints a point of a run's time in seconds, to a tenth.
func Clock(s float64) string {
	if math.Abs(s) >= 1e9 {
		return strconv.FormatFloat(s, 'e', 1, 64) + " s"
	}
	return strconv.FormatFloat(s, 'f', 1, 64) + " s"
}

// Since prints a time in seconds from an event, always to the millisecond, because the order of events matters.
func Since(s float64) string {
	text := Seconds(math.Abs(s))
	if math.Abs(s) >= 0.9995 && math.Abs(s) < 1e6 {
		text = strconv.FormatFloat(math.Abs(s), 'f', 3, 64) + " s"
	}
	switch {
	case s < 0:
		return "-" + text
	case s > 0:
		return "+" + text
	}
	return text
}

// Share prints the share of n in d as a percentage with two decimals. It prints 0 and 100 only if they are exact, and "" if d is not
// positive.
func Share(n, d float64) string {
	if d <= 0 {
		return ""
	}
	switch p := n / d * 100; {
	case n == 0, n == d:
		return strconv.FormatFloat(p, 'f', 0, 64) + " %"
	case p < 0.01:
		return "< 0.01 %"
	case p > 99.99 && p < 100:
		return "> 99.99 %"
	default:
		return strconv.FormatFloat(p, 'f', 2, 64) + " %"
	}
}

// Usage is Share for a limit, which may be exceeded, with one decimal.
func Usage(n, d float64) string {
	if d <= 0 {
		return ""
	}
	switch p := n / d * 100; {
	case p > 0 && p < 0.1:
		return "< 0.1 %"
	case p > 99.9 && p < 100:
		return "99.9 %"
	default:
		return strconv.FormatFloat(p, 'f', 1, 64) + " %"
	}
}

// Bytes prints n with three digits in a binary unit up to TiB: 34.0 MiB.
func Bytes(n int64) string {
	if n < 1024 {
		return Count(n) + " B"
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
	return Count(int64(v)) + " TiB"
}

// significant prints v, 0 <= v < 999.5, with three digits.
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
