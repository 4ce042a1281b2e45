package report

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"lastack/bench/record"
	"lastack/bench/record/recordtest"
	"lastack/bench/sweep"
	"lastack/bench/verdict"
	"lastack/report/document"
	"lastack/report/text"
	"lastack/sockstate"
)

// recordPath is where a sample is: a record that a real run has saved.
func recordPath(name string) string { return filepath.Join("testdata", "records", name+".json") }

// recorded lists the samples.
func recorded(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(recordPath("*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples (%v)", err)
	}
	for i, f := range files {
		files[i] = strings.TrimSuffix(filepath.Base(f), ".json")
	}
	return files
}

// sample is one, judged as a run of today would be.
func sample(t testing.TB, name string) *record.Run {
	t.Helper()
	r := saved(t, name)
	if r.Sweep != nil {
		r.Sweep.Analysis = sweep.Analyse(r.Sweep)
		return r
	}
	if r.Tune != nil {
		return r // the search has judged each trial
	}
	r.Verdict = verdict.Judge(r)
	return r
}

// saved reads one.
func saved(t testing.TB, name string) *record.Run {
	t.Helper()
	return recordtest.Read(t, recordPath(name))
}

func at[T any](v T) *T { return &v }

func check(name string, n int64) record.Check {
	return record.Check{Name: name, Want: sockstate.Range{Min: n, Max: n}, Got: n, OK: true, Exact: true}
}

// words are those of one section.
func words(t testing.TB, s *section) string {
	t.Helper()
	var b bytes.Buffer
	if err := text.Write(&b, &document.Document{Sections: []document.Section{s.Section}}, text.Options{All: true}); err != nil {
		t.Fatal(err)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
