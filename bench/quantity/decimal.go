package quantity

import (
	"strconv"
	"strings"

	"lastack/sockstate"
)

// Decimal is a flag that holds a whole number, for flag as for pflag, whose own take 010 for 8, and 0x10 and 1_000 too.
type Decimal struct{ n *int }

// NewDecimal sets n to value, and is its flag.
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

// String implements flag.Value. The zero Decimal is 0: flag compares defaults with it.
func (d Decimal) String() string {
	if d.n == nil {
		return "0"
	}
	return strconv.Itoa(*d.n)
}

// Type implements pflag.Value.
func (d Decimal) Type() string { return "int" }
