package quantity

import (
	"strings"
	"testing"
)

// Each value is compared with the constant that the compiler makes of it: not one bit may differ.
func TestParseSI(t *testing.T) {
	for s, want := range map[string]float64{
		"0": 0, "500": 500, "007": 7, ".5": 0.5, "5.": 5, "0.7": 0.7,
		"16.1k": 16100, "1.1k": 1100, "0.0011k": 1.1, ".5k": 500, "1.001M": 1001000, "4.35M": 4350000, "2G": 2e9, "1.1G": 1.1e9,
	} {
		if got, ok := ParseSI(s); !ok || got != want {
			t.Errorf("ParseSI(%q) = %v, %t, want %v", s, got, ok, want)
		}
	}
	for _, s := range []string{
		"", ".", "k", ".k", "-1", "+1", "1e3", "1e3k", "0x10", "1_000", "inf", "NaN", "1..2", "1.2.3k", "5K", "5m", "5kk", "5 k", " 5", "5%",
		strings.Repeat("9", 309),
	} {
		if got, ok := ParseSI(s); ok {
			t.Errorf("ParseSI(%q) = %v, want none", s, got)
		}
	}
}
