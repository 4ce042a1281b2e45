package text

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"lastack/bench/quantity"
	"lastack/report/document"
)

// Parts prints a value as a number and its unit, each of which lines up in a column. A text is all number. The unit has the blank before it.
func Parts(v document.Value) (number, unit string, isText bool) {
	spaced := func(s string) (string, string, bool) {
		at := strings.LastIndexByte(s, ' ')
		return s[:at], s[at:], false
	}
	switch v := v.(type) {
	case document.Text:
		return Clean(string(v)), "", true
	case document.Count:
		return quantity.Count(int64(v)), "", false
	case document.Bytes:
		return spaced(quantity.Bytes(int64(v)))
	case document.Rate:
		return quantity.PerSecond(float64(v)), "/s", false
	case document.Micros:
		if v < 0 {
			return spaced("-" + quantity.Micros(-float64(v)))
		}
		return spaced(quantity.Micros(float64(v)))
	case document.Since:
		return spaced(quantity.Since(float64(v)))
	case document.Share:
		return spaced(quantity.Share(float64(v), 1))
	case document.Change:
		return spaced(percent(float64(v)))
	case document.Points:
		return points(float64(v)), " points", false
	case document.Longer:
		if v > 0 {
			return spaced("+" + quantity.Micros(float64(v)))
		}
		return Parts(document.Micros(v))
	case document.Chance:
		if v < 0.001 {
			return "<0.001", "", false
		}
		return strconv.FormatFloat(float64(v), 'f', 3, 64), "", false
	case document.Usage:
		return spaced(quantity.Usage(float64(v), 1))
	case document.Number:
		return strconv.FormatFloat(float64(v), 'g', 6, 64), "", false
	case document.Range:
		if v.Min == v.Max {
			return quantity.Count(v.Min), "", false
		}
		return quantity.Count(v.Min) + " to " + quantity.Count(v.Max), "", false
	case document.Absent:
		return "-", "", true
	}
	return "", "", true
}

// percent prints a change with its sign and three digits.
func percent(v float64) string {
	v *= 100
	digits := 2
	switch a := math.Abs(v); {
	case a >= 1000:
		unit := math.Pow(10, math.Floor(math.Log10(min(a, 1e18)))-2)
		s := quantity.Count(int64(min(math.Round(a/unit)*unit, 1e18))) + " %"
		if v < 0 {
			return "-" + s
		}
		return "+" + s
	case a >= 100:
		digits = 0
	case a >= 10:
		digits = 1
	case a < 0.005:
		return "0 %"
	}
	return fmt.Sprintf("%+.*f %%", digits, v)
}

// points prints a difference of shares with its sign and at most two decimals; one that is smaller with its first digit.
func points(v float64) string {
	v *= 100
	switch a := math.Abs(v); {
	case v == 0:
		return "0"
	case a < 0.005:
		return fmt.Sprintf("%+.1g", v)
	}
	s := strconv.FormatFloat(math.Round(100*v)/100, 'f', -1, 64)
	if v > 0 {
		s = "+" + s
	}
	return s
}

// Exact prints a number in full, for programs. What is none, a gap, is empty.
func Exact(v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return ""
	case math.Abs(v) >= 1e15:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// Value prints a value with its unit.
func Value(v document.Value) string {
	number, unit, _ := Parts(v)
	return number + unit
}
