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

// A stream has the records that were written to it one after the other, however they are laid out and come. After one that is faulty it goes on with
// the next line that has a brace at its beginning.
func TestStream(t *testing.T) {
	first, second := Run{Schema: Schema, RunID: "a"}, Run{Schema: Schema, RunID: "b", Shard: &Shard{I: 2, N: 4}}
	first.Timeline = []Interval{{TS: 1, Phase: PhaseLoad, Lifecycle: &Latency{Hdr: strings.Repeat("A", 80)}}, {TS: 2, Phase: PhaseLoad}}
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
		faults     []fault
		shard      *Shard // of the last fault
	}{
		{name: "empty"},
		{name: "blank", text: " \n\t\n"},
		{name: "one", text: a, want: []string{"a"}},
		{name: "lines", text: a + a, want: []string{"a", "a"}},
		{name: "indented", text: b + "\n" + a + b, want: []string{"b", "a", "b"}},
		{name: "nothing between", text: strings.TrimSpace(b) + strings.TrimSpace(a), want: []string{"b", "a"}},
		{name: "cut", text: a + b[:len(b)/2], want: []string{"a"}, faults: []fault{faultTruncated}, shard: &Shard{I: 2, N: 4}},
		{name: "cut early", text: a + b[:40], want: []string{"a"}, faults: []fault{faultTruncated}},
		{name: "cut between others", text: a + b[:len(b)/2] + "\n" + a + a[:len(a)-2] + "\n" + b, want: []string{"a", "a", "b"}, faults: []fault{faultTruncated, faultTruncated}},
		{name: "cut in a text", text: a[:strings.Index(a, "lastack.run")+3] + "\n" + b, want: []string{"b"}, faults: []fault{faultTruncated}},
		{name: "cut in a histogram", text: a[:strings.LastIndex(a, `"hdr":"`)+20] + "\n" + b, want: []string{"b"}, faults: []fault{faultTruncated}},
		{name: "another value", text: a + "[]", want: []string{"a"}, faults: []fault{faultNotRecord}},
		{name: "not JSON", text: b + "srun: error" + a + b + "oops\n\n oops\n" + a, want: []string{"b", "b", "a"}, faults: []fault{faultNotJSON, faultNotJSON}},
		{name: "damaged", text: a + strings.Replace(b, `"run_id"`, `"run_id",`, 1) + a, want: []string{"a", "a"}, faults: []fault{faultNotJSON}},
		{name: "another schema", text: `{"schema":"x"}` + "\n" + a, want: []string{"a"}, faults: []fault{faultNotRecord}},
		{name: "impossible", text: strings.Replace(b, `"elapsed_s": 0`, `"elapsed_s": -1`, 1) + a, want: []string{"a"}, faults: []fault{faultDamaged}, shard: &Shard{I: 2, N: 4}},
	} {
		for how, r := range map[string]io.Reader{
			"at once": strings.NewReader(c.text), "by halves": iotest.HalfReader(strings.NewReader(c.text)), "by bytes": iotest.OneByteReader(strings.NewReader(c.text)),
		} {
			var got []string
			s := NewStream(r)
			var faults []fault
			var shard *Shard
			var err error
			for {
				var run *Run
				run, err = s.Next()
				if f, ok := errors.AsType[*formatError](err); ok {
					faults, shard = append(faults, f.Fault), ShardOf(err)
					continue
				}
				if err != nil {
					break
				}
				got = append(got, run.RunID)
				if want := map[string]*Run{"a": &first, "b": &second}[run.RunID]; len(run.Timeline) != len(want.Timeline) {
					t.Errorf("%s, %s: %s has %d intervals", c.name, how, run.RunID, len(run.Timeline))
				}
			}
			if d := cmp.Diff(c.want, got) + cmp.Diff(c.faults, faults) + cmp.Diff(c.shard, shard); d != "" || !errors.Is(err, io.EOF) {
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
