package record

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/go-cmp/cmp"

	"lastack/sockstate"
)

// A sum is what the library makes of the same: byte by byte, over the whole range, and with counts beyond 32 bits.
func TestLatencySum(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(3, 3))
	for range 20 {
		var sum LatencySum
		all := NewHistogram()
		for range 1 + rng.IntN(5) {
			h := NewHistogram()
			for range rng.IntN(3000) {
				n := int64(1)
				if rng.IntN(50) == 0 {
					n = 1 << rng.IntN(40)
				}
				v := int64(math.Exp(rng.Float64() * math.Log(float64(sockstate.HistogramMax))))
				if rng.IntN(100) == 0 {
					v = []int64{1, 2047, 2048, 2049, sockstate.HistogramMax}[rng.IntN(5)]
				}
				if err := h.RecordValues(v, n); err != nil {
					t.Fatal(err)
				}
			}
			all.Merge(h)
			l, err := NewLatency(h)
			if err == nil {
				err = sum.Add(&l)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		want, err := NewLatency(all)
		if err != nil {
			t.Fatal(err)
		}
		if all.TotalCount() == 0 {
			want = Latency{}
		}
		got, err := sum.Latency()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
		if mean := all.Mean() * float64(all.TotalCount()); math.Abs(sum.SumNs()-mean) > 1e-9*mean {
			t.Errorf("the sum is %g, want %g", sum.SumNs(), mean)
		}
	}
}

// What is damaged leaves a sum as it was; what is encoded in another way is added as the library reads it.
func FuzzLatencySum(f *testing.F) {
	h := NewHistogram()
	for v := int64(1); v < 1e9; v *= 3 {
		if err := h.RecordValues(v, v); err != nil {
			f.Fatal(err)
		}
	}
	l, err := NewLatency(h)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(l.Hdr, l.Count)
	f.Add(l.Hdr[:len(l.Hdr)/2], l.Count)
	f.Add("HISTFAAAABx4nJNpmSzMwMBQzAADzFBaEUzeAQoAF5sCLQ==", int64(1))
	f.Fuzz(func(t *testing.T, encoded string, n int64) {
		var s LatencySum
		if err := s.Add(&l); err != nil {
			t.Fatal(err)
		}
		one := Latency{Hdr: encoded, Count: n}
		err := s.Add(&one)
		want := h
		lib, lerr := hdr.DecodePacked([]byte(encoded))
		if err == nil && encoded != "" {
			if lerr != nil || lib.TotalCount() != n {
				t.Fatalf("added, but the library says %v", lerr)
			}
			want = NewHistogram()
			want.Merge(h)
			lib.MergeInto(want)
		}
		got, gerr := s.Latency()
		w, werr := NewLatency(want)
		if gerr != nil || werr != nil {
			t.Fatal(gerr, werr)
		}
		if d := cmp.Diff(w, got); d != "" {
			t.Error(d)
		}
	})
}

// encoded is a histogram whose buckets are encoded as given.
func encoded(t *testing.T, counts []byte) string {
	t.Helper()
	h := NewHistogram()
	if err := h.RecordValue(1); err != nil {
		t.Fatal(err)
	}
	l, err := NewLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	outer, err := base64.StdEncoding.DecodeString(l.Hdr)
	if err != nil {
		t.Fatal(err)
	}
	r, err := zlib.NewReader(bytes.NewReader(outer[outerHeader:]))
	if err != nil {
		t.Fatal(err)
	}
	inner, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	inner = append(inner[:innerHeader], counts...)
	binary.BigEndian.PutUint32(inner[4:], uint32(len(counts)))
	var packed bytes.Buffer
	packed.Write(outer[:outerHeader])
	w := zlib.NewWriter(&packed)
	if _, err := w.Write(inner); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	binary.BigEndian.PutUint32(packed.Bytes()[4:], uint32(packed.Len()-outerHeader))
	return base64.StdEncoding.EncodeToString(packed.Bytes())
}

// Runs of empty buckets that together are longer than a number can be are refused.
func TestLatencySumOverflow(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"\x02\x02", "\xff\x01", "\x02"} {
		counts := append(bytes.Repeat([]byte("\xff\xff\xff\xff\xff\xff\xff\x7f"), 256), end...)
		var s LatencySum
		if err := s.Add(&Latency{Hdr: encoded(t, counts), Count: 1}); err == nil {
			t.Errorf("%q was added", end)
		}
	}
}

// Buckets that have more values than a number can be are refused, and none of them is added.
func TestLatencySumSaturated(t *testing.T) {
	t.Parallel()
	most := appendCount(nil, math.MaxInt64)
	for name, counts := range map[string][]byte{
		"two of the most":     append(slices.Clone(most), most...),
		"the most, and one":   append(slices.Clone(most), 2),
		"one before the most": append([]byte{2}, most...),
		"three":               append(append(slices.Clone(most), most...), 4),
	} {
		var s LatencySum
		err := s.Add(&Latency{Hdr: encoded(t, counts), Count: math.MaxInt64})
		if err == nil || s.Count() != 0 || s.SumNs() != 0 {
			t.Errorf("%s: %v, count %d, sum %g", name, err, s.Count(), s.SumNs())
		}
	}
}

// The largest counts are encoded as the library does it, and come back.
func TestLatencySumLargeCounts(t *testing.T) {
	t.Parallel()
	for _, n := range []int64{1<<55 - 1, 1 << 55, 1<<62 - 1, 1 << 62, 1<<62 + 1<<61 + 3, math.MaxInt64} {
		h := NewHistogram()
		if err := h.RecordValues(1000, n); err != nil {
			t.Fatal(err)
		}
		want, err := NewLatency(h)
		if err != nil {
			t.Fatal(err)
		}
		var s LatencySum
		if err := s.Add(&want); err != nil {
			t.Fatalf("%d: %v", n, err)
		}
		got, err := s.Latency()
		if d := cmp.Diff(want.Hdr, got.Hdr); d != "" || err != nil || got.Count != n {
			t.Errorf("%d: count %d, %v %s", n, got.Count, err, d)
		}
	}
}
