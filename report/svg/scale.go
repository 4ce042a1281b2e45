package svg

import (
	"math"
	"strconv"
	"strings"

	"lastack/bench/quantity"
	"lastack/report/document"
)

// scale maps values to a length.
type scale struct {
	from, to float64
	log      bool
	// percentile maps p to the number of halvings, or rather tenths, that are left above it: 90 to 1, 99 to 2.
	percentile bool
}

// place is where v lies, from 0 to 1.
func (s *scale) place(v float64) float64 {
	a, b, v := s.flat(s.from), s.flat(s.to), s.flat(v)
	if !(b > a) || math.IsNaN(v) {
		return 0
	}
	return max(-0.1, min(1.1, (v-a)/(b-a)))
}

func (s *scale) flat(v float64) float64 {
	switch {
	case s.percentile && s.log:
		return -math.Log10(max(1-v/100, 1e-12))
	case s.log:
		return math.Log10(max(v, 1e-12))
	}
	return v
}

// tick is a marked value.
type tick struct {
	at    float64
	label string
}

// ticks marks at most about n values. widen moves the scale's end to the last of them.
func (s *scale) ticks(unit document.Unit, n int, widen bool) []tick {
	var values []float64
	switch {
	case s.percentile && s.log:
		for _, p := range []float64{50, 90, 99, 99.9, 99.99, 99.999, 99.9999, 99.99999} {
			if p >= s.from && p <= s.to {
				values = append(values, p)
			}
		}
		// The labels grow with the nines: of many the last one matters most.
		if most := n - 1; len(values) > most {
			values = append(values[:most-1], values[len(values)-1])
		}
	case s.log:
		values = s.decades(n, widen)
	default:
		values = s.even(unit, n, widen)
	}
	out := make([]tick, len(values))
	for i, v := range values {
		out[i] = tick{v, label(unit, v, s.to)}
	}
	return out
}

// decades are powers of ten, thinned out to n.
func (s *scale) decades(n int, widen bool) []float64 {
	lo, hi := math.Floor(math.Log10(s.from)), math.Ceil(math.Log10(s.to))
	if widen {
		hi = max(hi, lo+1)
		s.from, s.to = math.Pow(10, lo), math.Pow(10, hi)
	}
	step := max(1, math.Ceil((hi-lo)/float64(n)))
	var values []float64
	for d := lo; d <= hi; d += step {
		if v := math.Pow(10, d); v >= s.from*(1-1e-9) && v <= s.to*(1+1e-9) {
			values = append(values, v)
		}
	}
	return values
}

// even are multiples of 1, 2 or 5 times a power of ten, or of whole minutes.
func (s *scale) even(unit document.Unit, n int, widen bool) []float64 {
	step := round125((s.to - s.from) / float64(n))
	if unit == document.Seconds && step > 30 {
		for _, m := range []float64{60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400} {
			if step = m; (s.to-s.from)/m <= float64(n) {
				break
			}
		}
	}
	switch unit {
	case document.Things:
		step = max(1, step)
	case document.Octets:
		step = math.Exp2(math.Ceil(math.Log2(max(1, (s.to-s.from)/float64(n)))))
	}
	if !(step > 0) || math.IsInf(step, 0) || (s.to-s.from)/step > 50 {
		return []float64{s.from}
	}
	if widen {
		s.to = max(s.from+step, math.Ceil(s.to/step-1e-9)*step)
	}
	var values []float64
	for i := math.Ceil(s.from/step - 1e-9); i*step <= s.to+step*1e-9; i++ {
		values = append(values, i*step+0) // no -0
	}
	return values
}

// round125 is the next number from v up that is 1, 2 or 5 times a power of ten.
func round125(v float64) float64 {
	if !(v > 0) {
		return 0
	}
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if m*p >= v*(1-1e-9) {
			return m * p
		}
	}
	return 10 * p
}

// label prints a tick. most is the largest value of its axis.
func label(unit document.Unit, v, most float64) string {
	switch unit {
	case document.Microseconds:
		return short(quantity.Micros(v))
	case document.Octets:
		return short(quantity.Bytes(int64(min(v, 1e18))))
	case document.Percentile:
		return "p" + strconv.FormatFloat(v, 'f', -1, 64)
	case document.Part:
		return quantity.Share(v, 1)
	case document.Seconds:
		switch {
		case v == 0:
			return "0"
		case most > 7200:
			return plain(v/3600) + " h"
		case most > 180:
			return plain(v/60) + " min"
		}
		return plain(v) + " s"
	}
	return si(v)
}

// si prints a number with k, M or G.
func si(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1e12:
		return strconv.FormatFloat(v, 'g', 3, 64)
	case a >= 1e9:
		return plain(v/1e9) + "G"
	case a >= 1e6:
		return plain(v/1e6) + "M"
	case a >= 1e4:
		return plain(v/1e3) + "k"
	case a >= 1e3 && v == math.Trunc(v):
		return quantity.Count(int64(v))
	}
	return plain(v)
}

func plain(v float64) string {
	return strconv.FormatFloat(math.Round(v*1e6)/1e6, 'f', -1, 64)
}

// short drops zeros behind the point: 1.00 ms is 1 ms.
func short(s string) string {
	n, unit, ok := strings.Cut(s, " ")
	if strings.Contains(n, ".") {
		n = strings.TrimRight(strings.TrimRight(n, "0"), ".")
	}
	if !ok {
		return n
	}
	return n + " " + unit
}
