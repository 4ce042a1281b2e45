package record

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"sync"

	"lastack/sockstate"
)

// decoder decodes histograms without making them, and keeps what each takes: most of the library's time goes into memory for it.
type decoder struct {
	raw, payload []byte
	inflater     inflater
	steps        steps
}

var decoders = sync.Pool{New: func() any {
	d := new(decoder)
	d.steps.make()
	return d
}}

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
	d.payload, ok = d.inflater.inflate(d.payload[:0], d.raw[outerHeader:n], innerHeader+mostPayload)
	h := d.payload
	if !ok || len(h) < innerHeader || cookie(h) != innerCookie || int(binary.BigEndian.Uint32(h[4:])) != len(h)-innerHeader || binary.BigEndian.Uint32(h[8:]) != 0 ||
		binary.BigEndian.Uint32(h[12:]) != sockstate.HistogramDigits || int64(binary.BigEndian.Uint64(h[16:])) != sockstate.HistogramMin ||
		int64(binary.BigEndian.Uint64(h[24:])) != sockstate.HistogramMax || math.Float64frombits(binary.BigEndian.Uint64(h[32:])) != 1 {
		return nil, false
	}
	return h[innerHeader:], true
}

func cookie(b []byte) uint32 { return binary.BigEndian.Uint32(b) &^ cookieFlags }
