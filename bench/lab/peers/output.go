package main

import (
	"math"
	"regexp"
	"strconv"
)

// output extracts figures from a tool's output. err is about the first missing one.
type output struct {
	tool, text string
	err        error
}

// find returns the first group of re, or "" if there is no match.
func (o *output) find(re *regexp.Regexp) string {
	m := re.FindStringSubmatch(o.text)
	if m == nil {
		return ""
	}
	return m[1]
}

// count parses the first group of re as a whole number; it must be there.
func (o *output) count(re *regexp.Regexp, want string) int64 {
	return parsed(o, o.find(re), want, parseCount)
}

// number likewise parses a number with decimals.
func (o *output) number(re *regexp.Regexp, want string) float64 {
	return parsed(o, o.find(re), want, parseNumber)
}

// sum adds the first groups of all matches of re, 0 if there are none: tools keep silent
// about failures that they did not have.
func (o *output) sum(re *regexp.Regexp, want string) int64 {
	var total int64
	for _, m := range re.FindAllStringSubmatch(o.text, -1) {
		for _, s := range m[1:] {
			total += parsed(o, s, want, parseCount)
		}
	}
	return total
}

func parsed[T any](o *output, s, want string, parse func(string) (T, bool)) T {
	v, ok := parse(s)
	if !ok && o.err == nil {
		o.err = &parseError{Tool: o.tool, Want: want, Got: s}
	}
	return v
}

// maxCount bounds a number of connections, so that sums do not overflow.
const maxCount = 1 << 50

func parseCount(s string) (int64, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > maxCount {
		return 0, false
	}
	return n, true
}

func parseNumber(s string) (float64, bool) {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || v < 0 || v > maxCount {
		return 0, false
	}
	return v, true
}
