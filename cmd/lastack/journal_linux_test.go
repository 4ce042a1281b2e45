package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/bench/record"
	"lastack/bench/record/recordtest"
)

// A sweep that is killed in the middle of its runs goes on with --resume: each run is there once, those that had ended as they were. Nothing is left
// but the record, and the host's sysctls are as before.
func TestSweepKilledGoesOn(t *testing.T) {
	before := hostSysctls(t)
	users(t, func(t *testing.T, dir string, as []string) {
		args := append(slices.Clone(sweepArgs), "-d", "1s", "-o", "sweep.json")
		path := filepath.Join(dir, "sweep.json")
		r := begin(t, dir, as, args...)
		r.await(t, `(?m)^3/8 `)
		var cells, spaces []string
		until(t, "a cell", func() bool {
			cells = r.children(t)
			return len(cells) > 0
		})
		for _, pid := range cells {
			if ns, err := os.Readlink("/proc/" + pid + "/ns/net"); err == nil {
				spaces = append(spaces, ns)
			}
		}
		// While it runs, no other sweep writes the same file, and none goes on with it.
		for _, more := range [][]string{nil, {"--resume", "sweep.json"}} {
			other := runIn(t, dir, "lastack", append(slices.Clone(args), more...)...)
			if other.code != exitUsage || !strings.Contains(other.stderr, "another command writes it") {
				t.Errorf("exit code %d: %s", other.code, other.stderr)
			}
		}
		r.send(t, syscall.SIGKILL)
		_ = r.cmd.Wait() // by a signal
		until(t, "the end of the cells", func() bool {
			return !slices.ContainsFunc(cells, func(pid string) bool { return alive(pid) })
		})
		until(t, "the end of the namespaces", func() bool {
			used := namespacesInUse()
			return !slices.ContainsFunc(spaces, func(ns string) bool { return used[ns] })
		})
		if _, err := os.Stat(path); err == nil {
			t.Error("the record is there before the end")
		}

		f, err := os.Open(path + journalSuffix)
		if err != nil {
			t.Fatal(err)
		}
		old, err := record.ReadJournal(f)
		_ = f.Close() // nothing was written
		if err != nil {
			t.Fatal(err)
		}
		if n := len(old.Sweep.Runs); !old.Interrupted || n < 3 || n > 7 {
			t.Fatalf("interrupted: %t, %d runs", old.Interrupted, n)
		}
		page := runIn(t, dir, "lastack", "report", "sweep.json"+journalSuffix)
		if want := fmt.Sprintf("what follows is of %d runs", len(old.Sweep.Runs)); page.code != exitOK || !strings.Contains(page.stdout, want) {
			t.Errorf("exit code %d, want %q: %s%s", page.code, want, page.stdout, page.stderr)
		}
		if again := runIn(t, dir, "lastack", args...); again.code != exitUsage || !strings.Contains(again.stderr, "want --resume sweep.json to go on with it") {
			t.Errorf("exit code %d: %s", again.code, again.stderr)
		}

		again := begin(t, dir, as, append(slices.Clone(args), "--resume", "sweep.json")...)
		if code := again.end(t); code != exitOK && code != exitInvalid {
			t.Fatalf("exit code %d: %s", code, again.stderr.String())
		}
		whole := recordtest.Read(t, path)
		times := map[string]int{}
		for _, run := range whole.Sweep.Runs {
			times[fmt.Sprint(run.Cell, run.Block, run.Position, run.Twin)]++
			if run.Error != "" {
				t.Errorf("failed: %+v", run)
			}
		}
		if len(times) != 8 || len(whole.Sweep.Runs) != 8 || whole.Interrupted || whole.Sweep.Analysis == nil {
			t.Errorf("%d runs, %d different ones", len(whole.Sweep.Runs), len(times))
		}
		for i, run := range old.Sweep.Runs {
			if d := cmp.Diff(run, whole.Sweep.Runs[i]); d != "" {
				t.Error(d)
			}
		}
		if files, err := filepath.Glob(filepath.Join(dir, "*sweep*")); err != nil || len(files) != 1 {
			t.Errorf("left: %v (%v)", files, err)
		}
		if files, err := filepath.Glob(filepath.Join(dir, ".lastack-*")); err != nil || len(files) != 0 {
			t.Errorf("left: %v (%v)", files, err)
		}
	})
	if d := cmp.Diff(before, hostSysctls(t)); d != "" {
		t.Errorf("the host's sysctls changed:\n%s", d)
	}
}
