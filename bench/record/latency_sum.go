package record

import (
	"errors"
	"fmt"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// LatencySum adds latencies, bucket by bucket: the sum is what one histogram of all their values would be. The zero value is empty.
type LatencySum struct{ sum *hdr.PackedHistogram }

// Add adds a latency. The error is ErrNoHistogram, or says how the encoding is damaged.
func (s *LatencySum) Add(l *Latency) error {
	switch {
	case l.Count == 0 && l.Hdr == "":
		return nil
	case l.Hdr == "":
		return ErrNoHistogram
	case len(l.Hdr) > maxText:
		return errors.New("the latency histogram is damaged: it is too long")
	}
	// The packed form takes memory by its values, and not by the range that it claims.
	h, err := hdr.DecodePacked([]byte(l.Hdr))
	if err != nil {
		return fmt.Errorf("the latency histogram is damaged: %w", err)
	}
	if err := l.check(h); err != nil {
		return err
	}
	if s.sum == nil {
		s.sum = h
		return nil
	}
	if s.sum.Merge(h) != 0 {
		return errors.New("the latency histogram is damaged: it has values outside of its range")
	}
	return nil
}

// Latency is the sum.
func (s *LatencySum) Latency() (Latency, error) {
	if s.sum == nil {
		return Latency{}, nil
	}
	return newLatency(s.sum, s.sum.Encode)
}

// Count is how many values there are.
func (s *LatencySum) Count() int64 {
	if s.sum == nil {
		return 0
	}
	return s.sum.TotalCount()
}

// SumNs is the sum of the values, as far as their buckets tell.
func (s *LatencySum) SumNs() float64 {
	if s.sum == nil {
		return 0
	}
	return s.sum.Mean() * float64(s.sum.TotalCount())
}

// Buckets yields the buckets that have values, in their order: the smallest value of each in nanoseconds, and how many it has.
func (s *LatencySum) Buckets(yield func(ns, count int64) bool) {
	if s.sum != nil {
		s.sum.ForEachBucket(yield)
	}
}
