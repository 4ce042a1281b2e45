package setup

import (
	"strings"
	"testing"
)

func TestParseRate(t *testing.T) {
	for s, want := range map[string][2]float64{
		"0": {}, "500": {500, 500}, "5k": {5000, 5000}, "0.5": {0.5, 0.5}, "1k..20k": {1000, 20000}, "20k..1k": {20000, 1000}, "0..1k": {0, 1000},
	} {
		if from, to, err := ParseRate(s); err != nil || from != want[0] || to != want[1] {
			t.Errorf("ParseRate(%q) = %v, %v, %v, want %v", s, from, to, err, want)
		}
	}
	for s, want := range map[string]string{
		"":        `"" is not a rate`,
		"-5":      `"-5" is not a rate`,
		"5k/s":    `"5k/s" is not a rate`,
		"1k..":    `"1k.." is not a rate`,
		"1..2..3": `"1..2..3" is not a rate`,
		"1k-2k":   `"1k-2k" is not a rate`,
		"0..0":    `"0..0" never starts a connection`,
		"2000M":   `"2000M" is too fast: want at most 100M`,
	} {
		if from, to, err := ParseRate(s); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("ParseRate(%q) = %v, %v, %v, want %q", s, from, to, err, want)
		}
	}
}

func FuzzParseRate(f *testing.F) {
	for _, s := range []string{"0", "500", "1k..20k", "0.001", "..", "1..", "1e9", "0..0", "0.3k"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		from, to, err := ParseRate(s)
		if err != nil {
			return
		}
		if from < 0 || to < 0 || from > maxRate || to > maxRate {
			t.Fatalf("ParseRate(%q) = %v, %v", s, from, to)
		}
		if f, b, err := ParseRate(FormatRate(from, to)); err != nil || f != from || b != to {
			t.Fatalf("%q is %v..%v, printed %q, which is %v..%v, %v", s, from, to, FormatRate(from, to), f, b, err)
		}
	})
}
