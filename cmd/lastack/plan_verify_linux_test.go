package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record/recordtest"
)

// An interrupted verification keeps the plan, and what the experiments had measured that were over.
func TestVerifyInterrupted(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs experiments")
	}
	for _, tc := range []struct {
		name, await string
		done        []string
	}{
		{"in the first experiment", `with \d+ local ports`, nil},
		{"in the third", `(?m)^lastack: 2 at once: done`, []string{"1 at once", "2 at once"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			r := begin(t, dir, nil, "plan", "--rate", "2k", "--hold", "800ms", "--verify", "-o", "plan.json", "-o", "plan.txt")
			r.await(t, tc.await)
			cells := r.children(t)
			r.send(t, syscall.SIGINT)
			if code := r.end(t); code != exitInterrupted {
				t.Errorf("exit %d; stderr:\n%s", code, r.stderr.String())
			}
			run := recordtest.Read(t, filepath.Join(dir, "plan.json"))
			v := run.Capacity.Verified
			var done []string
			for _, e := range v.Experiments {
				done = append(done, e.Name)
			}
			// The one after may have ended before the signal came.
			if !run.Interrupted || len(run.Capacity.Needs) == 0 || len(done) > len(tc.done)+1 || cmp.Diff(tc.done, done[:min(len(done), len(tc.done))]) != "" || len(v.Skipped) < 3 {
				t.Errorf("interrupted %v, experiments %q, not measured %q", run.Interrupted, done, v.Skipped)
			}
			text, err := os.ReadFile(filepath.Join(dir, "plan.txt"))
			if err != nil || !strings.Contains(string(text), "INTERRUPTED after ") {
				t.Errorf("the text does not say that it was interrupted (%v):\n%s", err, text)
			}
			if slices.ContainsFunc(cells, alive) {
				t.Errorf("some of the processes %v are left", cells)
			}
		})
	}
}

// A killed verification leaves no process behind.
func TestVerifyKilled(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("runs experiments")
	}
	dir := t.TempDir()
	r := begin(t, dir, nil, "plan", "--rate", "2k", "--hold", "800ms", "--verify", "-o", "plan.json")
	r.await(t, `(?m)^lastack: 1 at once: done`)
	var cells []string
	until(t, "a cell", func() bool { cells = r.children(t); return len(cells) > 0 })
	r.send(t, syscall.SIGKILL)
	_ = r.cmd.Wait() // killed
	until(t, "the end of the cells", func() bool { return !slices.ContainsFunc(cells, alive) })
}
