package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lastack/bench/record"
	"lastack/bench/record/recordtest"
	"lastack/report"
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

// files lists what is in a directory.
func files(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// saveTo saves a record as if the only --output were that.
func saveTo(ctx context.Context, d *destination, r *record.Run) error {
	o := &outputFiles{files: []*destination{d}}
	return o.save(ctx, r, d.waits())
}

// save is the whole life of a destination.
func save(path string) error {
	out, err := openDestination("output", path, io.Discard)
	if err != nil {
		return err
	}
	defer out.close()
	return saveTo(context.Background(), out, sampleRun())
}

// TestOutputReplaces saves over what may stand in a path, with its mode and through its links, and leaves nothing else.
func TestOutputReplaces(t *testing.T) {
	want := written(t, sampleRun())
	write := func(path, text string, mode fs.FileMode) error {
		return errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode))
	}
	umask := syscall.Umask(0o027)
	defer syscall.Umask(umask)
	for _, tt := range []struct {
		name    string
		prepare func(dir string) error // path is dir/run.json
		target  string                 // what changes, within dir; the path if empty
		mode    fs.FileMode
		files   string
	}{
		{"new", func(string) error { return nil }, "", 0o640, "run.json"},
		{"short", func(d string) error { return write(d+"/run.json", "x", 0o644) }, "", 0o644, "run.json"},
		{"long", func(d string) error { return write(d+"/run.json", strings.Repeat("x", 1<<20), 0o600) }, "", 0o600, "run.json"},
		{"mode that the umask forbids", func(d string) error { return write(d+"/run.json", "x", 0o666) }, "", 0o666, "run.json"},
		{"link", func(d string) error {
			return errors.Join(write(d+"/real", "x", 0o644), os.Symlink("real", d+"/run.json"))
		}, "real", 0o644, "real run.json"},
		{"dangling link", func(d string) error { return os.Symlink("real", d+"/run.json") }, "real", 0o640, "real run.json"},
		{"links to links", func(d string) error {
			return errors.Join(os.Mkdir(d+"/sub", 0o755), os.Symlink("sub/../a", d+"/run.json"), os.Symlink(d+"/real", d+"/a"))
		}, "real", 0o640, "a real run.json sub"},
		{"directory that is a link", func(d string) error {
			// dir/run.json leads to ../real, seen from where dir/sub/in really is.
			return errors.Join(os.MkdirAll(d+"/deep/in", 0o755), os.Symlink("deep/in", d+"/sub"), os.Symlink("sub/../real", d+"/run.json"))
		}, "deep/real", 0o640, "deep run.json sub"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := tt.prepare(dir); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, "run.json")
			target := filepath.Join(dir, tt.target)
			if tt.target == "" {
				target = path
			}
			wasLink, _ := os.Readlink(path)
			before, _ := os.ReadFile(target)
			out, err := openDestination("output", path, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			if now, _ := os.ReadFile(target); string(now) != string(before) {
				t.Errorf("opening it left %d bytes of %d", len(now), len(before))
			}
			if err := saveTo(t.Context(), out, sampleRun()); err != nil {
				t.Fatal(err)
			}
			out.close()
			if got := content(t, target); got != want {
				t.Errorf("holds %d bytes, want %d", len(got), len(want))
			}
			if link, _ := os.Readlink(path); link != wasLink {
				t.Errorf("the link to %q leads to %q", wasLink, link)
			}
			if st, err := os.Stat(target); err != nil || st.Mode() != tt.mode {
				t.Errorf("mode %v, %v, want %v", st.Mode(), err, tt.mode)
			}
			if got := files(t, dir); got != tt.files {
				t.Errorf("the directory has %q, want %q", got, tt.files)
			}
		})
	}
}

// TestOutputKeepsOwner replaces a file of somebody else, as root.
func TestOutputKeepsOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run.json")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 65534, 65534); err != nil {
		t.Skipf("no file can be given away: %v", err)
	}
	if err := save(path); err != nil {
		t.Fatal(err)
	}
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Uid != 65534 || st.Gid != 65534 || st.Mode&0o777 != 0o600 {
		t.Errorf("uid %d, gid %d, mode %o, %v", st.Uid, st.Gid, st.Mode, err)
	}
}

// TestOutputNotWritten gives a run up.
func TestOutputNotWritten(t *testing.T) {
	for _, before := range []string{"", "kept"} {
		dir := t.TempDir()
		path := filepath.Join(dir, "run.json")
		want := ""
		if before != "" {
			want = "run.json"
			if err := os.WriteFile(path, []byte(before), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		out, err := openDestination("output", path, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		out.close()
		out.close()
		if got := files(t, dir); got != want {
			t.Errorf("the directory has %q, want %q", got, want)
		}
		if want != "" && content(t, path) != before {
			t.Errorf("a file that was there before holds %q", content(t, path))
		}
	}
}

func TestNoOutput(t *testing.T) {
	d, err := openDestination("ledger", "", io.Discard)
	if d != nil || err != nil || d.waits() {
		t.Fatalf("openDestination(\"\") = %v, %v", d, err)
	}
	d.close()
	o, err := openOutputs(nil, io.Discard)
	if err = errors.Join(err, o.save(t.Context(), sampleRun(), false), o.save(t.Context(), sampleRun(), true)); err != nil {
		t.Error(err)
	}
	o.close()
}

// TestOutputs saves a record to several files, of which one may fail.
func TestOutputs(t *testing.T) {
	for _, tt := range []struct {
		name  string
		paths []string
		errs  []string // %[1]s is the directory, %[2]s the file that was saved instead
		files string
	}{
		{"record and page", []string{"a.md", "a.json", "a.csv"}, nil, "a.csv a.json a.md"},
		{"the page fails", []string{"full.html", "a.json"}, []string{
			"the report could not be saved to %[1]s/full.html: write %[1]s/full.html: no space left on device; the record is in %[1]s/a.json",
		}, "a.json full.html"},
		{"the only page fails", []string{"full.html"}, []string{
			"the report could not be saved to %[1]s/full.html: write %[1]s/full.html: no space left on device; the record is in %[2]s",
		}, "full.html %[2]s"},
		{"the record fails", []string{"a.md", "full.json"}, []string{
			"the record could not be saved to %[1]s/full.json: write %[1]s/full.json: no space left on device; it is in %[2]s instead",
		}, "a.md full.json %[2]s"},
		{"both fail", []string{"full.md", "full.json"}, []string{
			"the record could not be saved to %[1]s/full.json: write %[1]s/full.json: no space left on device; it is in %[2]s instead",
			"the report could not be saved to %[1]s/full.md: write %[1]s/full.md: no space left on device; the record is in %[2]s",
		}, "full.json full.md %[2]s"},
		{"both records, one fails", []string{"a.json", "full.jsonl"}, []string{
			"the record could not be saved to %[1]s/full.jsonl: write %[1]s/full.jsonl: no space left on device; it is in %[1]s/a.json instead",
		}, "a.json full.jsonl"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("TMPDIR", dir)
			var paths []string
			for _, name := range tt.paths {
				path := filepath.Join(dir, name)
				if strings.HasPrefix(name, "full.") {
					if err := os.Symlink("/dev/full", path); err != nil {
						t.Fatal(err)
					}
				}
				paths = append(paths, path)
			}
			o, err := openOutputs(paths, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			defer o.close()
			err = errors.Join(o.save(t.Context(), sampleRun(), false), o.save(t.Context(), sampleRun(), true))
			instead := ""
			for name := range strings.FieldsSeq(files(t, dir)) {
				if strings.HasPrefix(name, "lastack-") {
					instead = filepath.Join(dir, name)
				}
			}
			want := strings.Join(tt.errs, "\n")
			for i, s := range []string{dir, instead} {
				want = strings.ReplaceAll(want, fmt.Sprintf("%%[%d]s", i+1), s)
			}
			if got := fmt.Sprint(err); got != want && (err != nil || want != "") {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if got, want := files(t, dir), strings.ReplaceAll(tt.files, "%[2]s", filepath.Base(instead)); got != want {
				t.Errorf("the directory has %q, want %q", got, want)
			}
			if kept := cmp.Or(instead, filepath.Join(dir, "a.json")); content(t, kept) != written(t, sampleRun()) {
				t.Errorf("%s holds no record", kept)
			}
		})
	}
}

func TestOutputRefused(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	loop := filepath.Join(dir, "loop")
	socket := filepath.Join(dir, "socket")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(os.WriteFile(file, nil, 0o644), os.Symlink("loop", loop), unix.Bind(fd, &unix.SockaddrUnix{Name: socket})); err != nil {
		t.Fatal(err)
	}
	readOnly, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer readOnly.Close()
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
		{loop, syscall.ELOOP, "cannot be written (too many levels of symbolic links)"},
		{socket, nil, "not a file, a pipe or a character device"},
		{filepath.Join(dir, strings.Repeat("x", 256)), syscall.ENAMETOOLONG, "cannot be written (file name too long)"},
		{"/dev/fd/999", nil, "cannot be written (bad file descriptor)"},
		{fmt.Sprintf("/dev/fd/%d", readOnly.Fd()), syscall.EBADF, "cannot be written (bad file descriptor)"},
	} {
		err := checkOutputs([]string{tt.path}, report.FormatNames())
		if err == nil || !strings.Contains(err.Error(), tt.text) || codeOf(err, true) != exitUsage {
			t.Errorf("checkOutputs(%q) = %v, want a usage error with %q", tt.path, err, tt.text)
		}
		if tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("checkOutputs(%q) = %v, want %v", tt.path, err, tt.want)
		}
	}
	if err := checkOutputs([]string{filepath.Join(dir, "new")}, report.FormatNames()); err != nil {
		t.Error(err)
	}
	if got := files(t, dir); got != "file loop socket" {
		t.Errorf("checking left %q", got)
	}
}

// TestOutputPipe checks that a named pipe is left alone until there is something to say: its
// reader would take a close for the end.
func TestOutputPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := checkOutputs([]string{path}, report.FormatNames()); err != nil { // opening would wait for a reader
		t.Fatal(err)
	}
	var said bytes.Buffer
	out, err := openDestination("output", path, &said)
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		for said := false; !said; time.Sleep(time.Millisecond) { // until out waits: nobody else opens the pipe
			fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK, 0)
			said = errors.Is(err, unix.ENXIO)
			_ = unix.Close(fd)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			b = []byte(err.Error())
		}
		read <- string(b)
	}()
	if err := saveTo(t.Context(), out, sampleRun()); err != nil {
		t.Fatal(err)
	}
	if got := <-read; got != written(t, sampleRun()) {
		t.Errorf("the reader got %q", got)
	}
	if !out.waits() {
		t.Error("a pipe is not waited for")
	}
}

// TestOutputPipeNobodyReads ends the wait for a reader, and for one that does not read.
func TestOutputPipeNobodyReads(t *testing.T) {
	for name, reader := range map[string]bool{"no reader": false, "a reader that does not read": true} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("TMPDIR", dir)
			path := filepath.Join(dir, "pipe\x1b[2J")
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
			if reader {
				f, err := os.OpenFile(path, os.O_RDWR, 0)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
			}
			ctx, cancel := context.WithCancel(t.Context())
			var said bytes.Buffer
			out, err := openDestination("output", path, &said)
			if err != nil {
				t.Fatal(err)
			}
			run := sampleRun()
			run.Version = strings.Repeat("x", 1<<20) // more than a pipe holds
			time.AfterFunc(50*time.Millisecond, cancel)
			err = saveTo(ctx, out, run)
			if err == nil || !strings.HasPrefix(err.Error(), "the record could not be saved to "+path+": ") {
				t.Fatalf("write = %v", err)
			}
			if want := "lastack: waiting until somebody reads " + filepath.Join(dir, `pipe\x1b[2J`) + ", or a signal (Ctrl-C)\n"; !reader && said.String() != want {
				t.Errorf("said %q, want %q", said.String(), want)
			}
			_, instead, ok := strings.Cut(err.Error(), "; it is in ")
			if instead = strings.TrimSuffix(instead, " instead"); !ok || content(t, instead) != written(t, run) {
				t.Errorf("the record is not where %v says", err)
			}
		})
	}
}

func TestOutputFull(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	err := save("/dev/full")
	if !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(err.Error(), "the record could not be saved to /dev/full: ") {
		t.Errorf("write = %v", err)
	}
	// With nowhere else to go either.
	t.Setenv("TMPDIR", "/nowhere")
	if err := save("/dev/full"); !errors.Is(err, syscall.ENOSPC) || strings.Contains(err.Error(), "instead") {
		t.Errorf("write = %v", err)
	}
}

// TestOutputOwnDescriptor saves to what is stdout, by all its names: what stands there stays, and what is printed too.
func TestOutputOwnDescriptor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := filepath.Join(dir, "log")
	link := filepath.Join(dir, "link")
	if err := os.Symlink("/dev/stdout", link); err != nil {
		t.Fatal(err)
	}
	for _, redirect := range []string{">>", "1<>"} {
		for _, name := range []string{"/dev/stdout", "/proc/self/fd/1", "/dev/fd/1", "log", link} {
			t.Run(redirect+" "+name, func(t *testing.T) {
				if err := os.WriteFile(log, []byte("before\n"), 0o644); err != nil {
					t.Fatal(err)
				}
				var command string
				if redirect == ">>" {
					command = fmt.Sprintf("exec >>log; lastack run -n 20 -q -o %s", name)
				} else {
					command = "exec 1<>log; cat <&1 >/dev/null; " + fmt.Sprintf("lastack run -n 20 -q -o %s", name)
				}
				e := runIn(t, dir, "sh", "-c", command)
				if e.code != exitOK && e.code != exitInvalid {
					t.Fatalf("exit code %d: %s", e.code, e.stderr)
				}
				got := content(t, log)
				rest, ok := strings.CutPrefix(got, "before\nlastack ")
				if _, rest, _ = strings.Cut(rest, "\n{\n"); !ok || rest == "" {
					t.Fatalf("the log lost something: %.300s", got)
				}
				if _, err := record.Read(strings.NewReader("{\n" + rest)); err != nil {
					t.Errorf("the record in the log: %v", err)
				}
			})
		}
	}
	t.Run("another descriptor", func(t *testing.T) {
		if err := os.WriteFile(log, []byte("before\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		e := runIn(t, dir, "sh", "-c", "exec 5>>log; lastack run -n 20 -q -o /dev/fd/5; echo after >&5")
		got := content(t, log)
		rest, ok := strings.CutPrefix(got, "before\n")
		rest, after := strings.CutSuffix(rest, "after\n")
		if _, err := record.Read(strings.NewReader(rest)); !ok || !after || err != nil {
			t.Errorf("%v, %s; the log: %.300s", err, e.stderr, got)
		}
	})
}

// TestOutputDiskFull has the disk be full, or not writable any more, when the record is to be saved: the old one stays, and the
// result is printed.
func TestOutputDiskFull(t *testing.T) {
	mount := []string{"unshare", "--mount", "--map-root-user"}
	if os.Geteuid() == 0 {
		mount = mount[:2]
	}
	for _, tt := range []struct{ name, mount, later, why string }{
		{"full", "-o size=64k", "head -c 60k /dev/zero >disk/fill", "no space left on device"},
		{"no inodes", "-o nr_inodes=3", "touch disk/a disk/b", "no space left on device"},
		{"read-only", "-o size=64k", "mount -o remount,bind,ro disk", "read-only file system"},
		{"directory gone", "-o size=64k", "mv disk/sub disk/gone", "no such file or directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("TMPDIR", dir)
			if e := runIn(t, dir, mount[0], append(mount[1:], "sh", "-c", "mkdir disk && mount -t tmpfs -o size=64k none disk")...); e.code != 0 {
				t.Skipf("no file system can be mounted: %s", e.stderr)
			}
			where := "disk"
			if tt.name == "directory gone" {
				where = "disk/sub"
			}
			if tt.name == "no inodes" {
				tt.later = "touch disk/a 2>/dev/null || true"
			}
			// The disk fills while the load runs.
			script := fmt.Sprintf(`mount -t tmpfs %s none disk && mkdir -p %[2]s && echo old >%[2]s/run.json || exit 99
				lastack run -d 10m -c 2 --interval 100ms -o %[2]s/run.json >out 2>err & pid=$!
				until grep -q load err; do sleep 0.02; done
				%[3]s
				kill -INT $pid; wait $pid; code=$?
				test -e %[2]s/run.json || mv disk/gone disk/sub
				cat %[2]s/run.json; ls -A disk; exit $code`, tt.mount, where, tt.later)
			e := runIn(t, dir, mount[0], append(mount[1:], "sh", "-c", script)...)
			out, stderr := content(t, filepath.Join(dir, "out")), content(t, filepath.Join(dir, "err"))
			if e.code != exitInterrupted || !strings.HasPrefix(e.stdout, "old\n") || strings.Contains(e.stdout, ".lastack") {
				t.Errorf("exit code %d, the file and its directory: %s; %s", e.code, e.stdout, e.stderr)
			}
			if !strings.Contains(out, "VERDICT") {
				t.Errorf("the result was not printed: %s", out)
			}
			if !strings.Contains(stderr, "lastack: the record could not be saved to "+where+"/run.json: ") || !strings.Contains(stderr, tt.why) {
				t.Errorf("stderr: %s", stderr)
			}
			_, instead, _ := strings.Cut(stderr, "; it is in ")
			instead, _, _ = strings.Cut(instead, " instead")
			recordtest.Read(t, instead)
		})
	}
}

// TestLedgerPipe ends a server whose ledger nobody reads: the first signal ends the serving, the second the wait.
func TestLedgerPipe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := begin(t, dir, nil, "serve", "--listen", "127.0.0.1:0", "--ledger", "pipe")
	r.await(t, "listening on ")
	r.send(t, syscall.SIGTERM)
	r.await(t, "waiting until somebody reads pipe")
	time.Sleep(2 * sameSignal) // closer together, signals count as one
	r.send(t, syscall.SIGTERM)
	if code := r.end(t); code != exitError || !strings.Contains(r.stderr.String(), "the ledger could not be written to pipe: nobody reads the pipe") {
		t.Errorf("exit code %d: %s", code, r.stderr.String())
	}
	if !strings.Contains(r.stdout.String(), "server's ledger") {
		t.Errorf("stdout: %s", r.stdout.String())
	}
}

// TestDrainLedgerStays names as the server's ledger what must not be touched.
func TestDrainLedgerStays(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "mine"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	drain := func(ledger string) ended {
		return runIn(t, dir, "lastack", "drain", "127.0.0.1:8080", "--sandbox", "--after", "50ms", "--watch", "50ms", "-q", "-v",
			"--exec", "lastack serve --listen 127.0.0.1:8080 --exchange http:/", "--ledger", ledger)
	}
	e := drain("mine")
	if got := content(t, filepath.Join(dir, "mine")); got != "mine" {
		t.Errorf("the file holds %q", got)
	}
	if said := strings.Join(strings.Fields(e.stdout), " "); !strings.Contains(said, "it could not be read: the server has not written it; what stands there is older") {
		t.Errorf("exit code %d: %s\n%s", e.code, e.stdout, e.stderr)
	}
	node := filepath.Join(dir, "null")
	if err := unix.Mknod(node, unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))); err != nil {
		node = os.DevNull // which only root could remove
	}
	if e := drain(node); e.code != exitUsage || !strings.Contains(e.stderr, "--ledger "+node+": is no regular file") {
		t.Errorf("exit code %d: %s", e.code, e.stderr)
	}
	if _, err := os.Stat(node); err != nil {
		t.Error(err)
	}
	if err := os.Symlink("mine", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, both := range [][2]string{{"none.json", "./none.json"}, {"mine", filepath.Join(dir, "mine")}, {"link", "mine"}} {
		e := runIn(t, dir, "lastack", "drain", "127.0.0.1:8080", "--exec", "lastack serve", "-o", both[0], "--ledger", both[1])
		if e.code != exitUsage || !strings.Contains(e.stderr, "--ledger "+both[1]+": --output names the same file") {
			t.Errorf("exit code %d: %s", e.code, e.stderr)
		}
	}
}
