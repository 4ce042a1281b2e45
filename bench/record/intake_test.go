package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// repeated is an endless record: a beginning, then the same again and again.
type repeated struct {
	text, item string
	n          int64
}

func (r *repeated) Read(b []byte) (int, error) {
	for len(r.text) < len(b) {
		r.text += strings.Repeat(r.item, 1+len(b)/len(r.item))
	}
	n := copy(b, r.text)
	r.text = r.text[n:]
	r.n += int64(n)
	return n, nil
}

// What has no end is refused where it begins to be absurd, by a sentence that says why.
func TestReadStops(t *testing.T) {
	const head = `{"schema":"lastack.run/v1","kind":"run",`
	for _, tt := range []struct {
		name, begin, item string
		fault             fault
		want              string
		most              int64
	}{
		{"zeros", "", "\x00", faultNotJSON, "byte 1", 1 << 20},
		{"gzip", "\x1f\x8b\x08", "\x00", faultNotJSON, "decompress it first", 1 << 20},
		{"white space", "", " \n", faultTooLarge, "begins with more than", 2 << 20},
		{"white space inside", head, " ", faultTooLarge, "white space in one place", 2 << 20},
		{"an array", "[", "{},", faultNotRecord, "a JSON array", 1 << 20},
		{"a string", `"`, "x", faultNotRecord, "a JSON string", 1 << 20},
		{"a number", "1", "1", faultNotRecord, "a JSON number", 1 << 20},
		{"another schema", `{"schema":"vegeta/v1","a":[`, "1,", faultNotRecord, "vegeta/v1", 1 << 20},
		{"a newer schema", `{"schema":"lastack.run/v2","a":[`, "1,", faultNewer, "update lastack", 1 << 20},
		{"another kind", `{"schema":"lastack.run/v1","kind":"fleet","a":[`, "1,", faultNewer, "update lastack", 1 << 20},
		{"JSON Lines", "", "{\"t_s\":1}\n", faultNotRecord, "these are JSON Lines", 1 << 20},
		{"records", "", head + "\n\"a\":1}\n", faultNotRecord, "more than one JSON value", 1 << 20},
		{"no JSON after the schema", head, "x\x00", faultNotJSON, "byte 41", 1 << 20},
		{"no JSON in the timeline", head + `"timeline":[{"t_s":1},`, "\x00", faultNotJSON, "byte 63", 1 << 20},
		{"brackets that do not match", head + `"timeline":[{"t_s":[1}`, "]", faultNotJSON, "byte 62", 1 << 20},
		{"keys", head, `"x":1,`, faultTooLarge, "holds more than 10000 values", 1 << 20},
		{"numbers", head + `"x":[`, "1,", faultTooLarge, "holds more than 10000 values", 1 << 20},
		{"digits", head + `"elapsed_s":`, "1", faultTooLarge, `a number in "elapsed_s"`, 1 << 20},
		{"letters", head + `"version":"`, "x", faultTooLarge, `a text in "version"`, 2 << 20},
		{"letters of a key", head + `"`, "x", faultTooLarge, "a text in", 2 << 20},
		{"escapes", head + `"version":"`, `\"`, faultTooLarge, `a text in "version"`, 2 << 20},
		{"brackets", head + `"x":`, "[", faultTooLarge, "nested more than 64 deep", 1 << 20},
		{"intervals", head + `"timeline":[`, `{"t_s":12345678901234567890},`, faultTooLarge, `"timeline" holds more than 700000 values`, 32 << 20},
		{"intervals without a schema", `{"timeline":[`, `{"t_s":12345678901234567890},`, faultTooLarge, `"timeline" holds more than 700000 values`, 32 << 20},
		{"empty intervals", head + `"timeline":[`, `{},`, faultTooLarge, "more objects than a run makes", 1 << 20},
		{"an interval", head + `"timeline":[{"x":[`, `["xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"],`, faultTooLarge, `"x" holds more than 10000`, 1 << 20},
		{"sources", head + `"plan":{"groups":[{"sources":[`, `"1",`, faultTooLarge, "beside its timeline", 32 << 20},
		{"slices", head + `"drain":{"tries":[{"slices":[`, `{"t_s":1234567890},`, faultTooLarge, "more objects than a run makes", 32 << 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := &repeated{text: tt.begin, item: tt.item}
			var err error
			n := allocated(func() { _, err = Read(in) })
			f, ok := errors.AsType[*formatError](err)
			if !ok || f.Fault != tt.fault || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 2000 {
				t.Errorf("got %.300v; want %d, %q", err, tt.fault, tt.want)
			}
			if in.n > tt.most || n > uint64(10*tt.most) {
				t.Errorf("%d KiB were read and %d KiB allocated; want at most %d read", in.n>>10, n>>10, tt.most>>10)
			}
		})
	}
}

// A timeline in pieces is the one that it was.
func TestPieces(t *testing.T) {
	const head, two = `{"schema":"lastack.run/v1","kind":"run",`, `{"t_s":1,"phase":"a\"],[{","client":{"TIME_WAIT":1}} , {"t_s":2}`
	for _, text := range []string{
		head + `"timeline":[` + two + `],"warnings":["w"]}`,
		head + `"Timeline" : [ ] ,"warnings":["w"]}`,
		head + `"timeline":null}`,
		head + `"timeline":[` + two + `],"timeline":null}`,
		head + `"timeline":null,"timeline":[` + two + `]}`,
		head + `"timeline":[null,` + two + `]}`,
		head + `"sweep":{"timeline":[` + two + `]}}`,
		" \n" + head + `"outcomes":{"timeline":1},"timeline":[` + two + "]}\n ",
		head + `"timeline":[{},]}`,
		head + `"timeline":[{},,{}]}`,
		head + `"timeline":[,{}]}`,
		head + `"timeline":[{}{}]}`,
		head + `"timeline":[{},{]}`,
		head + `"timeline":[{},{"t_s":"x"}]}`,
		head + `"timeline":[{},5]}`,
		head + `"timeline":[{},{}]x}`,
		head + `"timeline":[{},{}],"warnings":5}`,
		head + `"timeline":[{},{}],"warnings":[5x]}`,
		head + `"timeline":[{},{},`,
		head + `"timeline":[{},{"t_s"`,
		head + `"timeline":[{},{}`,
		head + `"timeline":[{},{}]`,
		head + `"timeline":{"a":1}}`,
		head + `"timeline":[{"lifecycle":{"hdr":"SElT+/x=","count":1}},{"connect":{"hdr":"QUJD"},"lifecycle":{"hdr":""}},{"connect":{"HDR":"#0","hdr":"x y"}}]}`,
		head + `"timeline":[{"lifecycle":{"hdr":"QUJD"},"connect":{"hdr":"\u0023\u0030"}},{"lifecycle":{"hdr":"REVG"}}]}`,
		head + `"timeline":[{"lifecycle":{"hdr":"QUJD"},"connect":{"\u0068dr":"#0"}},{"lifecycle":{"hdr":"REVG"}}]}`,
		head + `"timeline":[{"lifecycle":{"hdr":"QUJD"}},{"x":{"hdr":"REVG"},"connect":{"hdr":["R0hJ"]}}]}`,
		head + `"timeline":[{"lifecycle":{"hdr":"QUJD"}},{"connect":{"hdr":"R` + "\x01" + `J"}}]}`,
		head + `"timeline":[{"lifecycle":{"hdr":"QUJD"}},{"connect":{"hdr":"` + "\xff" + `é"}}]}`,
		head + `"timeline":[{"lifecycle":{"hdr":"QUJD"}},{"connect":{"hdr":"REV`,
		head + `"timeline":[{"lifecycle":{"hdr":"QUJD"}},{"connect":{"hdr":"REVG"},"t_s":x}]}`,
		head + `"timeline":[{"lifecycle":{"hdr":"QUJD"}},{"connect":{"hdr":"REVG"},"t_s":"x"}]}`,
		head + `"timeline"[{}]}`,
		head + `"timeline":5[{}]}`,
	} {
		for _, size := range []int{1, pieceSize} {
			samePieces(t, []byte(text), size)
		}
	}
}

// samePieces compares what an intake decodes with what the decoder makes of the text in one piece.
func samePieces(t *testing.T, text []byte, size int) {
	t.Helper()
	var want, got Run
	wantErr := json.Unmarshal(text, &want)
	in := newIntake(0, maxSize)
	in.pieceSize = size
	err := in.take(iotest.HalfReader(bytes.NewReader(text)), make([]byte, 256<<10))
	if err == nil {
		err = in.decode(&got)
	}
	var f *formatError
	switch {
	case err != nil && !errors.As(err, &f):
		t.Errorf("%q: not a *formatError: %v", text, err)
	case f != nil && f.Fault == faultTooLarge:
	case (err == nil) != (wantErr == nil):
		t.Errorf("%q in pieces of %d: %v; in one %v", text, size, err, wantErr)
	case err != nil:
		one := decodeFault{text: text, size: int64(len(text))}.of(wantErr)
		// Of a value of the wrong type and JSON that is none, either may be found first.
		if syntax := (*json.SyntaxError)(nil); errors.As(wantErr, &syntax) && f.Fault != faultDamaged && err.Error() != one.Error() {
			t.Errorf("%q in pieces of %d: %v; in one %v", text, size, err, one)
		}
	default:
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q in pieces of %d: %s", text, size, d)
		}
	}
}

func FuzzPieces(f *testing.F) {
	for _, text := range []string{
		`{"schema":"lastack.run/v1","timeline":[{"t_s":1},{"t_s":2,"client":{"TIME_WAIT":1}}],"warnings":["w\"]"]}`,
		`{"timeline":[{"lifecycle":{"hdr":"QUJD"}},{"connect":{"hdr":"REVG","Hdr":"#0"}}]}`, `{"timeline":[],"plan":{"groups":[{"targets":["a"]}]}}`, `{"timeline":[1,]}`, "{}\n{}",
	} {
		f.Add([]byte(text), 1)
	}
	f.Fuzz(func(t *testing.T, text []byte, size int) {
		// What begins otherwise does not come here. A key that is there twice changes what it was the first time, and an escaped one is in the rest.
		if lower := bytes.ToLower(text); !bytes.HasPrefix(text, []byte("{")) || bytes.Count(lower, []byte("timeline")) > 1 || bytes.Contains(lower, []byte(`\u`)) {
			return
		}
		samePieces(t, text, size)
	})
}

// The byte of an error is counted in the whole text, wherever the timeline is.
func TestFaultAt(t *testing.T) {
	const head = "\n " + `{"schema":"lastack.run/v1","kind":"run","timeline":[`
	for _, tt := range []struct{ name, before, after string }{
		{"in an interval", `{"t_s":1},{"t_s":2},{"t_s":`, `x},{"t_s":4}]}`},
		{"after the timeline", `{"t_s":1},{"t_s":2}],"warnings":[`, `x]}`},
		{"a second value", `{"t_s":1}]` + "\n} ", `{`},
	} {
		_, err := Read(strings.NewReader(head + tt.before + tt.after))
		if want := fmt.Sprintf("byte %d", len(head+tt.before)+1); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %s", tt.name, err, want)
		}
	}
	cut := head + `{"t_s":1},{"t_s":2},{"t_`
	if _, err := Read(strings.NewReader(cut)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("(after %d bytes)", len(cut))) {
		t.Errorf("cut: %v", err)
	}
	if _, err := Read(io.MultiReader(strings.NewReader(cut), iotest.ErrReader(io.ErrClosedPipe))); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v, want the reader's error", err)
	}
}
