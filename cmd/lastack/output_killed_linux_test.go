package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lastack/bench/record"
)

// TestOutputKilled kills the program while it replaces files: each holds its old content or the new one, whole, and nothing is left but a hidden
// temporary file. The next save works, and leaves that file alone: another program might still write it.
func TestOutputKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	big := bigRecord(t, dir)
	pages := func(dir string) []string {
		return []string{"-o", filepath.Join(dir, "old.json"), "-o", filepath.Join(dir, "old.html")}
	}
	args := append([]string{"report", big}, pages(dir)...)
	if e := lastack(t, args...); e.code != exitOK {
		t.Fatalf("exit code %d: %s", e.code, e.stderr)
	}
	same := map[string]string{"old.json": content(t, filepath.Join(dir, "old.json")), "old.html": content(t, filepath.Join(dir, "old.html"))}

	for _, tt := range []struct {
		name string
		args []string
		// saved is how many files have been replaced when it is killed.
		saved int
		// whole reports whether a file is a new one.
		whole func(name, content string) bool
	}{
		{"report, the first file", []string{"report", big}, 0, func(name, content string) bool { return content == same[name] }},
		{"report, the second file", []string{"report", big}, 1, func(name, content string) bool { return content == same[name] }},
		{"run, the first file", []string{"run", "-d", "1s", "-c", "4", "--interval", "10ms", "-q"}, 0, wholePage},
		{"run, the second file", []string{"run", "-d", "1s", "-c", "4", "--interval", "10ms", "-q"}, 1, wholePage},
	} {
		t.Run(tt.name, func(t *testing.T) {
			left := ""
			const tries = 20 // a busy machine may let the test look too late
			for try := 0; left == "" && !t.Failed(); try++ {
				if try == tries {
					t.Fatalf("it was never caught while it saved, in %d tries", tries)
				}
				left = killWhileSaving(t, t.TempDir(), append(tt.args, "-o", "old.json", "-o", "old.html"), tt.saved, tt.whole)
			}
			if t.Failed() {
				return
			}
			dir := filepath.Dir(left)
			e := runIn(t, dir, "lastack", append([]string{"report", big}, pages(dir)...)...)
			for name, want := range same {
				if got := content(t, filepath.Join(dir, name)); e.code != exitOK || got != want {
					t.Errorf("exit code %d, %s has %d bytes, want %d: %s", e.code, name, len(got), len(want), e.stderr)
				}
			}
			if got, want := files(t, dir), filepath.Base(left)+" old.html old.json"; got != want {
				t.Errorf("the directory has %q, want %q", got, want)
			}
		})
	}
}

// killWhileSaving starts the program in dir, kills it while it writes the next file after it has replaced saved of them, and checks what it leaves.
// It returns the temporary file, or "" if it was killed too late to leave one.
func killWhileSaving(t *testing.T, dir string, args []string, saved int, whole func(name, content string) bool) (left string) {
	t.Helper()
	const old = "old"
	names := []string{"old.json", "old.html"}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(old), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	replaced := func() (n int) {
		for _, name := range names {
			if st, err := os.Stat(filepath.Join(dir, name)); err != nil || st.Size() != int64(len(old)) {
				n++
			}
		}
		return n
	}
	r := begin(t, dir, nil, args...)
	gone := make(chan int, 1)
	go func() {
		_ = r.cmd.Wait() // its code says more
		gone <- r.cmd.ProcessState.ExitCode()
	}()
	// Look often: a save may take a millisecond.
	for more := true; more; time.Sleep(100 * time.Microsecond) {
		select {
		case code := <-gone:
			if more = false; code != exitOK && code != exitInvalid || replaced() != len(names) {
				t.Fatalf("exit code %d, and %d files are saved: %s", code, replaced(), r.stderr.String())
			}
		default:
			if n := replaced(); n > saved || n == saved && temporarySize(t, dir) > 0 {
				_ = r.cmd.Process.Kill() // unless it has ended
				<-gone
				more = false
			}
		}
	}
	for _, name := range names {
		if got := content(t, filepath.Join(dir, name)); got != old && !whole(name, got) {
			t.Errorf("%s has %d bytes, and is neither the old one nor the new one", name, len(got))
		}
	}
	rest := strings.TrimSpace(strings.TrimSuffix(files(t, dir), "old.html old.json"))
	switch {
	case rest == "":
		return ""
	case !strings.HasPrefix(rest, ".lastack-") || strings.Contains(rest, " "):
		t.Errorf("left: %s", rest)
	}
	t.Logf("killed with %d bytes of a file written, after %d files", temporarySize(t, dir), replaced())
	return filepath.Join(dir, rest)
}

// temporarySize is the size of the temporary file in dir, 0 without one.
func temporarySize(t *testing.T, dir string) int64 {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, ".lastack-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if st, err := os.Stat(path); err == nil {
			return st.Size()
		}
	}
	return 0
}

// wholePage reports whether a file is a whole record, or a whole page of HTML.
func wholePage(name, content string) bool {
	if filepath.Ext(name) == ".html" {
		return strings.HasPrefix(content, "<!DOCTYPE html>") && strings.HasSuffix(content, "</html>\n")
	}
	_, err := record.Read(strings.NewReader(content))
	return err == nil
}

// bigRecord makes a file of some megabytes, which take a while to be written.
func bigRecord(t *testing.T, dir string) (path string) {
	t.Helper()
	path = filepath.Join(dir, "big.json")
	if e := lastack(t, "run", "-n", "1000", "-c", "4", "-q", "-o", path); e.code != exitOK && e.code != exitInvalid {
		t.Fatalf("exit code %d: %s", e.code, e.stderr)
	}
	run, err := record.Read(strings.NewReader(content(t, path)))
	if err != nil {
		t.Fatal(err)
	}
	row := run.Timeline[0]
	for range 1000 {
		row.TS++
		run.Timeline = append(run.Timeline, row)
	}
	run.ElapsedS = row.TS
	var b bytes.Buffer
	if err := record.Write(&b, run); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Logf("a record of %d KiB", b.Len()>>10)
	return path
}
