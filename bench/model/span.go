package model

import (
	"math"
	"strings"
	"time"

	"lastack/bench/record"
	"lastack/sockstate"
)

// span is a quantity between lo and hi, and its mean. Any may be infinite.
type span struct{ lo, mean, hi float64 }

func exactly(v float64) span { return span{v, v, v} }

func spanOf(s sockstate.Span) span {
	return span{s.Min.Seconds(), s.Mean().Seconds(), s.Max.Seconds()}
}

func (a span) plus(b span) span { return span{a.lo + b.lo, a.mean + b.mean, a.hi + b.hi} }

// times multiplies two quantities that are not negative. Nothing is 0 even of an infinite one.
func (a span) times(b span) span {
	return span{product(a.lo, b.lo), product(a.mean, b.mean), product(a.hi, b.hi)}
}

func (a span) scale(f float64) span { return a.times(exactly(f)) }

func (a span) most(v float64) span { return span{min(a.lo, v), min(a.mean, v), min(a.hi, v)} }

func product(a, b float64) float64 {
	if a == 0 || b == 0 {
		return 0
	}
	return a * b
}

// estimate is a finite span for a record.
func (a span) estimate() record.Estimate {
	if math.IsInf(a.hi, 1) {
		a.hi = a.mean
	}
	return record.Estimate{Value: a.mean, Lo: a.lo, Hi: a.hi}
}

// Time is a duration of the load: constant, uniform from Min to Max, or exponential.
type Time struct {
	Min, Mean, Max time.Duration
	Exponential    bool
}

// constant is a Time that does not vary.
func constant(d time.Duration) Time { return Time{Min: d, Mean: d, Max: d} }

// between is uniform from one duration to another.
func between(from, to time.Duration) Time { return Time{Min: from, Mean: (from + to) / 2, Max: to} }

// exponential has the mean d.
func exponential(d time.Duration) Time { return Time{Mean: d, Exponential: true} }

// mean is t where only its mean matters, as in a population.
func (t Time) mean() span { return exactly(t.Mean.Seconds()) }

// unsure is t as what is known of a time, rather than how it varies.
func (t Time) unsure() span { return span{t.Min.Seconds(), t.Mean.Seconds(), t.Max.Seconds()} }

// spread is the integral of F(1-F): r times it is the variance of the number in a state that paced arrivals of rate r pass through.
func (t Time) spread() float64 {
	if t.Exponential {
		return t.Mean.Seconds() / 2
	}
	return (t.Max - t.Min).Seconds() / 6
}

// over is the integral of F from 0 to x seconds: of connections that arrive evenly for so long, it is how much of that time they are over.
func (t Time) over(x float64) float64 {
	lo, mean, hi := t.Min.Seconds(), t.Mean.Seconds(), t.Max.Seconds()
	switch {
	case x <= 0:
		return 0
	case t.Exponential && mean > 0:
		return x + mean*math.Expm1(-x/mean)
	case x <= lo:
		return 0
	case x < hi:
		return (x - lo) * (x - lo) / 2 / (hi - lo)
	}
	return x - mean
}

func (t Time) scaled(f float64) Time {
	of := func(d time.Duration) time.Duration { return time.Duration(float64(d) * f) }
	return Time{of(t.Min), of(t.Mean), of(t.Max), t.Exponential}
}

func (t Time) recorded() record.Lasts {
	return record.Lasts{MinS: t.Min.Seconds(), MeanS: t.Mean.Seconds(), MaxS: t.Max.Seconds(), Exponential: t.Exponential}
}

// parseTime reads a duration, one that varies evenly (LO..HI), or one that is exponential (exp:MEAN): the format of String.
func parseTime(s string) (Time, error) {
	bad := sockstate.BadValue("", s, "want a duration like 800ms, LO..HI, or exp:MEAN")
	parse := func(s string) (time.Duration, bool) {
		d, err := time.ParseDuration(s)
		return d, err == nil && d >= 0 && d <= mostTime
	}
	if mean, random := strings.CutPrefix(s, "exp:"); random {
		d, ok := parse(mean)
		if !ok {
			return Time{}, bad
		}
		return exponential(d), nil
	}
	from, to, varies := strings.Cut(s, "..")
	if !varies {
		to = from
	}
	lo, ok1 := parse(from)
	hi, ok2 := parse(to)
	if !ok1 || !ok2 || lo > hi {
		return Time{}, bad
	}
	return between(lo, hi), nil
}

// UnmarshalText implements encoding.TextUnmarshaler with parseTime.
func (t *Time) UnmarshalText(b []byte) (err error) {
	*t, err = parseTime(string(b))
	return err
}

func (t Time) String() string {
	switch {
	case t.Exponential:
		return "exp:" + t.Mean.String()
	case t.Min != t.Max:
		return t.Min.String() + ".." + t.Max.String()
	}
	return t.Mean.String()
}
