package loadgen

import (
	"math"
	"time"
)

// pacer is an open loop's schedule: a rate that is a straight line over each of some
// segments of time. It is pure: what is due depends on the elapsed time only.
//
//	rate
//	 r1 |      ____      arrivals by t:  H(t) = sum of the areas up to t
//	    |    /           in a segment of length T from r0 to r1:
//	 r0 |  /               H(u) = r0 u + (r1 - r0) u^2 / 2T
//	    +----------> t   arrival n is due when H(t) = n
type pacer struct {
	segments []segment
	total    int64
}

type segment struct {
	start, length float64 // seconds
	from, to      float64 // arrivals a second
	before        float64 // arrivals before it
}

// slope is a time over which a rate goes evenly from From to To, in arrivals a second.
type slope struct {
	Length   time.Duration
	From, To float64
}

// newPacer makes a schedule of successive slopes.
func newPacer(slopes ...slope) pacer {
	var p pacer
	var start, before float64
	for _, s := range slopes {
		if s.Length <= 0 {
			continue
		}
		length := s.Length.Seconds()
		p.segments = append(p.segments, segment{start, length, s.From, s.To, before})
		start += length
		before += (s.From + s.To) / 2 * length
	}
	// An arrival exactly at the end belongs to what comes after.
	p.total = int64(math.Ceil(before - 1e-6))
	return p
}

// Total is the number of arrivals of the whole schedule; they are numbered from 0.
func (p *pacer) Total() int64 { return p.total }

// At is when arrival n is due, from the start; n must be less than Total.
func (p *pacer) At(n int64) time.Duration {
	for i := len(p.segments) - 1; i >= 0; i-- {
		s := &p.segments[i]
		if left := float64(n) - s.before; left >= 0 || i == 0 {
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
func (p *pacer) Before(elapsed time.Duration) int64 {
	lo, hi := int64(0), p.total
	for lo < hi {
		mid := (lo + hi) / 2
		if p.At(mid) < elapsed {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}
