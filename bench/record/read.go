package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// Read reads one record and validates it. It ignores unknown keys, and removes secrets that an older version left in. It stops where the text
// stops to be that of a record. The error is r's, wrapped, or a *formatError.
func Read(r io.Reader) (*Run, error) { return read(r, maxSize) }

func read(r io.Reader, limit int64) (*Run, error) {
	head := bufio.NewReaderSize(r, 4<<10)
	in, err := begin(head, limit)
	if err != nil {
		return nil, err
	}
	if f, ok := r.(interface{ Stat() (fs.FileInfo, error) }); ok {
		if st, err := f.Stat(); err == nil && st.Mode().IsRegular() && st.Size() > limit {
			return nil, tooLarge(limit)
		}
	}
	if err := in.take(head, make([]byte, 256<<10)); err != nil {
		return nil, err
	}
	return in.record()
}

// begin reads the white space before a record, and checks how that begins.
func begin(r *bufio.Reader, limit int64) (*intake, error) {
	blank, err := skipBlank(r, limit)
	if err != nil {
		return nil, err
	}
	const enough = 4 << 10
	b, _ := r.Peek(enough)
	if err := checkBegin(b); err != nil {
		return nil, err
	}
	return newIntake(blank, limit), nil
}

// record is the record that was taken.
func (in *intake) record() (*Run, error) {
	// What cannot be decoded here is not decoded below either, where the error is the first in the text.
	if first, err := headingOf(in.rest); err == nil {
		if err := first.check(); err != nil {
			return nil, err
		}
	}
	var run Run
	if err := in.decode(&run); err != nil {
		return nil, err
	}
	// A key that is there twice has its last value.
	if err := (heading{&run.Schema, run.Kind}).check(); err != nil {
		return nil, err
	}
	if err := run.Validate(); err != nil {
		return nil, err
	}
	if err := run.undamaged(); err != nil {
		return nil, err
	}
	run.Redact()
	return &run, nil
}

func tooLarge(limit int64) *formatError {
	return newFault(faultTooLarge, nil, "this is larger than any run record (%d MiB): %s", limit>>20, wantFile)
}

// skipBlank skips the white space at the beginning, and returns its length.
func skipBlank(r *bufio.Reader, limit int64) (n int64, err error) {
	for ; ; n++ {
		switch c, err := r.ReadByte(); {
		case errors.Is(err, io.EOF):
			return n, newFault(faultEmpty, nil, "the run record is empty: the run ended before it was written; repeat the run with -o FILE")
		case err != nil:
			return n, fmt.Errorf("read the run record: %w", err)
		case !isBlank(c):
			return n, r.UnreadByte()
		case n >= min(limit, maxBlank):
			return n, newFault(faultTooLarge, nil, "this is not a run record: it begins with more than %d MiB of white space; %s", n>>20, wantFile)
		}
	}
}

// checkBegin refuses by its beginning what is no record, so that it is not read to its end: it may have none, like /dev/zero.
func checkBegin(b []byte) error {
	switch {
	case b[0] == '{':
		// In a newer record every other key may differ.
		if h := earlyHeading(b); h.Schema != nil {
			return h.check()
		}
		return nil
	case b[0] == '[' || b[0] == '"':
		return notObject(nil, map[byte]string{'[': "array", '"': "string"}[b[0]])
	case bytes.HasPrefix(b, []byte("\x1f\x8b")):
		return newFault(faultNotJSON, nil, "this is compressed by gzip: decompress it first (gzip -dc FILE | lastack report -)")
	}
	var h heading
	if err := json.Unmarshal(b, &h); err != nil {
		return decodeFault{text: b, size: int64(len(b))}.of(err)
	}
	return h.check()
}

// heading is what says how the rest of a record is to be read.
type heading struct {
	Schema *string `json:"schema"`
	Kind   any     `json:"kind"`
}

// headingOf reads it. Write puts both keys before the first object or array, which saves reading a long record once more.
func headingOf(b []byte) (h heading, err error) {
	if early := earlyHeading(b); early.Schema != nil && early.Kind != nil {
		return early, nil
	}
	return h, json.Unmarshal(b, &h)
}

func earlyHeading(b []byte) (h heading) {
	d := json.NewDecoder(bytes.NewReader(b))
	if begin, err := d.Token(); err != nil || begin != json.Delim('{') {
		return h
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			break
		}
		value, err := d.Token()
		if _, nested := value.(json.Delim); err != nil || nested {
			break
		}
		switch key {
		case "schema":
			if s, ok := value.(string); ok {
				h.Schema = &s
			}
		case "kind":
			h.Kind = value
		}
	}
	return h
}

func (h heading) check() error {
	if err := checkSchema(h.Schema); err != nil {
		return err
	}
	// What another kind of run found is under keys that this version would leave out without a word.
	if kind, ok := h.Kind.(string); ok && kind != "" && !slices.Contains(kinds(), kind) {
		return newFault(faultNewer, ErrNewer, "this run record is of kind %.60q, which this lastack does not know (it knows %s): update lastack", kind, strings.Join(kinds(), ", ")).at("kind")
	}
	return nil
}

// undamaged checks that the ledger adds up, that a sweep, a tune, a plan or a handshake is of one piece, and that the histograms can be decoded.
func (r *Run) undamaged() error {
	damaged := func(key string, err error, format string, args ...any) error {
		return newFault(faultDamaged, err, "this run record is damaged at %q ("+format+"): %s", append(append([]any{key}, args...), wantFile)...).at(key)
	}
	c := &r.Connections
	if sum := c.Completed + c.Failed + c.Unfinished; sum != c.Attempted {
		return damaged("connections.attempted", nil, "%d, but its parts add up to %d", c.Attempted, sum)
	}
	switch {
	case r.Kind == KindSweep && r.Sweep == nil:
		return damaged("sweep", nil, "a sweep has this key")
	case r.Sweep != nil:
		if key, err := r.Sweep.check(); err != nil {
			return damaged(key, err, "%v", err)
		}
	}
	switch {
	case r.Kind == KindTune && r.Tune == nil:
		return damaged("tune", nil, "a tune has this key")
	case r.Tune != nil:
		if key, err := r.Tune.check(); err != nil {
			return damaged(key, err, "%v", err)
		}
	}
	if key, err := r.checkPlan(); err != nil {
		return damaged(key, err, "%v", err)
	}
	if key, err := r.checkHandshake(); err != nil {
		return damaged(key, err, "%v", err)
	}
	for name, l := range r.Latency {
		if l.Hdr == "" {
			continue
		}
		if _, err := l.Histogram(); err != nil {
			return damaged("latency."+name, err, "%v", err)
		}
	}
	return nil
}

// at adds the path of the faulty key.
func (e *formatError) at(key string) error { e.Key = key; return e }

func newFault(f fault, err error, format string, args ...any) *formatError {
	return &formatError{Fault: f, err: err, detail: shorten(fmt.Sprintf(format, args...))}
}

// shorten cuts the middle out of a sentence that a record's key or value made too long. Its end says what to do.
func shorten(s string) string {
	const head, tail = 1000, 500
	if len(s) <= head+tail {
		return s
	}
	return strings.ToValidUTF8(s[:head], "") + " ... " + strings.ToValidUTF8(s[len(s)-tail:], "")
}

const wantFile = `give the file that "lastack run -o FILE" wrote`

func checkSchema(schema *string) error {
	if schema == nil || *schema == "" {
		return newFault(faultNotRecord, nil, "this JSON is not a run record (it has no key \"schema\"): %s", wantFile)
	}
	if *schema == Schema {
		return nil
	}
	name, version, _ := strings.Cut(*schema, "/v")
	mine, have, _ := strings.Cut(Schema, "/v")
	n, err := strconv.ParseUint(version, 10, 31)
	h, _ := strconv.ParseUint(have, 10, 31)
	if name == mine && err == nil && n > h {
		return newFault(faultNewer, ErrNewer, "this run record has the format %s, newer than the %s that this lastack reads: update lastack", *schema, Schema)
	}
	return newFault(faultNotRecord, nil, "this is not a run record: its schema is %.60q, expected %q; %s", *schema, Schema, wantFile)
}

// decodeFault explains the decoder's error about a text of a record.
type decodeFault struct {
	text []byte
	// at is where a byte of the text is in the input, if that is not the same. size is the input's length.
	at   func(offset int64) int64
	size int64
	// under is the key whose value the text is, "" for the record itself.
	under string
}

func (d decodeFault) of(err error) error {
	at := func(offset int64) int64 { return offset }
	if d.at != nil {
		at = d.at
	}
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &typ) && typ.Field == "" && d.under == "":
		return notObject(err, typ.Value)
	case errors.As(err, &typ):
		key := strings.TrimPrefix(typ.Field, "Result.") // embedded, so it has no key
		if d.under != "" {
			key = strings.TrimSuffix(d.under+"."+key, ".")
		}
		return newFault(faultDamaged, err, "the run record is damaged: %s holds a JSON %s (byte %d); take another copy or repeat the run", key, typ.Value, at(typ.Offset)).at(key)
	case errors.As(err, &syntax) && endsEarly(syntax, d.text):
		return newFault(faultTruncated, err, "the run record ends in the middle (after %d bytes): it was cut while it was written or copied; take another copy or repeat the run", d.size)
	case errors.As(err, &syntax) && strings.Contains(syntax.Error(), "after top-level value"):
		if line, _, _ := bytes.Cut(bytes.TrimSpace(d.text), []byte("\n")); json.Valid(line) {
			return newFault(faultNotRecord, err, "these are JSON Lines, as --format jsonl and -o FILE.jsonl write them for other programs, and not a run record: "+
				`give the file that "lastack run -o FILE.json" wrote, or what --format json prints`)
		}
		return newFault(faultNotRecord, err, "this is more than one JSON value (byte %d), but a run record is one: %s", at(syntax.Offset), wantFile)
	case errors.As(err, &syntax):
		return newFault(faultNotJSON, err, "this is not a run record, or it is damaged (not JSON from byte %d on: %v): %s", at(syntax.Offset), err, wantFile)
	default:
		return newFault(faultDamaged, err, "the run record is damaged (%v): take another copy or repeat the run", err)
	}
}

// endsEarly reports whether the decoder's error is that the text ends.
func endsEarly(err *json.SyntaxError, text []byte) bool {
	return err.Offset >= int64(len(text)) && strings.Contains(err.Error(), "unexpected end")
}

func notObject(err error, what string) *formatError {
	return newFault(faultNotRecord, err, "this JSON is not a run record (a JSON %s, expected an object): %s", what, wantFile)
}
