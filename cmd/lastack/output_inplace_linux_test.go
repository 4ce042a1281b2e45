package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lastack/bench/host"
	"lastack/bench/record"
)

// TestOutputInPlace saves to a file that may be written, in a directory whose entries may not be changed.
func TestOutputInPlace(t *testing.T) {
	want := written(t, sampleRun())
	long := strings.Repeat("x", 1<<20)
	const somebody = 65533 // who runs no test
	for _, tt := range []struct {
		name     string
		file     string // what stands in dir/run.json, none if empty
		mode     os.FileMode
		dir      os.FileMode
		others   bool // directory and file are another user's
		err      error
		replaced bool // by another file
	}{
		{name: "own directory", file: "x", mode: 0o644, dir: 0o755, replaced: true},
		{name: "no write permission", file: "x", mode: 0o644, dir: 0o555},
		{name: "no write permission, long", file: long, mode: 0o644, dir: 0o555},
		{name: "no write permission, write-only", file: long, mode: 0o200, dir: 0o555},
		{name: "another's", file: long, mode: 0o666, dir: 0o755, others: true},
		{name: "another's, sticky", file: long, mode: 0o666, dir: 0o777 | os.ModeSticky, others: true},
		{name: "another's, all may write", file: long, mode: 0o666, dir: 0o777, others: true, replaced: true},
		{name: "no file yet", dir: 0o555, err: syscall.EACCES},
		{name: "file not writable", file: "x", mode: 0o444, dir: 0o555, err: syscall.EACCES},
		{name: "another's file not writable", file: "x", mode: 0o644, dir: 0o755, others: true, err: syscall.EACCES},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "run.json")
			if tt.file != "" {
				if err := errors.Join(os.WriteFile(path, []byte(tt.file), 0o600), os.Chmod(path, tt.mode)); err != nil {
					t.Fatal(err)
				}
			}
			if tt.others {
				if err := errors.Join(os.Chown(dir, somebody, somebody), os.Chown(path, somebody, somebody)); err != nil {
					t.Skipf("no file can be given away: %v", err)
				}
			}
			if err := os.Chmod(dir, tt.dir); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
			var before, after unix.Stat_t
			_ = unix.Stat(path, &before)
			err := host.WithoutCapabilities(func() error { return save(path) })
			_ = unix.Stat(path, &after)
			if err := os.Chmod(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if got := files(t, dir); tt.file != "" && got != "run.json" || tt.file == "" && got != "" {
				t.Errorf("the directory has %q", got)
			}
			if tt.err != nil {
				if !errors.Is(err, tt.err) || codeOf(err, true) != exitUsage {
					t.Errorf("save = %v, want a usage error with %v", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if before.Mode != after.Mode || (before.Ino != after.Ino) != tt.replaced {
				t.Errorf("mode %o was %o, inode %d was %d", after.Mode, before.Mode, after.Ino, before.Ino)
			}
			if err := os.Chmod(path, 0o600); err != nil {
				t.Fatal(err)
			}
			if got := content(t, path); got != want {
				t.Errorf("holds %d bytes, want %d", len(got), len(want))
			}
		})
	}
}

// TestOutputLosesItsDirectory changes what the directory allows after the load has begun.
func TestOutputLosesItsDirectory(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "run.json")
	if err := os.WriteFile(path, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	err := host.WithoutCapabilities(func() error {
		out, err := openOutput(t.Context(), path, io.Discard)
		if err != nil {
			return err
		}
		defer out.close()
		defer func() { _ = os.Chmod(dir, 0o700) }()
		return errors.Join(os.Chmod(dir, 0o555), out.write(sampleRun()))
	})
	if err != nil || content(t, path) != written(t, sampleRun()) || files(t, dir) != "run.json" {
		t.Errorf("%v; %.40q; %s", err, content(t, path), files(t, dir))
	}
}

// TestOutputInPlaceKeepsCapabilities: with them the file is replaced at once, without them there would be a moment with half of it.
func TestOutputInPlaceKeepsCapabilities(t *testing.T) {
	needsAllCapabilities(t)
	for _, tt := range []struct {
		name string
		mode os.FileMode
		want []int
	}{{"directory of root's", 0o755, nil}, {"closed directory", 0o555, host.FileCapabilities}} {
		dir := t.TempDir()
		path := filepath.Join(dir, "run.json")
		if err := errors.Join(os.WriteFile(path, nil, 0o644), os.Chmod(dir, tt.mode)); err != nil {
			t.Fatal(err)
		}
		out, err := openOutput(t.Context(), path, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if got := out.capabilities(); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
		out.close()
	}
}

// TestOutputInPlaceFails has the disk be full, or the file as large as it may get, while the record is written in place: the old one
// stays, byte for byte, and the new one is saved elsewhere.
func TestOutputInPlaceFails(t *testing.T) {
	needsAllCapabilities(t)
	for _, tool := range append([]string{"unshare", "prlimit"}, asNobody[0]) {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	program := shipped(t)
	for _, tt := range []struct {
		name, fill, limit, why string
		old                    int
	}{
		{"full, short", "head -c 60k /dev/zero >disk/fill", "", "no space left on device", 100},
		{"full, a page", "head -c 56k /dev/zero >disk/fill", "", "no space left on device", 4096},
		{"too large", "", "prlimit --fsize=5000", "file too large", 6000},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			old := strings.Repeat("0123456789", tt.old/10)
			if err := os.WriteFile(filepath.Join(dir, "old"), []byte(old), 0o644); err != nil {
				t.Fatal(err)
			}
			nobody := strings.Join(asNobody, " ")
			e := runIn(t, dir, "unshare", "--mount", "sh", "-c", fmt.Sprintf(`chmod 755 . .. && mkdir disk tmp && mount -t tmpfs -o size=64k,mode=755 none disk && chmod 777 tmp &&
				cp old disk/run.json && chmod 666 disk/run.json && cp %s tmp/lastack || exit 99
				%s
				TMPDIR=$PWD/tmp %s %s tmp/lastack run -n 20 -c 2 -q -o disk/run.json >out 2>err; code=$?
				cat disk/run.json; ls -A disk >ls; exit $code`, program, tt.fill, tt.limit, nobody))
			stderr := content(t, filepath.Join(dir, "err"))
			if e.code != exitError || e.stdout != old {
				t.Errorf("exit code %d, %d bytes of %d are left: %s%s", e.code, len(e.stdout), len(old), e.stderr, stderr)
			}
			if !strings.Contains(stderr, "could not be saved to disk/run.json: ") || !strings.Contains(stderr, tt.why) {
				t.Errorf("stderr: %s", stderr)
			}
			if names := content(t, filepath.Join(dir, "ls")); strings.Contains(names, ".lastack") {
				t.Errorf("left: %s", names)
			}
			if tt.limit != "" {
				return // nothing that large can be written anywhere
			}
			_, instead, _ := strings.Cut(stderr, "; it is in ")
			instead, _, _ = strings.Cut(instead, " instead")
			if _, err := record.Read(bytes.NewReader([]byte(content(t, instead)))); err != nil {
				t.Errorf("what was saved instead: %v", err)
			}
		})
	}
}

// TestOutputInPlaceAsNobody has each output file be one that an ordinary user was given, and no more.
func TestOutputInPlaceAsNobody(t *testing.T) {
	needsAllCapabilities(t)
	dir, err := nobodysDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for name, mode := range map[string]os.FileMode{"closed": 0o755, "sticky": 0o777 | os.ModeSticky} {
		given := filepath.Join(dir, name)
		file := filepath.Join(given, "file")
		if err := errors.Join(os.Mkdir(given, 0o700), os.Chmod(given, mode)); err != nil {
			t.Fatal(err)
		}
		check := func(command string, code int) {
			t.Helper()
			if code != exitOK && code != exitInvalid && code != exitThreshold {
				t.Errorf("%s, %s: exit code %d", name, command, code)
			}
			b, err := os.ReadFile(file)
			if err != nil || len(b) < 20 || strings.HasPrefix(string(b), "old") {
				t.Errorf("%s, %s: the file holds %.40q, %v", name, command, b, err)
			}
			if got := files(t, given); got != "file" {
				t.Errorf("%s, %s: the directory has %q", name, command, got)
			}
			if err := errors.Join(os.WriteFile(file, []byte("old"), 0o666), os.Chmod(file, 0o666)); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(os.WriteFile(file, []byte("old"), 0o666), os.Chmod(file, 0o666)); err != nil {
			t.Fatal(err)
		}
		r := begin(t, dir, asNobody, "run", "-n", "20", "-c", "2", "-q", "-o", file)
		check("run", r.end(t))
		t.Log(r.stderr.String())
		r = begin(t, dir, asNobody, "serve", "--listen", "127.0.0.1:0", "--ledger", file)
		r.await(t, "listening on ")
		r.send(t, syscall.SIGTERM)
		check("serve", r.end(t))
		r = begin(t, dir, asNobody, "drain", "127.0.0.1:8080", "--sandbox", "--after", "50ms", "--watch", "50ms", "-q", "-o", file,
			"--exec", "lastack serve --listen 127.0.0.1:8080 --exchange http:/")
		if code := r.end(t); code == exitError && strings.Contains(r.stderr.String(), "namespace") {
			t.Logf("no sandbox for an ordinary user: %s", r.stderr.String())
		} else {
			check("drain", code)
		}
	}
}
