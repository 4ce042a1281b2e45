package text

import (
	"strconv"
	"strings"

	"lastack/bench/quantity"
	"lastack/report/document"
)

// parts prints a value as a number and its unit, each of which lines up in a column. A text is all number.
func parts(v document.Value) (number, unit string, isText bool) {
	spaced := func(s string) (string, string, bool) {
		at := strings.LastIndexByte(s, ' ')
		return s[:at], s[at:], false
	}
	switch v := v.(type) {
	case document.Text:
		return clean(string(v)), "", true
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

// Value prints a value with its unit.
func Value(v document.Value) string {
	number, unit, _ := parts(v)
	return number + unit
}
