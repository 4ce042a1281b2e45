package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

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
		out, err := openDestination("output", path, io.Discard)
		if err != nil {
			return err
		}
		defer out.close()
		defer func() { _ = os.Chmod(dir, 0o700) }()
		return errors.Join(os.Chmod(dir, 0o555), saveTo(t.Context(), out, sampleRun()))
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
		want []string
	}{{"directory of root's", 0o755, nil}, {"closed directory", 0o555, host.FileCapabilities}} {
		dir := t.TempDir()
		path := filepath.Join(dir, "run.json")
		if err := errors.Join(os.WriteFile(path, nil, 0o644), os.Chmod(dir, tt.mode)); err != nil {
			t.Fatal(err)
		}
		out, err := openDestination("output", path, io.Discard)
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
	t.Parallel()
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
	t.Parallel()
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

// TestOutputInPlaceMends has each step of the write fail, once or always: the file holds the old record or the new one, and
// nothing between.
func TestOutputInPlaceMends(t *testing.T) {
	t.Parallel()
	needsAllCapabilities(t)
	needsStrace(t)
	short, long := "old", strings.Repeat("0123456789", 1<<14)
	for _, tt := range []struct {
		name, inject, old, why string
		mode                   os.FileMode
		isNew                  bool // the file is not the old one
	}{
		{"fsync, once", "fsync:error=ENOSPC:when=1", short, "no space left on device", 0o666, false},
		{"fsync, once, long", "fsync:error=EDQUOT:when=1", long, "disk quota exceeded", 0o666, false},
		{"fsync, always", "fsync:error=EIO", long, "could not be restored", 0o666, false},
		{"fsync of the length", "fsync:error=EIO:when=2", long, "input/output error", 0o666, true},
		{"length, once", "ftruncate:error=EIO:when=1", long, "input/output error", 0o666, false},
		{"length, always", "ftruncate:error=EIO", long, "input/output error", 0o666, false},
		{"write, always", "write:error=EIO", long, "input/output error", 0o666, false},
		{"close", "close:error=EIO", short, "close: input/output error", 0o666, false},
		{"read", "pread64:error=EIO", long, "its old content cannot be read, so it could not be restored", 0o666, false},
		{"not readable, fsync", "fsync:error=EIO:when=1", long, "could not be restored, and the file may hold a mix of both (the file is not readable)", 0o222, true},
		{"not readable, write", "write:error=EIO", long, "input/output error", 0o222, false},
		{"locks not kept", "flock:error=ENOLCK", long, "", 0o666, true},
		{"locked", "flock:error=EAGAIN", long, "another program holds a lock", 0o666, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, err := nobodysDir()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(dir) })
			file := filepath.Join(dir, "run.json")
			if err := errors.Join(os.WriteFile(file, []byte(tt.old), 0o600), os.Chmod(file, tt.mode), os.Chmod(dir, 0o755)); err != nil {
				t.Fatal(err)
			}
			call, _, _ := strings.Cut(tt.inject, ":")
			words := slices.Concat(asNobody, []string{
				"env", "TMPDIR=/tmp", "strace", "-f", "-qq", "-o", os.DevNull, "-P", file, "-e", "trace=" + call, "-e", "inject=" + tt.inject,
				filepath.Join(dir, "lastack"), "run", "127.0.0.1:1", "-n", "1", "-c", "1", "-q", "-o", file,
			})
			e := runIn(t, dir, words[0], words[1:]...)
			if tt.why == "" && e.code == exitError || tt.why != "" && (e.code != exitError || !strings.Contains(e.stderr, tt.why)) {
				t.Errorf("exit code %d, want %q: %s", e.code, tt.why, e.stderr)
			}
			if _, instead, ok := strings.Cut(e.stderr, "; it is in "); ok {
				instead, _, _ = strings.Cut(instead, " instead")
				defer os.Remove(instead)
				if _, err := record.Read(strings.NewReader(content(t, instead))); err != nil {
					t.Errorf("what was saved instead: %v", err)
				}
			} else if tt.why != "" {
				t.Errorf("it is nowhere: %s", e.stderr)
			}
			got := content(t, file)
			if (got != tt.old) != tt.isNew {
				t.Errorf("it holds %.20q...%.20q, %d bytes", got, got[max(0, len(got)-20):], len(got))
			}
			if _, err := record.Read(strings.NewReader(got)); tt.isNew && tt.mode&0o444 != 0 && err != nil {
				t.Errorf("it holds no record: %v", err)
			}
		})
	}
}

// TestOutputInPlaceSwapped has whoever owns the directory put something else in the file's place during the load.
func TestOutputInPlaceSwapped(t *testing.T) {
	for _, tt := range []struct {
		name string
		swap func(path, victim string) error
	}{
		{"hard link", func(path, victim string) error { return os.Link(victim, path) }},
		{"symbolic link", func(path, victim string) error { return os.Symlink(victim, path) }},
		{"pipe", func(path, _ string) error { return syscall.Mkfifo(path, 0o600) }},
		{"another file", func(path, _ string) error { return os.WriteFile(path, []byte("another"), 0o600) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("TMPDIR", t.TempDir())
			path, victim := filepath.Join(dir, "run.json"), filepath.Join(t.TempDir(), "victim")
			if err := errors.Join(os.WriteFile(path, []byte("old"), 0o600), os.WriteFile(victim, []byte("precious"), 0o600), os.Chmod(dir, 0o555)); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = os.Chmod(dir, 0o700) }()
			err := host.WithoutCapabilities(func() error {
				out, err := openDestination("output", path, io.Discard)
				if err != nil {
					t.Error(err)
					return nil
				}
				defer out.close()
				seen := out.seen
				if err := errors.Join(os.Chmod(dir, 0o700), os.Rename(path, path+".away"), tt.swap(path, victim), os.Chmod(dir, 0o555)); err != nil {
					t.Error(err)
				}
				// As if it came between the look at it and the opening, too.
				if err := overwrite(path, seen, []byte("new")); err == nil || !strings.Contains(err.Error(), "another file took its place") {
					t.Errorf("overwrite = %v", err)
				}
				return saveTo(t.Context(), out, sampleRun())
			})
			if err == nil || !strings.Contains(err.Error(), "; it is in ") {
				t.Errorf("write = %v", err)
			}
			if got := content(t, victim) + content(t, path+".away"); got != "preciousold" {
				t.Errorf("the files hold %q", got)
			}
		})
	}
}

// TestOutputInPlaceLocked has another program write the file.
func TestOutputInPlaceLocked(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", t.TempDir())
	path := filepath.Join(dir, "run.json")
	if err := errors.Join(os.WriteFile(path, []byte("old"), 0o600), os.Chmod(dir, 0o555)); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = os.Chmod(dir, 0o700) }()
	other, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(other.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	err = host.WithoutCapabilities(func() error { return save(path) })
	if err == nil || !strings.Contains(err.Error(), "another program holds a lock on it, and may be writing it; it is in ") || content(t, path) != "old" {
		t.Errorf("save = %v; %.40q", err, content(t, path))
	}
	_ = other.Close()
	if err := host.WithoutCapabilities(func() error { return save(path) }); err != nil || content(t, path) != written(t, sampleRun()) {
		t.Errorf("save = %v; %.40q", err, content(t, path))
	}
}

// TestOutputInPlaceHurried sends a second signal between the two steps that make the file the record.
func TestOutputInPlaceHurried(t *testing.T) {
	t.Parallel()
	needsAllCapabilities(t)
	needsStrace(t)
	dir, err := nobodysDir()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	file := filepath.Join(dir, "run.json")
	if err := errors.Join(os.WriteFile(file, bytes.Repeat([]byte("x"), 1<<20), 0o600), os.Chmod(file, 0o666), os.Chmod(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	s := begin(t, dir, nil, "serve", "--listen", "127.0.0.1:0")
	s.await(t, `listening on \S+,`)
	addr := regexp.MustCompile(`listening on (\S+),`).FindStringSubmatch(s.stderr.String())[1]
	// -D: the process is the program's, and the one that traces its child.
	as := slices.Concat(asNobody, []string{"strace", "-D", "-f", "-qq", "-o", os.DevNull, "-P", file, "-e", "trace=ftruncate", "-e", "inject=ftruncate:delay_enter=5000000"})
	r := begin(t, dir, as, "run", addr, "-d", "10m", "-c", "1", "-R", "20", "--interval", "100ms", "-o", file)
	r.await(t, `(?m) load *$`)
	r.send(t, syscall.SIGINT)
	first := time.Now()
	until(t, "the record is being written", func() bool { return strings.HasPrefix(content(t, file), "{") && time.Since(first) > 2*sameSignal })
	r.send(t, syscall.SIGINT)
	if code := r.end(t); code != exitInterrupted {
		t.Errorf("exit code %d: %s", code, r.stderr.String())
	}
	if _, err := record.Read(strings.NewReader(content(t, file))); err != nil {
		t.Errorf("the record of %d bytes: %v", len(content(t, file)), err)
	}
	s.send(t, syscall.SIGTERM)
	s.end(t)
}

// TestOutputAppendOnlyDirectory: what is made there cannot be removed.
func TestOutputAppendOnlyDirectory(t *testing.T) {
	for _, late := range []bool{false, true} {
		dir := t.TempDir()
		path := filepath.Join(dir, "run.json")
		if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
			t.Fatal(err)
		}
		appendOnly := func() {
			if out, err := exec.Command("chattr", "+a", dir).CombinedOutput(); err != nil {
				t.Skipf("no directory can be made append-only: %v: %s", err, out)
			}
		}
		t.Cleanup(func() { _ = exec.Command("chattr", "-a", dir).Run() })
		if !late {
			appendOnly()
		}
		var stderr bytes.Buffer
		out, err := openDestination("output", path, &stderr)
		if !late {
			name := strings.TrimSuffix(files(t, dir), " run.json")
			if codeOf(err, true) != exitUsage || !strings.Contains(err.Error(), filepath.Join(dir, name)+" is left: operation not permitted") || !strings.HasPrefix(name, ".lastack-") || strings.Contains(name, " ") {
				t.Errorf("openDestination = %v; the directory has %s", err, files(t, dir))
			}
			if content(t, path) != "old" {
				t.Errorf("the file holds %.40q", content(t, path))
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		appendOnly()
		err = saveTo(t.Context(), out, sampleRun())
		name := strings.TrimSuffix(files(t, dir), " run.json")
		if err != nil || content(t, path) != written(t, sampleRun()) || !strings.Contains(stderr.String(), "temporary file "+filepath.Join(dir, name)+" could not be removed (operation not permitted)") {
			t.Errorf("write = %v; the file holds %.40q; the directory has %s; %s", err, content(t, path), files(t, dir), stderr.String())
		}
	}
}
