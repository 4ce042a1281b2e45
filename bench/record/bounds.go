package record

import (
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"strings"
)

// Limits for a record to read. A decoded value takes more memory than its text: the three bytes of {} and a comma may become an
// Interval of a third of a kilobyte. So values are counted while the text is read, before any is decoded. No run comes close: a day's
// timeline at one sample per second has 520,000 objects.
const (
	// maxSize is the size in bytes of the largest record: more than the longest Timeline takes. maxRest is that of the text outside the timeline, maxBlank of white space before the record.
	maxSize  = 512 << 20
	maxRest  = 128 << 20
	maxBlank = 1 << 20
	// maxJournal is the size in bytes of the longest journal: a search is there once for each of its loads. maxPart is that of a line.
	maxJournal = 2 << 30
	maxPart    = 32 << 20
	maxDepth   = 64
	// maxText is the longest string in bytes. A histogram takes less than half of it.
	maxText = 1 << 20
	// maxTexts is the most bytes of all strings longer than longText, which are searched for secrets and wrapped. Histograms
	// do not count.
	maxTexts, longText = 16 << 20, 1 << 10
	// maxValues and maxContainers (objects and arrays) apply to the whole record, maxRestValues and maxRestContainers to what is outside
	// the timeline. There must be minText bytes per container beyond the first fewContainers.
	maxValues         = 32 << 20
	maxContainers     = 4 << 20
	maxRestValues     = 4 << 20
	maxRestContainers = 1 << 20
	minText           = 16
	fewContainers     = 20_000
	// maxScalar is the longest number in bytes.
	maxScalar = 1000
	// maxKeys applies to an object, maxItems to an array; limitOf has the exceptions.
	maxKeys  = 10_000
	maxItems = 10_000
	// maxIntervals applies to a timeline. Those of older versions were not folded; a week at one sample per second has 604,800.
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
