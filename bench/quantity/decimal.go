package quantity

import (
	"strconv"
	"strings"

	"lastack/sockstate"
)

// Decimal is a flag for a decimal integer, for package flag and for pflag. Their own integer flags read 010 as 8, and accept 0x10 and
// 1_000.
type Decimal struct{ n *int }

// NewDecimal sets n to value, and returns a flag for it.
func NewDecimal(n *int, value int) Decimal {
	*n = value
	return Decimal{n}
}

// Set implements flag.Value.
func (d Decimal) Set(s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || int64(int(n)) != n || strings.HasPrefix(s, "+") {
		return sockstate.BadValue("", strconv.Quote(s)+" is not a whole number", "want one like 4")
	}
	*d.n = int(n)
	return nil
}

// String implements flag.Value. Package flag calls it on the zero Decimal.
func (d Decimal) String() string {
	if d.n == nil {
		return "0"
	}
	return strconv.Itoa(*d.n)
}

// Type implements pflag.Value.
func (d Decimal) Type() string { return "int" }
