// Package arrivals is the schedule of an open loop: when its connections are due. The engine starts them by it, and what reads a record
// compares with it. It is pure: what is due depends on the elapsed time only.
package arrivals

import (
	"math"
	"time"
)

// Load is what a schedule is made of: rates in arrivals a second.
type Load struct {
	// The rate goes from from to to over Duration, after Warmup at From.
	From, To         float64
	Warmup, Duration time.Duration
	// Ramp raises the rate from 0 to From, which it keeps; To does not count then. Its time is part of Warmup and Duration.
	Ramp time.Duration
	// Count ends a load without a Duration. It does not include what arrives in Warmup. A load with a Ramp has some to spare.
	Count int64
	// Phase, from 0 to below 1, is the share of a gap between two arrivals by which all of them are late. N loads of an N-th of a rate, with the
	// phases 0/N, 1/N, ..., are together the load of the whole rate.
	Phase float64
}

// Schedule returns the schedule of a load, warm-up included.
func (l Load) Schedule() Schedule {
	switch {
	case l.Duration == 0:
		n := float64(l.Count) + l.From*(l.Warmup.Seconds()+l.Ramp.Seconds())
		return newSchedule(l.Phase, slope{l.Ramp, 0, l.From}, slope{Spread(n, l.From), l.From, l.From})
	case l.Ramp > 0:
		return newSchedule(l.Phase, slope{l.Ramp, 0, l.From}, slope{l.Warmup + l.Duration - l.Ramp, l.From, l.From})
	}
	return newSchedule(l.Phase, slope{l.Warmup, l.From, l.From}, slope{l.Duration, l.From, l.To})
}

// Spread is how long n things take at a rate, at most 68 years, so that a time.Duration does not overflow.
func Spread(n, rate float64) time.Duration { return time.Duration(min(n/rate, math.MaxInt32) * 1e9) }

// Schedule is a rate that is a straight line over each of some segments of time.
//
//	rate
//	 r1 |      ____      arrivals by t:  H(t) = sum of the areas up to t
//	    |    /           in a segment of length T from r0 to r1:
//	 r0 |  /               H(u) = r0 u + (r1 - r0) u^2 / 2T
//	    +----------> t   arrival n is due when H(t) = n + phase
type Schedule struct {
	segments []segment
	phase    float64
	total    int64
}

type segment struct {
	start, length float64 // seconds
	from, to      float64 // arrivals a second
	before        float64 // arrivals before it
}

// slope is a time over which a rate goes evenly from one to another, in arrivals a second.
type slope struct {
	length   time.Duration
	from, to float64
}

// newSchedule makes a schedule of successive slopes.
func newSchedule(phase float64, slopes ...slope) Schedule {
	p := Schedule{phase: phase}
	var start, before float64
	for _, s := range slopes {
		if s.length <= 0 {
			continue
		}
		length := s.length.Seconds()
		p.segments = append(p.segments, segment{start, length, s.from, s.to, before})
		start += length
		before += (s.from + s.to) / 2 * length
	}
	// An arrival exactly at the end belongs to what comes after.
	p.total = max(int64(math.Ceil(before-phase-1e-6)), 0)
	return p
}

// Total is the number of arrivals of the whole schedule; they are numbered from 0.
func (p *Schedule) Total() int64 { return p.total }

// At is when arrival n is due, from the start; n must be less than Total. It need not be whole: arrivals by chance come in between.
func (p *Schedule) At(n float64) time.Duration {
	n += p.phase
	for i := len(p.segments) - 1; i >= 0; i-- {
		s := &p.segments[i]
		if left := n - s.before; left >= 0 || i == 0 {
			return time.Duration(math.Round((s.start + s.invert(max(left, 0))) * 1e9))
		}
	}
	return 0
}

// invert solves r0 u + (r1 - r0) u^2 / 2T = h for u.
func (s *segment) invert(h float64) float64 {
	if h <= 0 {
		return 0 // where a rate begins at 0, the forms below are 0/0
	}
	a := (s.to - s.from) / (2 * s.length)
	if math.Abs(a) < 1e-12 {
		return min(h/s.from, s.length)
	}
	// This form of the root loses no digits when a is small.
	d := max(s.from*s.from+4*a*h, 0)
	return min(2*h/(s.from+math.Sqrt(d)), s.length)
}

// Before is the number of arrivals due before elapsed.
func (p *Schedule) Before(elapsed time.Duration) int64 {
	lo, hi := int64(0), p.total
	for lo < hi {
		mid := (lo + hi) / 2
		if p.At(float64(mid)) < elapsed {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// Changes reports whether the rate changes.
func (p *Schedule) Changes() bool {
	for i := range p.segments {
		if s := &p.segments[i]; s.from != s.to || s.from != p.segments[0].from {
			return true
		}
	}
	return false
}

// Due is how many arrivals are due by a time in seconds, in parts of one. It is Before without its steps, for curves and predictions.
func (p *Schedule) Due(at float64) float64 {
	for i := len(p.segments) - 1; i >= 0; i-- {
		s := &p.segments[i]
		if u := min(at-s.start, s.length); u >= 0 {
			return s.before + s.from*u + (s.to-s.from)*u*u/(2*s.length)
		}
	}
	return 0
}

// When is the time in seconds by which n arrivals are due: the inverse of Due. If the schedule has fewer, it is its end, and more is how
// many are left.
func (p *Schedule) When(n float64) (at, more float64) {
	for i := range p.segments {
		s := &p.segments[i]
		at = s.start + s.length
		all := s.before + (s.from+s.to)/2*s.length
		if n <= all {
			return s.start + s.invert(n-s.before), 0
		}
		more = n - all
	}
	if len(p.segments) == 0 {
		more = n
	}
	return at, max(more, 0)
}
