package record

import (
	"errors"
	"fmt"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"lastack/sockstate"
)

// NewHistogram returns an empty histogram of nanoseconds with the range and precision of Latency.
func NewHistogram() *hdr.Histogram {
	return hdr.New(sockstate.HistogramMin, sockstate.HistogramMax, sockstate.HistogramDigits)
}

// ErrNoHistogram says that a Latency has only its summary.
var ErrNoHistogram = errors.New("the record holds a summary of this latency but not its histogram (key \"hdr\")")

// NewLatency summarizes a histogram of nanoseconds and encodes it. It must have the range and
// precision of NewHistogram.
func NewLatency(h *hdr.Histogram) (Latency, error) {
	if h == nil {
		return Latency{}, errors.New("there is no latency histogram")
	}
	if err := checkGeometry(h); err != nil {
		return Latency{}, err
	}
	encoded, err := h.EncodeV2()
	if err != nil {
		return Latency{}, fmt.Errorf("encode a latency histogram: %w", err)
	}
	l := Summarize(h)
	l.Hdr = string(encoded)
	return l, nil
}

// Exactly is l with what is known better than from its histogram. A quantile, which is the top of a bucket, is within it.
func (l Latency) Exactly(minUs, meanUs, maxUs float64) Latency {
	l.MinUs, l.MeanUs, l.MaxUs = minUs, meanUs, maxUs
	for _, q := range []*float64{&l.P50Us, &l.P90Us, &l.P99Us, &l.P999Us} {
		*q = min(max(*q, minUs), maxUs)
	}
	return l
}

// Summarize is NewLatency without the encoded histogram, so it cannot be merged and has no other
// percentiles. h, in nanoseconds, may have any range and precision. An empty one makes the zero
// Latency.
func Summarize(h *hdr.Histogram) Latency {
	if h.TotalCount() == 0 {
		return Latency{}
	}
	us := func(ns int64) float64 { return float64(ns) / 1e3 }
	return Latency{
		Count: h.TotalCount(), MinUs: us(h.Min()), MeanUs: h.Mean() / 1e3,
		P50Us: us(Percentile(h, 50)), P90Us: us(Percentile(h, 90)), P99Us: us(Percentile(h, 99)),
		P999Us: us(Percentile(h, 99.9)), MaxUs: us(h.Max()),
	}
}

// Histogram decodes l's histogram of nanoseconds. The error is ErrNoHistogram, or says how the
// encoding is damaged.
func (l Latency) Histogram() (*hdr.Histogram, error) {
	if l.Hdr == "" {
		if l.Count == 0 {
			return NewHistogram(), nil
		}
		return nil, ErrNoHistogram
	}
	if err := checkHistogram(l.Hdr); err != nil {
		return nil, err
	}
	h, err := hdr.Decode([]byte(l.Hdr))
	if err != nil {
		return nil, fmt.Errorf("the latency histogram is damaged: %w", err)
	}
	return h, l.check(h)
}

// histogram is one of the library's, dense or packed.
type histogram interface {
	TotalCount() int64
	LowestTrackableValue() int64
	HighestTrackableValue() int64
	SignificantFigures() int64
}

// check compares what was decoded with the summary.
func (l Latency) check(h histogram) error {
	if err := checkGeometry(h); err != nil {
		return err
	}
	return l.checkCount(h.TotalCount())
}

func (l *Latency) checkCount(n int64) error {
	if n != l.Count {
		return fmt.Errorf("the latency histogram is damaged: it holds %d values, its summary says %d", n, l.Count)
	}
	return nil
}

func checkGeometry(h histogram) error {
	return checkRange(h.LowestTrackableValue(), h.HighestTrackableValue(), h.SignificantFigures())
}

func checkRange(low, high, digits int64) error {
	if low != sockstate.HistogramMin || high != sockstate.HistogramMax || digits != sockstate.HistogramDigits {
		return fmt.Errorf("the latency histogram covers %d to %d ns with %d digits, expected %d to %d with %d: it cannot be merged with others",
			low, high, digits, sockstate.HistogramMin, sockstate.HistogramMax, sockstate.HistogramDigits)
	}
	return nil
}
