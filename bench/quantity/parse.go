package quantity

import (
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
