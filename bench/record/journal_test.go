package record

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// journalOf is a journal of a sweep with these parts.
func journalOf(t testing.TB, parts ...SweepPart) []byte {
	t.Helper()
	begun := sweepSample(&Run{Schema: Schema, Kind: KindSweep})
	begun.Sweep.Runs, begun.Sweep.Analysis = []SweepRun{}, nil
	b, err := Marshal(begun, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		line, err := MarshalPart(p)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, line...)
	}
	return b
}

// A journal is read as far as it is whole, wherever it ends; the last part of a place in the schedule counts.
func TestJournal(t *testing.T) {
	search := SweepRun{Cell: 1, Block: 1, Found: &FoundRate{Tries: []FindTry{{OfferedPerS: 500, Turnover: &Turnover{PerS: 470, Ports: 28_232}}}}}
	longer := search
	longer.Found = &FoundRate{Tries: append(search.Found.Tries[:1:1], FindTry{OfferedPerS: 460, Sustained: true})}
	found := longer
	found.Values = map[string]float64{"rate.completed": 460}
	failed, tried := SweepRun{Cell: 3, Error: "curl -H 'Authorization: Bearer 1234'"}, SweepRun{Cell: 3, Valid: true}
	box := &Sandbox{Mode: "user", Topology: "veth"}
	parts := []SweepPart{{Search: &search, ElapsedS: 1}, {Run: &failed, ElapsedS: 2}, {Search: &longer, ElapsedS: 3}, {Run: &tried, ElapsedS: 4}, {Run: &found, Sandbox: box, ElapsedS: 5}, {Run: &SweepRun{}, Sandbox: box, ElapsedS: 6}}
	whole := journalOf(t, parts...)
	if strings.Contains(string(whole), "1234") {
		t.Errorf("a secret is left in %s", whole)
	}
	want := []struct{ runs, unfinished []SweepRun }{
		{},
		{nil, []SweepRun{search}},
		{[]SweepRun{failed}, []SweepRun{search}},
		{[]SweepRun{failed}, []SweepRun{longer}},
		{[]SweepRun{tried}, []SweepRun{longer}},
		{[]SweepRun{tried, found}, nil},
		{[]SweepRun{tried, found, {}}, nil},
	}
	head := len(journalOf(t))
	for n := range len(whole) + 1 {
		r, err := ReadJournal(bytes.NewReader(whole[:n]))
		if n < head-1 { // the newline may be missing
			if err == nil {
				t.Fatalf("%d bytes are a journal", n)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%d bytes: %v", n, err)
		}
		lines := max(bytes.Count(whole[:n], []byte("\n"))-1, 0)
		for i := range r.Sweep.Runs {
			if e := &r.Sweep.Runs[i].Error; *e != "" {
				*e = failed.Error // which was redacted
			}
		}
		if !r.Interrupted || r.ElapsedS != float64(lines) || !cmp.Equal(r.Sweep.Unfinished, want[lines].unfinished, cmp.Comparer(sameRuns)) || !sameRuns(r.Sweep.Runs, want[lines].runs) {
			t.Fatalf("%d lines: %+v", lines, r.Sweep)
		}
	}
	r, err := ReadJournal(bytes.NewReader(whole))
	if err != nil || r.Sandbox.Topology != "veth" || r.Sweep.Cells[0].Sandbox != nil {
		t.Errorf("%+v, %v", r, err)
	}
	for name, in := range map[string]string{"nothing": "", "another kind": `{"schema":"lastack.run/v1","kind":"run"}` + "\n"} {
		if _, err := ReadJournal(strings.NewReader(in)); err == nil {
			t.Errorf("%s is a journal", name)
		}
	}
}

func sameRuns(a, b []SweepRun) bool { return len(a) == 0 && len(b) == 0 || cmp.Equal(a, b) }

// What a journal gives is a record that can be written and read again.
func FuzzReadJournal(f *testing.F) {
	f.Add(journalOf(f, SweepPart{Run: &SweepRun{Cell: 1}}, SweepPart{Search: &SweepRun{Found: &FoundRate{}}}))
	f.Add([]byte("{}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := ReadJournal(bytes.NewReader(b))
		if err != nil {
			return
		}
		again, err := Marshal(r, "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Read(bytes.NewReader(again)); err != nil {
			t.Error(err)
		}
	})
}

// What a journal holds takes memory in proportion to what a sweep measures, whatever its lines claim; what replaces itself takes none.
func TestReadJournalAbsurd(t *testing.T) {
	head := strings.Replace(string(journalOf(t)), `"blocks":2`, `"blocks":20000`, 1)
	lines := func(n int, format string, args ...any) string {
		var b strings.Builder
		b.WriteString(head)
		for i := range n {
			fmt.Fprintf(&b, format+"\n", append([]any{i}, args...)...)
		}
		return b.String()
	}
	// The limits of ReadJournal, but for what lines hold together: to reach those takes seconds.
	room := cost{maxRest, maxRestValues, maxRestContainers / 50, maxTexts / 50}
	empty := strings.TrimSuffix(strings.Repeat("{},", 5000), ",")
	long := strings.Repeat("x", 1<<16)
	for _, tt := range []struct {
		name, in, want string
		runs           int
	}{
		{"empty findings in each slot", lines(5, `{"run":{"block":%d,"findings":[%s]}}`, empty), "hold more than a sweep measures", 0},
		{"long errors", lines(6, `{"run":{"block":%d,"error":%q}}`, long), "hold more than a sweep measures", 0},
		{"a line of objects", lines(1, `{"run":{"block":%d,"findings":[%s]}}`, strings.Repeat("{},", 40_000)+"{}"), "more than", 0},
		{"a long text", lines(1, `{"run":{"block":%d,"error":"%s"}}`, strings.Repeat("x", 2<<20)), `a text in "error" has more than 1048576 bytes`, 0},
		{"the same slot again and again", lines(20_000, `{"run":{"block":1,"position":0,"elapsed_s":%d}}`), "", 1},
		{"its loads again and again", lines(10, `{"search":{"block":1,"elapsed_s":%d,"found":{"tries":[%s]}}}`, empty), "", 0},
		{"as many runs as a record has", lines(MaxSweepRuns+9, `{"run":{"block":%d}}`), "", MaxSweepRuns},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r *Run
			var err error
			n := allocated(func() { r, err = readJournal(strings.NewReader(tt.in), maxJournal, room) })
			switch {
			case tt.want == "" && err != nil:
				t.Error(err)
			case tt.want == "" && len(r.Sweep.Runs) != tt.runs:
				t.Errorf("%d runs, want %d", len(r.Sweep.Runs), tt.runs)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %.300v, want %q", err, tt.want)
			}
			t.Logf("%d MiB were allocated for %d KiB", n>>20, len(tt.in)>>10)
		})
	}
	for name, first := range map[string]string{"": "", "after a journal": head} {
		var zeros endless
		if _, err := ReadJournal(io.MultiReader(strings.NewReader(first), &zeros)); first == "" && err == nil || zeros.n > 64<<20 {
			t.Errorf("zeros %s: %v after %d bytes", name, err, zeros.n)
		}
	}
	if _, err := readJournal(strings.NewReader(lines(1000, `{"run":{"block":%d}}`)), 10_000, room); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a long journal: %v", err)
	}
}
