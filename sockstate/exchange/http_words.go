package exchange

// words is a sorted list of at most seven lowercase words of at most 30 bytes. It
// matches a word byte by byte without storing it. The matcher is a byte, initially 0: the
// word's index in the high bits, the number of matched bytes in the low ones.
type words []string

const (
	noWord    = 0xff
	wordShift = 5
)

// next is the matcher after one more byte, in either case.
func (w words) next(m, c byte) byte {
	if m == noWord {
		return noWord
	}
	if c >= 'A' && c <= 'Z' {
		c |= 0x20
	}
	i, at := int(m>>wordShift), int(m&(1<<wordShift-1))
	if s := w[i]; at < len(s) && s[at] == c {
		return m + 1
	}
	return w.turn(i, at, c)
}

// turn finds another word that has the first at bytes of word i and then c.
func (w words) turn(i, at int, c byte) byte {
	begin := w[i][:at]
	for i++; i < len(w) && len(w[i]) > at && w[i][at] <= c; i++ {
		if w[i][at] == c && w[i][:at] == begin {
			return byte(i<<wordShift | at + 1)
		}
	}
	return noWord
}

// match is the index of the completely matched word, or -1.
func (w words) match(m byte) int {
	if m == noWord {
		return -1
	}
	if i := int(m >> wordShift); len(w[i]) == int(m&(1<<wordShift-1)) {
		return i
	}
	return -1
}

const (
	fieldConnection = iota
	fieldContentLength
	fieldExpect
	fieldHost
	fieldTrailer
	fieldTransferEncoding
)

var fields = words{
	fieldConnection:       "connection",
	fieldContentLength:    "content-length",
	fieldExpect:           "expect",
	fieldHost:             "host",
	fieldTrailer:          "trailer",
	fieldTransferEncoding: "transfer-encoding",
}

// firstOfField is fields' matcher after each first byte: it rules out most names at once.
var firstOfField = func() (t [256]byte) {
	for c := range t {
		t[c] = fields.next(0, byte(c))
	}
	return t
}()

const (
	itemContinue = iota
	itemChunked
	itemClose
	itemContentLength
	itemKeepAlive
	itemTrailer
	itemTransferEncoding
)

var items = words{
	itemContinue:         "100-continue",
	itemChunked:          "chunked",
	itemClose:            "close",
	itemContentLength:    "content-length",
	itemKeepAlive:        "keep-alive",
	itemTrailer:          "trailer",
	itemTransferEncoding: "transfer-encoding",
}
