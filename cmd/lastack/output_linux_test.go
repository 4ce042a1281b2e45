package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lastack/bench/record"
)

func sampleRun() *record.Run {
	return &record.Run{Schema: record.Schema, Kind: "run", Started: time.Unix(1, 0).UTC()}
}

func written(t *testing.T, r *record.Run) string {
	t.Helper()
	var b bytes.Buffer
	if err := record.Write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestOutputWrites(t *testing.T) {
	want := written(t, sampleRun())
	for name, before := range map[string]string{"new": "", "short": "x", "long": strings.Repeat("x", 2*len(want))} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "run.json")
			if before != "" {
				if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			out, err := openOutput(path)
			if err != nil {
				t.Fatal(err)
			}
			if got := content(t, path); got != before {
				t.Errorf("opening it left %d bytes of %d", len(got), len(before))
			}
			if err := out.write(sampleRun()); err != nil {
				t.Fatal(err)
			}
			out.discard() // comes too late to matter
			if got := content(t, path); got != want {
				t.Errorf("holds %d bytes, want %d", len(got), len(want))
			}
		})
	}
}

func TestOutputDiscarded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.json")
	out, err := openOutput(path)
	if err != nil {
		t.Fatal(err)
	}
	out.discard()
	out.discard()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file made is still there: %v", err)
	}
	if err := os.WriteFile(path, []byte("kept"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err = openOutput(path); err != nil {
		t.Fatal(err)
	}
	out.discard()
	if got := content(t, path); got != "kept" {
		t.Errorf("a file that was there before holds %q", got)
	}
}

func TestNoOutput(t *testing.T) {
	out, err := openOutput("")
	if out != nil || err != nil {
		t.Fatalf("openOutput(\"\") = %v, %v", out, err)
	}
	if err := out.write(sampleRun()); err != nil {
		t.Error(err)
	}
	out.discard()
}

func TestOutputRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path string
		want error
		text string
	}{
		{"", nil, `--output "": want a file`},
		{"-", nil, `--output -: want a file`},
		{dir, syscall.EISDIR, "--output " + dir + ": cannot be written (is a directory)"},
		{filepath.Join(dir, "no", "file"), fs.ErrNotExist, "cannot be written (no such file or directory)"},
		{filepath.Join(file, "x"), syscall.ENOTDIR, "cannot be written (not a directory)"},
	} {
		err := checkOutput(tt.path)
		if err == nil || !strings.Contains(err.Error(), tt.text) || codeOf(err, true) != exitUsage {
			t.Errorf("checkOutput(%q) = %v, want a usage error with %q", tt.path, err, tt.text)
		}
		if tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("checkOutput(%q) = %v, want %v", tt.path, err, tt.want)
		}
	}
	if err := checkOutput(filepath.Join(dir, "new")); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("checking left a file: %v", err)
	}
}

// TestOutputPipe checks that a named pipe is left alone until there is something to say: its
// reader would take a close for the end.
func TestOutputPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := checkOutput(path); err != nil { // opening would wait for a reader
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		b, err := os.ReadFile(path)
		if err != nil {
			b = []byte(err.Error())
		}
		read <- string(b)
	}()
	out, err := openOutput(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := out.write(sampleRun()); err != nil {
		t.Fatal(err)
	}
	if got := <-read; got != written(t, sampleRun()) {
		t.Errorf("the reader got %q", got)
	}
}

func TestOutputFull(t *testing.T) {
	out, err := openOutput("/dev/full")
	if err != nil {
		t.Fatal(err)
	}
	err = out.write(sampleRun())
	if !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(err.Error(), "the record could not be saved to /dev/full: ") {
		t.Errorf("write = %v", err)
	}
}
