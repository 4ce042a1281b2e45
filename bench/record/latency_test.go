package record

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"lastack/sockstate"
)

func TestLatencyRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	tests := []struct {
		name string
		fill func(h *hdr.Histogram) error
	}{
		{"empty", func(*hdr.Histogram) error { return nil }},
		{"shortest", func(h *hdr.Histogram) error { return h.RecordValue(sockstate.HistogramMin) }},
		{"longest", func(h *hdr.Histogram) error { return h.RecordValue(sockstate.HistogramMax) }},
		{"wide", func(h *hdr.Histogram) error {
			for range 10000 {
				if err := h.RecordValue(1 + int64(math.Exp(rng.Float64()*28))); err != nil {
					return err
				}
			}
			return nil
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := NewHistogram()
			if err := tt.fill(h); err != nil {
				t.Fatal(err)
			}
			l, err := NewLatency(h)
			if err != nil {
				t.Fatal(err)
			}
			back, err := l.Histogram()
			if err != nil {
				t.Fatal(err)
			}
			if !back.Equals(h) {
				t.Error("the histogram changed")
			}
			if l.Count != h.TotalCount() || l.P99Us != float64(Percentile(h, 99))/1e3 || l.MaxUs != float64(h.Max())/1e3 {
				t.Errorf("the summary does not fit: %+v", l)
			}
			if l.MinUs > l.P50Us || l.P50Us > l.P90Us || l.P90Us > l.P99Us || l.P99Us > l.P999Us || l.P999Us > l.MaxUs {
				t.Errorf("not in order: %+v", l)
			}
			both := NewHistogram()
			if n := both.Merge(back) + both.Merge(h); n != 0 {
				t.Errorf("merging dropped %d values", n)
			}
		})
	}
}

func TestLatencyErrors(t *testing.T) {
	if _, err := NewLatency(nil); err == nil {
		t.Error("nil histogram: no error")
	}
	if _, err := NewLatency(hdr.New(1, 1000, 2)); err == nil || !strings.Contains(err.Error(), "cannot be merged") {
		t.Errorf("another range: got %v", err)
	}
	good, err := NewLatency(NewHistogram())
	if err != nil {
		t.Fatal(err)
	}
	other, err := hdr.New(1, 1000, 2).Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		l    Latency
		want string
	}{
		{"absent", Latency{Count: 3}, ErrNoHistogram.Error()},
		{"not base64", Latency{Count: 3, Hdr: "***"}, "damaged"},
		{"short", Latency{Count: 3, Hdr: good.Hdr[:8]}, "damaged"},
		{"cut", Latency{Count: 3, Hdr: good.Hdr[:len(good.Hdr)/8*4]}, "damaged"},
		{"another range", Latency{Hdr: string(other)}, "cannot be merged"},
		{"another count", Latency{Count: 3, Hdr: good.Hdr}, "holds 0 values, its summary says 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.l.Histogram()
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if _, err := (Latency{Count: 3}).Histogram(); !errors.Is(err, ErrNoHistogram) {
		t.Errorf("got %v, want ErrNoHistogram", err)
	}
}

func FuzzLatencyHistogram(f *testing.F) {
	l, err := NewLatency(NewHistogram())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(l.Hdr, int64(0))
	f.Fuzz(func(t *testing.T, s string, n int64) {
		h, err := Latency{Hdr: s, Count: n}.Histogram()
		if err != nil || s == "" {
			return
		}
		if _, err := NewLatency(h); err != nil {
			t.Error(err)
		}
	})
}

// Summarize says what NewLatency says, of histograms of another range too.
func TestSummarize(t *testing.T) {
	h, other := NewHistogram(), hdr.New(1, 1000, 3)
	if got := Summarize(h); got != (Latency{}) {
		t.Errorf("of nothing: %+v", got)
	}
	for v := range int64(1000) {
		if err := errors.Join(h.RecordValue(v+1), other.RecordValue(v+1)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := NewLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	want.Hdr = ""
	if got := Summarize(h); got != want || got.P999Us != 0.999 {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := Summarize(other); got != want {
		t.Errorf("of a histogram up to 1000: %+v, want %+v", got, want)
	}
}

// Quantiles are tops of buckets, and stay within what is exact.
func TestExactly(t *testing.T) {
	l := Latency{Count: 3, MinUs: 1, MeanUs: 2, P50Us: 4.9, P90Us: 7, P99Us: 7, P999Us: 7, MaxUs: 7}
	want := Latency{Count: 3, MinUs: 5, MeanUs: 6, P50Us: 5, P90Us: 6.5, P99Us: 6.5, P999Us: 6.5, MaxUs: 6.5}
	if got := l.Exactly(5, 6, 6.5); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
