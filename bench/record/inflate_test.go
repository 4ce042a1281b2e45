package record

import (
	"bytes"
	"compress/zlib"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// deflated are texts of all kinds of blocks.
func deflated(tb testing.TB) (all [][]byte) {
	tb.Helper()
	rng := rand.New(rand.NewPCG(1, 1))
	noise, skewed := make([]byte, 70_000), make([]byte, 70_000)
	for i := range noise {
		noise[i], skewed[i] = byte(rng.Uint32()), byte(rng.ExpFloat64()*20)
	}
	for _, text := range [][]byte{
		{},
		{7},
		[]byte("lastack"), []byte(strings.Repeat("a", 1000)), []byte(strings.Repeat("abc", 30_000)), noise[:100], noise, skewed[:3000], skewed,
		append(append([]byte{}, noise[:32768]...), noise...), bytes.Repeat(skewed[:500], 9),
	} {
		for level := zlib.HuffmanOnly; level <= zlib.BestCompression; level++ {
			var b bytes.Buffer
			w, err := zlib.NewWriterLevel(&b, level)
			if err == nil {
				_, err = w.Write(text)
			}
			if err == nil {
				err = w.Close()
			}
			if err != nil {
				tb.Fatal(err)
			}
			all = append(all, b.Bytes())
		}
	}
	return all
}

const mostInflated = 200_000

func inflatedByLibrary(b []byte) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, mostInflated+1))
}

// What zlib compressed comes back.
func TestInflate(t *testing.T) {
	t.Parallel()
	z := new(inflater)
	for _, b := range deflated(t) {
		want, err := inflatedByLibrary(b)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := z.inflate(nil, bytes.Clone(b), mostInflated); !ok || !bytes.Equal(got, want) {
			t.Errorf("%x...: %t, %d bytes, want %d", b[:8], ok, len(got), len(want))
		}
		if len(want) > 1 {
			if _, ok := z.inflate(nil, bytes.Clone(b), len(want)-1); ok {
				t.Errorf("%d bytes are more than asked for", len(want))
			}
		}
	}
}

// What this takes, the library takes, and both make the same of it.
func FuzzInflate(f *testing.F) {
	for _, b := range deflated(f) {
		if len(b) < 5000 {
			f.Add(b)
		}
	}
	z := new(inflater)
	f.Fuzz(func(t *testing.T, b []byte) {
		got, ok := z.inflate(nil, bytes.Clone(b), mostInflated)
		if !ok {
			return
		}
		if want, err := inflatedByLibrary(b); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes, the library has %d (%v)", len(got), len(want), err)
		}
	})
}
