package record

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"sync"

	"lastack/sockstate"
)

// decoder decodes histograms without making them, and keeps what each takes: most of the library's time goes into memory for it.
type decoder struct {
	raw, payload []byte
	source       bytes.Reader
	zlib         io.ReadCloser
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

// The header of an encoding, and that of the histogram in it (HdrHistogram's EncodableHistogram, version 2). The bits of cookieFlags vary.
const (
	outerHeader, innerHeader = 8, 40
	outerCookie, innerCookie = 0x1c849304, 0x1c849303
	cookieFlags              = 0xf0
	// mostPayload is one number for each bucket.
	mostPayload = 9 * numBuckets
)

// decode reads an encoded histogram and returns its counts, still encoded, if it is one of NewHistogram's, as this program writes it. It takes
// nothing else: of that, the library says what it is.
func (d *decoder) decode(encoded string) (counts []byte, ok bool) {
	d.raw = append(d.raw[:0], encoded...)
	n, err := base64.StdEncoding.Decode(d.raw, d.raw)
	if err != nil || n < outerHeader || cookie(d.raw) != outerCookie || int(binary.BigEndian.Uint32(d.raw[4:])) != n-outerHeader {
		return nil, false
	}
	d.source.Reset(d.raw[outerHeader:n])
	if !d.inflate() {
		return nil, false
	}
	h := d.payload
	if cookie(h) != innerCookie || int(binary.BigEndian.Uint32(h[4:])) != len(h)-innerHeader || binary.BigEndian.Uint32(h[8:]) != 0 ||
		binary.BigEndian.Uint32(h[12:]) != sockstate.HistogramDigits || int64(binary.BigEndian.Uint64(h[16:])) != sockstate.HistogramMin ||
		int64(binary.BigEndian.Uint64(h[24:])) != sockstate.HistogramMax || math.Float64frombits(binary.BigEndian.Uint64(h[32:])) != 1 {
		return nil, false
	}
	return h[innerHeader:], true
}

func cookie(b []byte) uint32 { return binary.BigEndian.Uint32(b) &^ cookieFlags }

// inflate fills the payload, with the inner header.
func (d *decoder) inflate() bool {
	if r, ok := d.zlib.(zlib.Resetter); !ok {
		var err error
		if d.zlib, err = zlib.NewReader(&d.source); err != nil {
			d.zlib = nil
			return false
		}
	} else if r.Reset(&d.source, nil) != nil {
		return false
	}
	d.payload = d.payload[:0]
	for {
		if len(d.payload) == cap(d.payload) {
			d.payload = append(d.payload, make([]byte, 8<<10)...)[:len(d.payload)]
		}
		n, err := d.zlib.Read(d.payload[len(d.payload):cap(d.payload)])
		d.payload = d.payload[:len(d.payload)+n]
		switch {
		case errors.Is(err, io.EOF):
			return len(d.payload) >= innerHeader
		case err != nil, len(d.payload) > innerHeader+mostPayload:
			return false
		}
	}
}
