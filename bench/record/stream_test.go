package record

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// A stream has the records that were written to it one after the other, however they are laid out and come, and it ends with the first that
// is none.
func TestStream(t *testing.T) {
	first, second := Run{Schema: Schema, RunID: "a"}, Run{Schema: Schema, RunID: "b"}
	first.Timeline = []Interval{{TS: 1, Phase: PhaseLoad, Lifecycle: &Latency{}}, {TS: 2, Phase: PhaseLoad}}
	line, err := Marshal(&first, "")
	if err != nil {
		t.Fatal(err)
	}
	indented, err := Marshal(&second, "  ")
	if err != nil {
		t.Fatal(err)
	}
	a, b := string(line), string(indented)
	for _, c := range []struct {
		name, text string
		want       []string // run ids
		fault      fault
	}{
		{name: "empty"},
		{name: "blank", text: " \n\t\n"},
		{name: "one", text: a, want: []string{"a"}},
		{name: "lines", text: a + a, want: []string{"a", "a"}},
		{name: "indented", text: b + "\n" + a + b, want: []string{"b", "a", "b"}},
		{name: "nothing between", text: strings.TrimSpace(b) + strings.TrimSpace(a), want: []string{"b", "a"}},
		{name: "cut", text: a + b[:len(b)/2], want: []string{"a"}, fault: faultTruncated},
		{name: "another value", text: a + "[]", want: []string{"a"}, fault: faultNotRecord},
		{name: "not JSON", text: b + "srun: error" + a, want: []string{"b"}, fault: faultNotJSON},
		{name: "damaged", text: a + strings.Replace(b, `"run_id"`, `"run_id",`, 1), want: []string{"a"}, fault: faultNotJSON},
		{name: "another schema", text: `{"schema":"x"}` + a, fault: faultNotRecord},
	} {
		for how, r := range map[string]io.Reader{
			"at once": strings.NewReader(c.text), "by halves": iotest.HalfReader(strings.NewReader(c.text)), "by bytes": iotest.OneByteReader(strings.NewReader(c.text)),
		} {
			var got []string
			s := NewStream(r)
			run, err := s.Next()
			for ; err == nil; run, err = s.Next() {
				got = append(got, run.RunID)
				if want := map[string]*Run{"a": &first, "b": &second}[run.RunID]; len(run.Timeline) != len(want.Timeline) {
					t.Errorf("%s, %s: %s has %d intervals", c.name, how, run.RunID, len(run.Timeline))
				}
			}
			f, _ := errors.AsType[*formatError](err)
			if d := cmp.Diff(c.want, got); d != "" || errors.Is(err, io.EOF) != (c.fault == 0) || c.fault != 0 && (f == nil || f.Fault != c.fault) {
				t.Errorf("%s, %s: %v %s", c.name, how, err, d)
			}
		}
	}
	broken := errors.New("broken")
	s := NewStream(io.MultiReader(bytes.NewReader(line[:100]), iotest.ErrReader(broken)))
	if _, err := s.Next(); !errors.Is(err, broken) {
		t.Error(err)
	}
}
