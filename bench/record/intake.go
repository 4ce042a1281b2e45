package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// intake reads the text of a record. It checks the limits while it reads, so that what no run makes is refused where it exceeds one, and
// it takes the intervals out of the timeline, so that a long one needs not be in one piece to be decoded. It knows JSON only as far as
// that takes: where the text cannot be JSON, it stops, and the decoder says what is wrong.
type intake struct {
	// rest is the text without the elements of the timeline, which were cut out at the index cut. They are in timeline.
	rest     []byte
	cut      int
	timeline []piece

	blank int64 // bytes before the text
	size  int64 // bytes read, with those
	limit int64
	// pieceSize is how long a piece becomes before the next begins.
	pieceSize int
	// stopped: what follows is no JSON, or a second value.
	stopped bool
	// one: what follows the value is somebody else's. ended: the value has been read. cutOff: it has not, and another began at a line's beginning.
	one, ended, cutOff bool
	// newLine: the last byte ended a line.
	newLine bool

	stack  []container
	inText bool
	// escaped: the byte before was a backslash in a text.
	escaped bool
	text    int  // bytes of the text or number so far
	gap     int  // bytes of the white space so far
	last    byte // the last byte that is not white space, outside of texts
	isKey   bool
	key     string
	// cutting: the text is a histogram of the timeline, and goes to histogram.
	cutting   bool
	histogram []byte
	kept      strings.Builder   // the histograms so far
	letters   []byte            // of a key, as far as it counts
	keys      map[string]string // the keys met, so that each is made once

	inTimeline                bool
	values, containers, texts int
	restValues, restObjects   int
}

// piece is a JSON array of some elements of the timeline. The first of them was at the byte at.
type piece struct {
	text []byte
	at   int64
	// histograms were cut out of the text, see cutHistogram.
	histograms []histogramText
	restored   bool
}

// A piece has pieceSize bytes before the next begins, and an interval too long for maxPiece is none.
const pieceSize, maxPiece = 1 << 20, 32 << 20

// spare is room for the interval with which a piece becomes long enough, so that it is not copied.
const spare = 64 << 10

// manyKeys is more different keys than records have, unless what others named is among them.
const manyKeys = 1000

// container is an object or array that the intake has entered.
type container struct {
	key   string // its key, or that of the outermost array around it
	array bool
	n     int
	limit int
}

func newIntake(blank, limit int64) *intake {
	return &intake{blank: blank, size: blank, limit: limit, pieceSize: pieceSize, keys: make(map[string]string)}
}

// take reads r to the end, or until it cannot be a record. buf is room to read it.
func (in *intake) take(r io.Reader, buf []byte) error {
	for !in.stopped {
		n, err := r.Read(buf)
		if ferr := in.scan(buf[:n]); ferr != nil {
			return ferr
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the run record: %w", err)
		case in.size > in.limit:
			return tooLarge(in.limit)
		}
	}
	return nil
}

// takeOne takes a value, and leaves what follows it.
func (in *intake) takeOne(r *bufio.Reader) error {
	in.one = true
	for !in.stopped && !in.ended {
		if _, err := r.Peek(1); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read the run record: %w", err)
		}
		b, _ := r.Peek(r.Buffered())
		before := in.size
		if err := in.scan(b); err != nil {
			return err
		}
		if _, err := r.Discard(int(in.size - before)); err != nil {
			return fmt.Errorf("read the run record: %w", err)
		}
		if in.size > in.limit {
			return tooLarge(in.limit)
		}
	}
	return nil
}

func tooMuch(format string, args ...any) *formatError {
	return newFault(faultTooLarge, nil, "this is not a run record: "+format+"; %s", append(args, wantFile)...)
}

// scan takes the next bytes.
func (in *intake) scan(b []byte) error {
	done := 0 // what is before is stored
	store := func(end int) {
		if in.inTimeline {
			p := &in.timeline[len(in.timeline)-1]
			p.text = append(p.text, b[done:end]...)
		} else {
			in.rest = append(in.rest, b[done:end]...)
		}
		done = end
	}
	for i := 0; i < len(b); i++ {
		if in.inText {
			n, err := in.scanText(b[i:])
			if err != nil {
				return err
			}
			if in.cutting {
				end := i + n
				if !in.inText {
					end-- // its quote
				}
				in.histogram = append(in.histogram, b[i:end]...)
				done = end
				if !in.inText {
					in.cutHistogram()
				}
			}
			if in.stopped {
				b = b[:i+n]
			}
			i += n - 1
			continue
		}
		c, before := b[i], in.last
		if !isBlank(c) {
			in.last = c
		}
		if isScalar(c) && len(in.stack) > 0 {
			if in.text++; in.text > maxScalar {
				return tooMuch("a number in %.60q has more than %d bytes", in.key, maxScalar)
			}
			continue
		}
		in.text = 0
		if isBlank(c) {
			if in.gap++; in.gap > maxBlank {
				return tooMuch("it has more than %d MiB of white space in one place", maxBlank>>20)
			}
			continue
		}
		in.gap = 0
		switch {
		case len(in.stack) == 0 && (c != '{' || in.containers > 0):
			in.stopped = true
		case c == '{' && in.one && (i > 0 && b[i-1] == '\n' || i == 0 && in.newLine) && len(in.stack) > 0:
			in.stopped, in.cutOff = true, true
		case c == '"':
			in.inText, in.letters = true, in.letters[:0]
			if in.inTimeline && !in.isKey && strings.EqualFold(in.key, "hdr") {
				store(i + 1)
				in.cutting, in.histogram = true, in.histogram[:0]
			}
		case c == '{' || c == '[':
			if err := in.enter(c == '[', i); err != nil {
				return err
			}
			if c == '[' && before == ':' && len(in.stack) == 2 && strings.EqualFold(in.key, "timeline") {
				store(i + 1)
				in.cut, in.timeline, in.inTimeline = len(in.rest), nil, true
				in.begin(in.size + int64(i) + 1)
			}
		case c == '}' || c == ']':
			s := in.stack[len(in.stack)-1]
			if s.array != (c == ']') {
				in.stopped = true
				break
			}
			in.stack = in.stack[:len(in.stack)-1]
			in.key, in.isKey = s.key, false
			if in.inTimeline && len(in.stack) == 1 {
				store(i)
				in.end(false)
				in.inTimeline = false
			}
			if in.ended = in.one && len(in.stack) == 0; in.ended {
				b = b[:i+1]
			}
		case c == ':':
			in.stopped = !in.isKey
			in.isKey = false
		case c == ',':
			if err := in.count(); err != nil {
				return err
			}
			if in.inTimeline && len(in.stack) == 2 && len(in.timeline[len(in.timeline)-1].text)+i-done >= in.pieceSize {
				store(i)
				done = i + 1
				in.end(true)
				in.begin(in.size + int64(i) + 1)
			}
		default:
			in.stopped = true
		}
		switch {
		case in.cutOff:
			b = b[:i]
		case in.stopped:
			b = b[:i+1]
		}
	}
	store(len(b))
	if len(b) > 0 {
		in.newLine = b[len(b)-1] == '\n'
	}
	in.size += int64(len(b))
	switch {
	case len(in.rest) > maxRest:
		return tooMuch("it has more than %d MiB beside its timeline", maxRest>>20)
	case in.inTimeline && len(in.timeline[len(in.timeline)-1].text) > maxPiece:
		return tooMuch("an interval of its timeline has more than %d MiB", maxPiece>>20)
	}
	return nil
}

// begin begins a piece of the timeline, end ends it.
func (in *intake) begin(at int64) {
	room := spare
	if len(in.timeline) > 0 {
		room += in.pieceSize
	}
	in.timeline = append(in.timeline, piece{text: append(make([]byte, 0, room), '['), at: at})
}

func (in *intake) end(comma bool) {
	p := &in.timeline[len(in.timeline)-1]
	empty := len(bytes.TrimSpace(p.text)) == 1
	if empty && len(in.timeline) > 1 {
		// Nothing after a comma is an error, but the comma is in no piece.
		const instead = "null,"
		p.text = slices.Insert(p.text, 1, []byte(instead)...)
		p.at -= int64(len(instead))
	}
	if empty && comma {
		p.text = append(p.text, ',')
	}
	p.text = append(p.text, ']')
}

// scanText takes what belongs to a text, and returns how much that is. Of records that follow each other one ends with its line if it is in a text there.
func (in *intake) scanText(b []byte) (n int, err error) {
	for n < len(b) && in.inText && !in.stopped {
		switch {
		case in.escaped:
			in.escaped = false
			n++
		case b[n] == '"':
			in.inText = false
			n++
		case b[n] == '\\':
			in.escaped = true
			n++
		default:
			m := bytes.IndexByte(b[n:], '"')
			if m < 0 {
				m = len(b) - n
			}
			if at := bytes.IndexByte(b[n:n+m], '\\'); at >= 0 {
				m = at
			}
			if in.one {
				if at := bytes.IndexByte(b[n:n+m], '\n'); at >= 0 {
					m, in.stopped = at, true
				}
			}
			n += m
		}
	}
	if in.isKey {
		in.letters = append(in.letters, b[:min(n, max(0, 100-len(in.letters)))]...)
	}
	if in.text += n; in.text > maxText {
		return n, tooMuch("a text in %.60q has more than %d bytes", in.key, maxText)
	}
	if in.inText {
		return n, nil
	}
	if in.text > longText && (in.isKey || !strings.EqualFold(in.key, "hdr")) {
		if in.texts += in.text; in.texts > maxTexts {
			return n, tooMuch("its long texts have more than %d bytes", maxTexts)
		}
	}
	if in.isKey {
		in.setKey(bytes.TrimSuffix(in.letters, []byte(`"`)))
	}
	in.text = 0
	return n, nil
}

func (in *intake) setKey(letters []byte) {
	if in.inTimeline && bytes.IndexByte(letters, '\\') >= 0 {
		in.timeline[len(in.timeline)-1].restore()
	}
	key, known := in.keys[string(letters)]
	if !known {
		key = string(letters)
		if len(in.keys) < manyKeys {
			in.keys[key] = key
		}
	}
	in.key = key
}

// enter enters an object or an array, which begins ahead bytes after what was counted.
func (in *intake) enter(array bool, ahead int) error {
	in.containers++
	most := min(maxContainers, fewContainers+int(in.size-in.blank+int64(ahead))/minText)
	if !in.inTimeline {
		in.restObjects++
	}
	switch {
	case in.containers > most || in.restObjects > maxRestContainers:
		return tooMuch("%.60q has more objects than a run makes", in.key)
	case len(in.stack) == maxDepth:
		return tooMuch("its objects are nested more than %d deep", maxDepth)
	}
	in.stack = append(in.stack, container{key: in.key, array: array, limit: limitOf(in.key, array)})
	in.isKey = !array
	return nil
}

// count counts a value that ends with a comma. Of n values, n-1 do.
func (in *intake) count() error {
	s := &in.stack[len(in.stack)-1]
	in.key, in.isKey = s.key, !s.array
	s.n++
	in.values++
	if !in.inTimeline {
		in.restValues++
	}
	switch {
	case s.limit > 0 && s.n >= s.limit:
		return tooMuch("%.60q holds more than %d values", s.key, s.limit)
	case in.values > maxValues:
		return tooMuch("it holds more than %d values", maxValues)
	case in.restValues > maxRestValues:
		return tooMuch("it holds more than %d values beside its timeline", maxRestValues)
	}
	return nil
}

// isBlank reports whether c is white space in JSON, isScalar whether it may be in a number or in true, false or null.
func isBlank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

func isScalar(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c == '-' || c == '+' || c == '.' || c == 'E'
}

// decode decodes what was taken.
func (in *intake) decode(run *Run) error {
	if in.cutting { // the text ends in it
		p := &in.timeline[len(in.timeline)-1]
		p.text = append(p.text, in.histogram...)
	}
	err := json.Unmarshal(in.rest, run)
	if err != nil && !in.afterTimeline(err) {
		return in.restFault(err)
	}
	n := 0
	parts := make([][]Interval, len(in.timeline))
	for i := range in.timeline {
		p := &in.timeline[i]
		if json.Unmarshal(p.text, &parts[i]) != nil {
			// The decoder says where, so it gets the text as it was.
			p.restore()
			parts[i] = nil
			if err := json.Unmarshal(p.text, &parts[i]); err != nil {
				return decodeFault{p.text, func(offset int64) int64 { return p.at + offset - 1 }, in.size, "timeline"}.of(err)
			}
		}
		p.putBack(parts[i])
		p.text, p.histograms = nil, nil // to be freed
		n += len(parts[i])
	}
	if err != nil {
		return in.restFault(err)
	}
	if run.Timeline == nil { // none, or null after it
		return nil
	}
	run.Timeline = make([]Interval, 0, n)
	for _, part := range parts {
		run.Timeline = append(run.Timeline, part...)
	}
	return nil
}

// afterTimeline reports whether the decoder's error about the rest is of what follows the elements of the timeline.
func (in *intake) afterTimeline(err error) bool {
	var syntax *json.SyntaxError
	return in.timeline != nil && errors.As(err, &syntax) && (syntax.Offset > int64(in.cut) || endsEarly(syntax, in.rest))
}

// restFault is the decoder's error about the rest.
func (in *intake) restFault(err error) error {
	removed := in.size - in.blank - int64(len(in.rest))
	return decodeFault{in.rest, func(offset int64) int64 {
		if offset > int64(in.cut) {
			offset += removed
		}
		return in.blank + offset
	}, in.size, ""}.of(err)
}
