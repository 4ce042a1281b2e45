package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"lastack/bench/quantity"
)

// maxSize is the size in bytes of the largest record that Read accepts. A day's timeline at one sample per second takes most of it, if
// the histograms of its intervals are wide.
const maxSize = 512 << 20

// fault says why a record cannot be read or written.
type fault uint8

// The faults of a record.
const (
	faultEmpty     fault = 1 + iota // nothing but white space
	faultTruncated                  // the JSON ends too early
	faultNotJSON                    // not JSON, or damaged
	faultNotRecord                  // JSON with another schema or none
	faultNewer                      // a later version of the schema, or a kind of run that this one does not know
	faultDamaged                    // a key has an impossible value
	faultTooLarge                   // more than maxSize, or more values than a run makes
	faultNotFinite                  // a number that JSON cannot represent (writing only)
)

// ErrNewer is in Read's error about a record of a later version of the schema, or of a kind that only a later version knows.
var ErrNewer = errors.New("a later version of the schema")

// formatError is what Read, Write and Validate return for a faulty record. Its text is
// one sentence that says what to do. It does not name the file, which the caller knows.
type formatError struct {
	Fault fault
	// Key is the path of the faulty key, like "connections.failed", if there is one.
	Key    string
	detail string
	err    error
}

func (e *formatError) Error() string { return e.detail }

// Unwrap returns the decoder's error, if there was one.
func (e *formatError) Unwrap() error { return e.err }

// Write writes r as indented JSON. The same record always gives the same bytes. The
// error is w's, or a *formatError with faultNotFinite.
func Write(w io.Writer, r *Run) error {
	b, err := Marshal(r, " ")
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}

// Marshal returns r as JSON with a newline at its end, indented by indent, or on
// one line if indent is empty. Characters that a terminal would not print are escaped.
func Marshal(r *Run, indent string) ([]byte, error) { return marshal(r, indent) }

func marshal(r any, indent string) ([]byte, error) {
	// Check first, since encoding/json does not say which key has the number.
	if err := walk(reflect.ValueOf(r), notFinite); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // thresholds are full of < and >
	e.SetIndent("", indent)
	if err := e.Encode(r); err != nil {
		return nil, fmt.Errorf("encode the run record: %w", err)
	}
	return quantity.EscapeJSON(b.Bytes()), nil
}

// Read reads one record and validates it. It ignores unknown keys, and removes secrets that an older version left in. The error is r's,
// wrapped, or a *formatError.
func Read(r io.Reader) (*Run, error) { return read(r, maxSize) }

func read(r io.Reader, limit int64) (*Run, error) {
	// Do not read to the end what does not begin as JSON: it may have no end, like /dev/zero.
	head := bufio.NewReader(r)
	if b, _ := head.Peek(512); len(b) > 0 {
		if begin := bytes.TrimSpace(b); len(begin) > 0 && !strings.ContainsRune(`{["-0123456789tfn`, rune(begin[0])) {
			return nil, decodeError(b, json.Unmarshal(b, new(any)))
		}
	}
	b, err := io.ReadAll(io.LimitReader(head, limit+1))
	if err != nil {
		return nil, fmt.Errorf("read the run record: %w", err)
	}
	if int64(len(b)) > limit {
		return nil, newFault(faultTooLarge, nil, "this is larger than any run record (%d MiB): give the file that \"lastack run -o FILE\" wrote", limit>>20)
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return nil, newFault(faultEmpty, nil, "the run record is empty: the run ended before it was written; repeat the run with -o FILE")
	}
	// Check the schema first: in a newer record every other key may differ.
	first, err := headingOf(b)
	if err != nil {
		return nil, decodeError(b, err)
	}
	if err := first.check(); err != nil {
		return nil, err
	}
	if err := checkLimits(b); err != nil {
		return nil, err
	}
	var run Run
	if err := json.Unmarshal(b, &run); err != nil {
		return nil, decodeError(b, err)
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

// undamaged checks that the ledger adds up, that a sweep or a tune is of one piece, and that the histograms can be decoded.
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

func decodeError(b []byte, err error) error {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &typ) && typ.Field == "":
		return newFault(faultNotRecord, err, "this JSON is not a run record (a JSON %s, expected an object): %s", typ.Value, wantFile)
	case errors.As(err, &typ):
		key := strings.TrimPrefix(typ.Field, "Result.") // embedded, so it has no key
		return newFault(faultDamaged, err, "the run record is damaged: %s holds a JSON %s (byte %d); take another copy or repeat the run", key, typ.Value, typ.Offset).at(key)
	case errors.As(err, &syntax) && syntax.Offset >= int64(len(b)) && strings.Contains(syntax.Error(), "unexpected end"):
		return newFault(faultTruncated, err, "the run record ends in the middle (after %d bytes): it was cut while it was written or copied; take another copy or repeat the run", len(b))
	case errors.As(err, &syntax) && strings.Contains(syntax.Error(), "after top-level value"):
		if line, _, _ := bytes.Cut(bytes.TrimSpace(b), []byte("\n")); json.Valid(line) {
			return newFault(faultNotRecord, err, "these are JSON Lines, as --format jsonl and -o FILE.jsonl write them for other programs, and not a run record: "+
				`give the file that "lastack run -o FILE.json" wrote, or what --format json prints`)
		}
		return newFault(faultNotRecord, err, "this is more than one JSON value (byte %d), but a run record is one: %s", syntax.Offset, wantFile)
	case errors.As(err, &syntax):
		return newFault(faultNotJSON, err, "this is not a run record, or it is damaged (not JSON from byte %d on: %v): %s", syntax.Offset, err, wantFile)
	default:
		return newFault(faultDamaged, err, "the run record is damaged (%v): take another copy or repeat the run", err)
	}
}

// maxNumber is the largest time, rate or share of a record: sums and products of such numbers do not overflow.
const maxNumber = 1e18

// Validate reports the first key with an impossible value: a negative count, time or
// rate, or a number beyond maxNumber. Growth of kernel counters, limits (where -1 may mean none),
// CPU times, clock offsets and times from a drain's signal may be negative. Validate does not check
// that counts agree, which Accounting shows. The error is a *formatError.
func (r *Run) Validate() error { return walk(reflect.ValueOf(r), impossible) }

func notFinite(v reflect.Value, path func() string) error {
	if v.Kind() != reflect.Float64 || !(math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0)) {
		return nil
	}
	key := path()
	return newFault(faultNotFinite, nil, "the run record cannot be written: %s is %v, which is a bug of lastack; please report it", key, v.Float()).at(key)
}

func impossible(v reflect.Value, path func() string) error {
	var text string
	huge := v.CanFloat() && math.Abs(v.Float()) > maxNumber
	switch {
	case v.CanInt() && v.Int() < 0:
		text = strconv.FormatInt(v.Int(), 10)
	case v.CanFloat() && (v.Float() < 0 || huge):
		text = strconv.FormatFloat(v.Float(), 'g', 6, 64)
	default:
		return nil
	}
	key := path()
	// Whoever sets a threshold may set any.
	if huge && strings.HasPrefix(key, "thresholds") || !huge && mayBeNegative(key) {
		return nil
	}
	return newFault(faultDamaged, nil, "the run record is damaged: %s is %s, which no run can have; take another copy or repeat the run", key, text).at(key)
}

func mayBeNegative(key string) bool {
	for _, part := range strings.Split(key, ".") {
		name, _, _ := strings.Cut(part, "[")
		switch name {
		case "counters", "counters_by_side", "cpu", "predicted", "accounting", "thresholds", "findings", "values", "analysis":
			return true
		}
	}
	for _, leaf := range []string{
		"limit", "nofile", "clock_offset_us", "t_s", "tcp_limit_bytes", "max_buckets",
		// A drain's times from the signal.
		"last_accept_s", "first_refusal_s", "accepts_again_s", "first_end_s", "last_end_s", "last_gone_s", "exit_s", "hook_s", "first_s", "last_s", "started_s", "listens_s",
	} {
		if key == leaf || strings.HasSuffix(key, "."+leaf) {
			return true
		}
	}
	return false
}

// walk calls f for each number under v. key returns its JSON path; it is made on demand, since a long run has millions of
// numbers.
func walk(v reflect.Value, f func(v reflect.Value, key func() string) error) error {
	w := walker{f: f, fields: make(map[reflect.Type][]field)}
	return w.walk(v)
}

type walker struct {
	f      func(v reflect.Value, key func() string) error
	path   []step
	fields map[reflect.Type][]field
}

// step is one part of a path: a key, or the index of an item.
type step struct {
	name  string
	index int
}

// field is a struct's field that is encoded. An embedded struct has no name.
type field struct {
	i    int
	name string
}

func (w *walker) key() string {
	var b strings.Builder
	for _, s := range w.path {
		switch {
		case s.index >= 0:
			b.WriteString("[" + strconv.Itoa(s.index) + "]")
		case b.Len() > 0:
			b.WriteString("." + s.name)
		default:
			b.WriteString(s.name)
		}
	}
	return b.String()
}

func (w *walker) under(s step, v reflect.Value) error {
	w.path = append(w.path, s)
	err := w.walk(v)
	w.path = w.path[:len(w.path)-1]
	return err
}

func (w *walker) walk(v reflect.Value) error {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			return w.walk(v.Elem())
		}
	case reflect.Struct:
		for _, f := range w.fieldsOf(v.Type()) {
			var err error
			if f.name == "" {
				err = w.walk(v.Field(f.i))
			} else {
				err = w.under(step{f.name, -1}, v.Field(f.i))
			}
			if err != nil {
				return err
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.String {
			return nil
		}
		for i := range v.Len() {
			if err := w.under(step{"", i}, v.Index(i)); err != nil {
				return err
			}
		}
	case reflect.Map:
		if v.Type().Elem().Kind() == reflect.String {
			return nil
		}
		// Sorted, so that the same record always gives the same error.
		for _, k := range sortedKeys(v) {
			if err := w.under(step{k.String(), -1}, v.MapIndex(k)); err != nil {
				return err
			}
		}
	case reflect.Int, reflect.Int64, reflect.Float64:
		return w.f(v, w.key)
	}
	return nil
}

// fieldsOf lists the fields of a struct type.
func (w *walker) fieldsOf(t reflect.Type) []field {
	fields, known := w.fields[t]
	if known {
		return fields
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous {
			name = ""
		}
		fields = append(fields, field{i, name})
	}
	w.fields[t] = fields
	return fields
}

func sortedKeys(m reflect.Value) []reflect.Value {
	keys := m.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	return keys
}
