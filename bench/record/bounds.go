package record

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"strings"
)

// The bounds of a record that is read. Decoded, a value takes more memory than its text: three bytes, {}, may be an
// Interval of a third of a kilobyte. So values are counted before they are decoded, and memory stays within some
// thirty times the text. No run comes near: a day's timeline at one sample a second has 450,000 objects.
const (
	maxDepth = 64
	// maxText is the most bytes of a string; a histogram has less than half of it.
	maxText = 1 << 20
	// maxTexts is the most bytes of all strings longer than longText: each is looked through for secrets, and broken into lines.
	// Histograms are not among them.
	maxTexts, longText = 16 << 20, 1 << 10
	// maxValues and maxContainers (objects and arrays) are of the whole record, which has minText bytes of text for each container.
	maxValues     = 32 << 20
	maxContainers = 4 << 20
	minText       = 16
	fewContainers = 1000 // need no such text
	// maxKeys is of an object, maxItems of an array that is shown item by item; both of what is not in limitOf.
	maxKeys  = 10_000
	maxItems = 10_000
)

// limitOf bounds what the value of a key holds, 0 if nothing but the sums do: a timeline has a row for each sample, and sources may
// be many.
func limitOf(key string, array bool) int {
	switch {
	case strings.EqualFold(key, "latency"):
		return 100 // each may bring a histogram, of which a quarter of a megabyte is decoded
	case !array:
		return maxKeys
	case strings.EqualFold(key, "timeline"), strings.EqualFold(key, "slices"), strings.EqualFold(key, "moments"),
		strings.EqualFold(key, "sources"), strings.EqualFold(key, "targets"), strings.EqualFold(key, "port_pairs"):
		return 0
	}
	return maxItems
}

// container is an object or array that limits has entered.
type container struct {
	key   string // that holds it, or that holds the arrays in which it lies
	array bool
	n     int
	limit int
}

// checkLimits counts what valid JSON holds, and refuses what would take absurd memory or time.
func checkLimits(b []byte) error {
	var stack []container
	values, containers, texts := 0, 0, 0
	key, isKey := "", false
	tooMuch := func(format string, args ...any) error {
		return fault(FaultTooLarge, nil, "this is no record of a run: "+format+"; %s", append(args, wantFile)...)
	}
	for i := 0; i < len(b); i++ {
		switch c := b[i]; c {
		case '"':
			end := stringEnd(b, i)
			if end-i > maxText {
				return tooMuch("a text in %.60q has more than %d bytes", key, maxText)
			}
			if end-i > longText && (isKey || !strings.EqualFold(key, "hdr")) {
				if texts += end - i; texts > maxTexts {
					return tooMuch("its long texts have more than %d bytes", maxTexts)
				}
			}
			if isKey {
				key = string(b[i+1 : min(end, i+100)])
			}
			i = end
		case '{', '[':
			if containers++; containers > min(maxContainers, fewContainers+len(b)/minText) {
				return tooMuch("%.60q has more objects than a run makes", key)
			}
			if len(stack) == maxDepth {
				return tooMuch("its objects lie in each other more than %d deep", maxDepth)
			}
			stack = append(stack, container{key: key, array: c == '[', limit: limitOf(key, c == '[')})
			isKey = c == '{'
		case '}', ']':
			if len(stack) == 0 {
				return nil // not valid JSON: the decoder says so
			}
			key, isKey = stack[len(stack)-1].key, false
			stack = stack[:len(stack)-1]
		case ':':
			isKey = false
		case ',':
			if len(stack) == 0 {
				return nil
			}
			s := &stack[len(stack)-1]
			if isKey = !s.array; s.array {
				key = s.key
			}
			// Of n values, n-1 have a comma.
			if s.n++; s.limit > 0 && s.n >= s.limit {
				return tooMuch("%.60q holds more than %d values", s.key, s.limit)
			}
			if values++; values > maxValues {
				return tooMuch("it holds more than %d values", maxValues)
			}
		}
	}
	return nil
}

// stringEnd is the index of the quote that ends the string which begins at i.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		n := bytes.IndexAny(b[i:], `"\`)
		if n < 0 {
			break
		}
		if i += n; b[i] == '"' {
			return i
		}
		i++ // what is escaped
	}
	return len(b)
}

// checkHistogram looks at an encoded histogram's header before the library makes room for what it claims: of five
// digits up to 2^63, 50 MB.
func checkHistogram(encoded string) error {
	if len(encoded) > maxText {
		return errors.New("the latency histogram is damaged: it is longer than any")
	}
	const before, header = 8, 40
	r := base64.NewDecoder(base64.StdEncoding, strings.NewReader(encoded))
	if _, err := io.CopyN(io.Discard, r, before); err != nil {
		return nil // the library says what is wrong
	}
	z, err := zlib.NewReader(r)
	if err != nil {
		return nil // likewise
	}
	defer z.Close()
	head := make([]byte, header)
	if _, err := io.ReadFull(z, head); err != nil {
		return nil // likewise
	}
	digits, low, high := int32(binary.BigEndian.Uint32(head[12:])), int64(binary.BigEndian.Uint64(head[16:])), int64(binary.BigEndian.Uint64(head[24:]))
	return checkRange(low, high, int64(digits))
}
