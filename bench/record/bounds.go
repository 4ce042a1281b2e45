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

// Limits for a record to read. A decoded value takes more memory than its text: the three bytes of {} and a comma may become an
// Interval of a third of a kilobyte. So values are counted before they are decoded, which keeps memory within about
// thirty times the text. No run comes close: a day's timeline at one sample per second has 520,000 objects.
const (
	maxDepth = 64
	// maxText is the longest string in bytes. A histogram takes less than half of it.
	maxText = 1 << 20
	// maxTexts is the most bytes of all strings longer than longText, which are searched for secrets and wrapped. Histograms
	// do not count.
	maxTexts, longText = 16 << 20, 1 << 10
	// maxValues and maxContainers (objects and arrays) apply to the whole record. It must have minText bytes per container
	// beyond the first fewContainers.
	maxValues     = 32 << 20
	maxContainers = 4 << 20
	minText       = 16
	fewContainers = 1000
	// maxKeys applies to an object, maxItems to an array; limitOf has the exceptions.
	maxKeys  = 10_000
	maxItems = 10_000
	// maxIntervals applies to a timeline. A week at one sample per second has 604,800.
	maxIntervals = 700_000
)

// limitOf is the most values in the value of a key. It is 0 if only the limits of the whole record apply: there may be many sources, and a
// drain has a slice for each tenth of a second.
func limitOf(key string, array bool) int {
	switch {
	case strings.EqualFold(key, "latency"):
		return 100 // each may have a histogram, which takes a quarter of a megabyte
	case !array:
		return maxKeys
	case strings.EqualFold(key, "timeline"):
		return maxIntervals
	case strings.EqualFold(key, "slices"), strings.EqualFold(key, "moments"),
		strings.EqualFold(key, "sources"), strings.EqualFold(key, "targets"), strings.EqualFold(key, "port_pairs"):
		return 0
	}
	return maxItems
}

// container is an object or array that checkLimits has entered.
type container struct {
	key   string // its key, or that of the outermost array around it
	array bool
	n     int
	limit int
}

// checkLimits counts the values of valid JSON, and refuses what would take too much memory or time.
func checkLimits(b []byte) error {
	var stack []container
	values, containers, texts := 0, 0, 0
	key, isKey := "", false
	tooMuch := func(format string, args ...any) error {
		return newFault(faultTooLarge, nil, "this is not a run record: "+format+"; %s", append(args, wantFile)...)
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
				return tooMuch("its objects are nested more than %d deep", maxDepth)
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

// stringEnd is the index of the quote that ends the string that begins at i.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		n := bytes.IndexAny(b[i:], `"\`)
		if n < 0 {
			break
		}
		if i += n; b[i] == '"' {
			return i
		}
		i++ // the escaped byte
	}
	return len(b)
}

// checkHistogram checks an encoded histogram's header before the library allocates memory for the range that it claims:
// five digits up to 2^63 would take 50 MB.
func checkHistogram(encoded string) error {
	if len(encoded) > maxText {
		return errors.New("the latency histogram is damaged: it is too long")
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
