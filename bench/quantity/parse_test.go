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

func TestParseCount(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "1": 1, "500": 500, "5k": 5000, "1.5M": 1500000, "2G": 2e9, "1.1M": 1100000, "0.001k": 1, "007": 7, "1.0": 1, ".5k": 500,
		"1000000000000000": 1e15,
	} {
		if got, err := ParseCount(s); err != nil || got != want {
			t.Errorf("ParseCount(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
	for s, want := range map[string]string{
		"":                 `"" is not a count`,
		"-1":               `"-1" is not a count`,
		"+1":               `"+1" is not a count`,
		"1.5":              `"1.5" is not a count`,
		"1.2345k":          `"1.2345k" is not a count`,
		"5K":               `"5K" is not a count`,
		"5 k":              `"5 k" is not a count`,
		"k":                `"k" is not a count`,
		".":                `"." is not a count`,
		"1..2":             `"1..2" is not a count`,
		"1e3":              `"1e3" is not a count`,
		"0x10":             `"0x10" is not a count`,
		"inf":              `"inf" is not a count`,
		"1_000":            `"1_000" is not a count`,
		"1000000000000001": `"1000000000000001" is too large: want at most 1000000000000000`,
		"9999999999M":      `"9999999999M" is too large`,
	} {
		if got, err := ParseCount(s); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("ParseCount(%q) = %d, %v, want %q", s, got, err, want)
		}
	}
}

func FuzzParseCount(f *testing.F) {
	for _, s := range []string{"0", "64", "5k", "1.5M", "-1", "1e9", "k", "999999999999999999999", "."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseCount(s)
		if err != nil {
			return
		}
		if n < 0 || n > maxCount {
			t.Fatalf("ParseCount(%q) = %d", s, n)
		}
		if back, err := ParseCount(FormatCount(n)); err != nil || back != n {
			t.Fatalf("%q is %d, printed %q, which is %d, %v", s, n, FormatCount(n), back, err)
		}
	})
}
