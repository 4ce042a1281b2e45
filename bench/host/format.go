package host

import (
	"fmt"

	"lastack/bench/quantity"
)

// twoDigits rounds an estimate down to two significant digits.
func twoDigits(n int64) int64 {
	unit := int64(1)
	for n/unit >= 100 {
		unit *= 10
	}
	return n / unit * unit
}

func countOf(n int, one, many string) string {
	return fmt.Sprintf("%d %s", n, quantity.Plural(n, one, many))
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}
