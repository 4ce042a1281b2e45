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

// Runs of empty buckets that together are longer than a number can be are refused.
func TestLatencySumOverflow(t *testing.T) {
	l, err := NewLatency(func() *hdr.Histogram {
		h := NewHistogram()
		_ = h.RecordValue(1)
		return h
	}())
	if err != nil {
		t.Fatal(err)
	}
	outer, err := base64.StdEncoding.DecodeString(l.Hdr)
	if err != nil {
		t.Fatal(err)
	}
	r, err := zlib.NewReader(bytes.NewReader(outer[8:]))
	if err != nil {
		t.Fatal(err)
	}
	inner, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	const header = 40
	for _, end := range []string{"\x02\x02", "\xff\x01", "\x02"} {
		payload := append(bytes.Repeat([]byte("\xff\xff\xff\xff\xff\xff\xff\x7f"), 256), end...)
		hostile := append(slices.Clone(inner[:header]), payload...)
		binary.BigEndian.PutUint32(hostile[4:], uint32(len(payload)))
		var packed bytes.Buffer
		packed.Write(outer[:8])
		w := zlib.NewWriter(&packed)
		if _, err := w.Write(hostile); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		binary.BigEndian.PutUint32(packed.Bytes()[4:], uint32(packed.Len()-8))
		var s LatencySum
		if err := s.Add(&Latency{Hdr: base64.StdEncoding.EncodeToString(packed.Bytes()), Count: 1}); err == nil {
			t.Errorf("%q was added", end)
		}
	}
}
