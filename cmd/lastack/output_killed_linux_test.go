package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/bench/record"
)

// needsStrace skips a test where strace cannot trace a program.
func needsStrace(t *testing.T) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "strace", "-o", os.DevNull, "true").CombinedOutput(); err != nil {
		t.Skipf("strace does not work here: %v: %s", err, out)
	}
}

// TestOutputKilled kills the program while it replaces the first or the second of two files: each holds its old content or the new one, whole,
// and nothing is left but a hidden temporary file. The next save works, and leaves that file alone: another program might still write it.
func TestOutputKilled(t *testing.T) {
	t.Parallel()
	needsStrace(t)
	const old = "old"
	names := []string{"old.json", "old.html"}
	saved := filepath.Join(t.TempDir(), "run.json")
	run := []string{"run", "127.0.0.1:1", "-n", "1", "-c", "1", "-q"}
	if e := lastack(t, append(run, "-o", saved)...); e.code == exitError {
		t.Fatal(e.stderr)
	}
	for _, tt := range []struct {
		name string
		args []string
	}{{"report", []string{"report", saved}}, {"run", run}} {
		for at, name := range names {
			t.Run(tt.name+", "+name, func(t *testing.T) {
				t.Parallel()
				dir, err := filepath.EvalSymlinks(t.TempDir()) // strace knows a file by its name
				if err != nil {
					t.Fatal(err)
				}
				outputs := []string{"-o", filepath.Join(dir, "old.json"), "-o", filepath.Join(dir, "old.html")}
				for _, name := range names {
					if err := os.WriteFile(filepath.Join(dir, name), []byte(old), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				// Whatever changes the file takes long. -D: the process is the program's, and the one that traces its child.
				calls := "write,pwrite64,writev,ftruncate,fsync,renameat,renameat2,copy_file_range,sendfile"
				as := []string{
					"strace", "-D", "-f", "-qq", "-o", os.DevNull, "-P", filepath.Join(dir, name), "-e", "trace=" + calls, "-e", "inject=" + calls + ":delay_enter=5000000",
				}
				r := begin(t, dir, as, slices.Concat(tt.args, outputs)...)
				changed := func(name string) bool {
					st, err := os.Stat(filepath.Join(dir, name))
					return err != nil || st.Size() != int64(len(old))
				}
				until(t, "a new "+name, func() bool {
					return changed(name) || (at == 0 || changed(names[0])) && temporarySize(t, dir) > 0 && r.renames(t)
				})
				r.send(t, syscall.SIGKILL)
				if err := r.cmd.Wait(); err == nil {
					t.Error("it had ended")
				}
				for i, name := range names {
					got := content(t, filepath.Join(dir, name))
					if i < at && !wholeFile(name, got) || i >= at && got != old {
						t.Errorf("%s has %d bytes: %.40q", name, len(got), got)
					}
				}
				hidden, _, _ := strings.Cut(files(t, dir), " ")
				left := hidden + " old.html old.json"
				if got := files(t, dir); got != left || !strings.HasPrefix(hidden, ".lastack-") {
					t.Errorf("the directory has %q", got)
				}
				e := runIn(t, dir, "lastack", slices.Concat([]string{"report", saved}, outputs)...)
				if got := files(t, dir); e.code != exitOK || got != left {
					t.Errorf("exit code %d, the directory has %q: %s", e.code, got, e.stderr)
				}
				for _, name := range names {
					if got := content(t, filepath.Join(dir, name)); !wholeFile(name, got) {
						t.Errorf("%s has %d bytes: %.40q", name, len(got), got)
					}
				}
			})
		}
	}
}

// renames reports whether the program is in the middle of a rename.
func (r *running) renames(t *testing.T) bool {
	t.Helper()
	paths, err := filepath.Glob("/proc/" + strconv.Itoa(r.cmd.Process.Pid) + "/task/*/syscall")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(paths, func(path string) bool {
		b, _ := os.ReadFile(path) // nothing of a thread that has ended
		call, _, _ := strings.Cut(string(b), " ")
		return call == strconv.Itoa(unix.SYS_RENAMEAT) || call == strconv.Itoa(unix.SYS_RENAMEAT2)
	})
}

// temporarySize is the size of the temporary file in dir, 0 without one.
func temporarySize(t *testing.T, dir string) (size int64) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, ".lastack-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if st, err := os.Stat(path); err == nil { // else it was removed
			size = max(size, st.Size())
		}
	}
	return size
}

// wholeFile reports whether a file is a whole record, or a whole page of HTML.
func wholeFile(name, content string) bool {
	if filepath.Ext(name) == ".html" {
		return strings.HasPrefix(content, "<!doctype html>") && strings.HasSuffix(strings.TrimSpace(content), "</html>")
	}
	_, err := record.Read(strings.NewReader(content))
	return err == nil
}
