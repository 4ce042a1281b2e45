package quantity

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ParseSI reads a decimal number without sign or exponent that may end in k (thousands), M (millions)
// or G (billions): "16.1k" is 16,100. ok is false if s is anything else, or exceeds a float64.
func ParseSI(s string) (v float64, ok bool) {
	for _, suffix := range []struct{ letter, exponent string }{{"k", "e3"}, {"M", "e6"}, {"G", "e9"}} {
		if digits, found := strings.CutSuffix(s, suffix.letter); found {
			return parseDecimal(digits, suffix.exponent)
		}
	}
	return parseDecimal(s, "")
}

// parseDecimal reads digits, which may have a point, times a power of ten ("e3" for 1000). The exponent
// is text, so that the result is rounded only once: 16.1 * 1e3 is 16100.000000000002.
func parseDecimal(digits, exponent string) (float64, bool) {
	// ParseFloat accepts too much: signs, exponents, hexadecimal, infinity.
	if strings.Trim(digits, "0123456789.") != "" {
		return 0, false
	}
	v, err := strconv.ParseFloat(digits+exponent, 64)
	return v, err == nil
}

// ParseShare reads a percentage or a fraction from 0 to 1: 0.1%, 0.001.
func ParseShare(s string) (v float64, ok bool) {
	v, ok = parseDecimal(s, "")
	if digits, percent := strings.CutSuffix(s, "%"); percent {
		v, ok = parseDecimal(digits, "e-2")
	}
	return v, ok && v <= 1
}

// maxCount is more than any host can do, and exact in a float64.
const maxCount = int64(1e15)

const countHelp = "want a whole number (k, M and G allowed): 500, 5k, 1.5M"

// ParseCount reads a whole number from 0 to 1e15, as ParseSI does.
func ParseCount(s string) (int64, error) {
	v, ok := ParseSI(s)
	if !ok || v != math.Trunc(v) {
		return 0, fmt.Errorf("%q is not a count: %s", s, countHelp)
	}
	if v > float64(maxCount) {
		return 0, fmt.Errorf("%q is too large: want at most %d", s, maxCount)
	}
	return int64(v), nil
}

// FormatCount prints a count as ParseCount reads it, with k or M if that is exact.
func FormatCount(n int64) string {
	switch {
	case n != 0 && n%1e6 == 0:
		return strconv.FormatInt(n/1e6, 10) + "M"
	case n != 0 && n%1e3 == 0:
		return strconv.FormatInt(n/1e3, 10) + "k"
	}
	return strconv.FormatInt(n, 10)
}

// FormatSI prints a number as ParseSI reads it.
func FormatSI(v float64) string {
	if v == math.Trunc(v) && v <= float64(maxCount) {
		return FormatCount(int64(v))
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}
