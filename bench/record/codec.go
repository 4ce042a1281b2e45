package record

import (
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
	shard  *Shard // whose record it is, if that is known
	detail string
	err    error
}

func (e *formatError) Error() string { return e.detail }

// Unwrap returns the decoder's error, if there was one.
func (e *formatError) Unwrap() error { return e.err }

// Unfinished reports whether an error of Read is about a record that is empty or ends too early, as after the end of a process that was killed.
func Unfinished(err error) bool {
	f, ok := errors.AsType[*formatError](err)
	return ok && (f.Fault == faultEmpty || f.Fault == faultTruncated)
}

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
func Marshal(r *Run, indent string) ([]byte, error) {
	light, histograms := r.withoutHistograms()
	b, err := marshal(light, indent)
	if err != nil {
		return nil, err
	}
	if whole, ok := insert(b, histograms); ok {
		return whole, nil
	}
	return marshal(r, indent)
}

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
		case "sensitivity", "residuals", "counters", "counters_by_side", "cpu", "predicted", "accounting", "thresholds", "findings", "values", "analysis":
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
