package record

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"math"
	"sync"

	"lastack/sockstate"
)

// encoder encodes sums as the library encodes histograms, byte by byte, and keeps what that takes: the library allocates a megabyte for each.
type encoder struct {
	text []byte // before it is compressed
	out  bytes.Buffer
	zlib *zlib.Writer
}

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	// Only a level that there is not is an error.
	e.zlib, _ = zlib.NewWriterLevel(&e.out, zlib.BestCompression)
	return e
}}

// encode is the opposite of decode.
func (e *encoder) encode(s *LatencySum) ([]byte, error) {
	const written = 0x10 // in the cookies: counts have one byte or more
	b := append(e.text[:0], make([]byte, innerHeader)...)
	next := int64(0) // the bucket that follows
	for i, n := range s.counts {
		if empty := int64(i) - next; empty > 1 {
			b = binary.AppendVarint(b, -empty)
		} else if empty == 1 {
			b = append(b, 0)
		}
		b = appendCount(b, n)
		next = int64(i) + 1
	}
	binary.BigEndian.PutUint32(b, innerCookie|written)
	binary.BigEndian.PutUint32(b[4:], uint32(len(b)-innerHeader))
	binary.BigEndian.PutUint32(b[12:], sockstate.HistogramDigits)
	binary.BigEndian.PutUint64(b[16:], uint64(sockstate.HistogramMin))
	binary.BigEndian.PutUint64(b[24:], uint64(sockstate.HistogramMax))
	binary.BigEndian.PutUint64(b[32:], math.Float64bits(1))
	e.text = b

	e.out.Reset()
	e.out.Write(make([]byte, outerHeader))
	e.zlib.Reset(&e.out)
	if _, err := e.zlib.Write(b); err != nil {
		return nil, err
	}
	if err := e.zlib.Close(); err != nil {
		return nil, err
	}
	out := e.out.Bytes()
	binary.BigEndian.PutUint32(out, outerCookie|written)
	binary.BigEndian.PutUint32(out[4:], uint32(len(out)-outerHeader))
	return base64.StdEncoding.AppendEncode(nil, out), nil
}

// appendCount appends a count as HdrHistogram writes numbers: in nine bytes at most, of which the ninth has eight bits of the number. A varint's
// has seven, and the bit that says that the number goes on. They differ in what follows only: a one.
func appendCount(b []byte, n int64) []byte {
	const most = 9
	start := len(b)
	b = binary.AppendVarint(b, n)
	return b[:min(len(b), start+most)]
}
