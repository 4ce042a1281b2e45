package record

import (
	"errors"
	"fmt"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// The range and precision of every histogram of a run, in nanoseconds: all alike, so
// that any two of them merge without loss.
const (
	HistogramMin    int64 = 1
	HistogramMax          = int64(time.Hour)
	HistogramDigits       = 3
)

// NewHistogram returns an empty histogram of nanoseconds, as Latency holds it.
func NewHistogram() *hdr.Histogram { return hdr.New(HistogramMin, HistogramMax, HistogramDigits) }

// ErrNoHistogram says that a Latency holds its summary only.
var ErrNoHistogram = errors.New("the record holds a summary of this latency but not its histogram (key \"hdr\")")

// NewLatency summarizes a histogram of nanoseconds and encodes it. It must have the range and
// precision of NewHistogram.
func NewLatency(h *hdr.Histogram) (Latency, error) {
	if err := checkGeometry(h); err != nil {
		return Latency{}, err
	}
	encoded, err := h.Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		return Latency{}, fmt.Errorf("encode a latency histogram: %w", err)
	}
	l := Latency{Count: h.TotalCount(), Hdr: string(encoded)}
	if l.Count == 0 {
		return l, nil
	}
	us := func(ns int64) float64 { return float64(ns) / 1e3 }
	l.MinUs = us(h.Min())
	l.MeanUs = h.Mean() / 1e3
	l.P50Us = us(h.ValueAtPercentile(50))
	l.P90Us = us(h.ValueAtPercentile(90))
	l.P99Us = us(h.ValueAtPercentile(99))
	l.P999Us = us(h.ValueAtPercentile(99.9))
	l.MaxUs = us(h.Max())
	return l, nil
}

// Histogram decodes l's histogram of nanoseconds. The error is ErrNoHistogram, or tells how
// the encoding is damaged.
func (l Latency) Histogram() (*hdr.Histogram, error) {
	if l.Hdr == "" {
		if l.Count == 0 {
			return NewHistogram(), nil
		}
		return nil, ErrNoHistogram
	}
	h, err := hdr.Decode([]byte(l.Hdr))
	if err != nil {
		return nil, fmt.Errorf("the latency histogram is damaged: %w", err)
	}
	if err := checkGeometry(h); err != nil {
		return nil, err
	}
	if h.TotalCount() != l.Count {
		return nil, fmt.Errorf("the latency histogram is damaged: it holds %d values, its summary says %d", h.TotalCount(), l.Count)
	}
	return h, nil
}

func checkGeometry(h *hdr.Histogram) error {
	if h == nil {
		return errors.New("there is no latency histogram")
	}
	if h.LowestTrackableValue() != HistogramMin || h.HighestTrackableValue() != HistogramMax || h.SignificantFigures() != HistogramDigits {
		return fmt.Errorf("the latency histogram covers %d to %d ns with %d digits, expected %d to %d with %d: it cannot be merged with others",
			h.LowestTrackableValue(), h.HighestTrackableValue(), h.SignificantFigures(), HistogramMin, HistogramMax, HistogramDigits)
	}
	return nil
}
