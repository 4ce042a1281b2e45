package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"lastack/bench/host"
	"lastack/bench/quantity"
	"lastack/bench/record"
)

// destination is a file that a command writes when it ends (--output, --ledger). How it is written depends on what it is:
//
//	regular file, or none yet  a new file is written beside it and renamed over it when complete, so that the old one stays
//	                           whatever happens. A symbolic link stays, and its target is replaced. If the directory does not
//	                           allow that but the file does, see overwrite.
//	own descriptor             /dev/stdout, /dev/fd/3, or a file that is stdout: appended through the descriptor
//	pipe, device               opened without truncation; the write waits for a reader, until a signal comes
//
// It is checked before a socket opens, so that no run starts that cannot be saved. Nothing changes until it is written.
type destination struct {
	flag, path string
	// target is the regular file, with symbolic links resolved.
	target string
	// inPlace: no file can be made beside the target.
	inPlace bool
	// seen is the target when it was checked, nil if there was none.
	seen os.FileInfo
	// file is the open file for an own descriptor or a device. It is nil for a regular file, and for a named pipe, whose
	// reader would take a close for the end of the data.
	file *os.File
}

// openDestination finds out what path is and whether it can be written. The error is a usage error if another path would help.
func openDestination(flag, path string) (*destination, error) {
	d := &destination{flag: flag, path: path}
	if err := d.open(); err != nil {
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			err = p.Err
		}
		switch {
		case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
			return nil, exitWith(exitError, fmt.Errorf("--%s %s: cannot be opened (%w): raise the limit (ulimit -n, or fs.file-max of the host)", flag, path, err))
		case errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.EIO):
			return nil, exitWith(exitError, fmt.Errorf("--%s %s: cannot be opened (%w): the kernel's log may say why (dmesg)", flag, path, err))
		}
		return nil, usagef("--%s %s: cannot be written (%w): want a file in an existing, writable directory", flag, path, err)
	}
	return d, nil
}

func (d *destination) open() error {
	st, err := os.Stat(d.path)
	if fd, ok := ownDescriptor(d.path, st); ok {
		d.file, err = duplicate(fd, d.path)
		return err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		_, err := d.openBeside()
		return err
	case err != nil:
		return err
	case st.Mode().IsRegular():
		// O_NONBLOCK, in case a pipe has taken its place meanwhile.
		f, err := os.OpenFile(d.path, os.O_WRONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
		if err != nil {
			return err
		}
		d.seen, err = f.Stat() // not st: opening a file of an overlay's lower layer may copy it up
		_ = f.Close()          // nothing was written
		if err != nil {
			return err
		}
		made, err := d.openBeside()
		if d.target != "" && !made && fixedEntries(err) {
			d.inPlace = true
			return nil
		}
		return err
	case st.IsDir():
		return syscall.EISDIR
	case st.Mode()&os.ModeNamedPipe != 0:
		return mayWrite(d.path)
	case st.Mode()&os.ModeCharDevice != 0:
		// Without O_NONBLOCK the open of a serial line may wait for its carrier.
		d.file, err = os.OpenFile(d.path, os.O_WRONLY|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
		return err
	}
	return errors.New("not a file, a pipe or a character device")
}

// openBeside resolves the links, and tests that a file can be made and removed beside the target. In an append-only directory
// (chattr +a) it cannot be removed: that is an error whatever the errno.
func (d *destination) openBeside() (made bool, err error) {
	if d.target, err = followLinks(d.path); err != nil {
		return false, err
	}
	defer dontExit()()
	f, err := d.temporary(0o600)
	if err != nil {
		return false, err
	}
	_ = f.Close() // nothing was written
	if err := os.Remove(f.Name()); err != nil {
		return true, fmt.Errorf("its directory does not allow removing files, and the empty file %s is left: %w", f.Name(), reasonOf(err))
	}
	return true, nil
}

// ownDescriptor finds the descriptor of this process that path leads to. Opening the path anew would write from offset 0, and
// replacing the file would detach it from other writers to the redirection. st is the result of os.Stat(path), nil if it failed.
func ownDescriptor(path string, st os.FileInfo) (fd int, ok bool) {
	if st != nil && !st.IsDir() {
		for i, f := range []*os.File{os.Stdout, os.Stderr} {
			if own, err := f.Stat(); err == nil && os.SameFile(own, st) {
				return 1 + i, true
			}
		}
	}
	dir, name := filepath.Split(path)
	dir, err := filepath.EvalSymlinks(cmp.Or(dir, "."))
	if err != nil {
		return 0, false
	}
	if dir == "/dev" && strings.HasPrefix(name, "std") { // links to /proc/self/fd
		if link, err := os.Readlink(path); err == nil && link != path {
			return ownDescriptor(link, nil)
		}
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return 0, false
	}
	self := "/proc/" + strconv.Itoa(os.Getpid())
	if dir != self+"/fd" && !(strings.HasPrefix(dir, self+"/task/") && strings.HasSuffix(dir, "/fd")) && dir != "/dev/fd" {
		return 0, false
	}
	fd, err = strconv.Atoi(name)
	return fd, err == nil && fd >= 0
}

// maxLinks is the kernel's limit (MAXSYMLINKS).
const maxLinks = 40

// followLinks resolves path, whose last element need not exist, as filepath.EvalSymlinks requires.
func followLinks(path string) (string, error) {
	for range maxLinks {
		dir, name := filepath.Split(path)
		dir, err := filepath.EvalSymlinks(cmp.Or(dir, "."))
		if err != nil {
			return "", err
		}
		path = filepath.Join(dir, name)
		link, err := os.Readlink(path)
		if err != nil { // no link, or nothing
			return path, nil
		}
		if !filepath.IsAbs(link) {
			link = dir + "/" + link // not filepath.Join, which shortens a/../b to b although a may be a link
		}
		path = link
	}
	return "", syscall.ELOOP
}

// sameFile reports whether two paths name the same file, which need not exist.
func sameFile(a, b string) bool {
	ia, erra := os.Stat(a)
	ib, errb := os.Stat(b)
	if erra == nil && errb == nil {
		return os.SameFile(ia, ib)
	}
	a, erra = followLinks(a)
	b, errb = followLinks(b)
	if erra != nil || errb != nil {
		return false
	}
	a, erra = filepath.Abs(a)
	b, errb = filepath.Abs(b)
	return erra == nil && errb == nil && a == b
}

func (d *destination) temporary(mode fs.FileMode) (*os.File, error) {
	name := filepath.Join(filepath.Dir(d.target), ".lastack-"+rand.Text())
	return os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
}

// waits reports whether a write may wait for a reader.
func (d *destination) waits() bool { return d != nil && d.target == "" }

func (d *destination) close() {
	if d != nil && d.file != nil {
		_ = d.file.Close() // what was written was checked
	}
}

// write writes b. Once ctx is done, it waits for a reader no longer than lastWait. It calls say when it begins to wait.
func (d *destination) write(ctx context.Context, b []byte, say func(string)) error {
	switch {
	case d.target != "":
		return d.replace(b, say)
	case d.file != nil:
		return errors.Join(writeTo(ctx, d.file, b), flush(d.file))
	}
	f, err := d.awaitReader(ctx, say)
	if err != nil {
		return err
	}
	return errors.Join(writeTo(ctx, f, b), f.Close())
}

// lastWait is how long a write to a pipe that nobody reads may take once a signal has come.
const lastWait = time.Second

// awaitReader opens a named pipe for writing. It polls, since no signal would interrupt a blocking open(2).
func (d *destination) awaitReader(ctx context.Context, say func(string)) (*os.File, error) {
	const poll = 20 * time.Millisecond
	for from, said := time.Now(), false; ; said = true {
		f, err := os.OpenFile(d.path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		switch {
		case !errors.Is(err, syscall.ENXIO):
			return f, err
		case ctx.Err() != nil && time.Since(from) > lastWait:
			return nil, errors.New("nobody reads the pipe")
		case !said:
			say(fmt.Sprintf("waiting until somebody reads %s, or a signal (Ctrl-C)", quantity.Escape(d.path)))
		}
		time.Sleep(poll)
	}
}

func writeTo(ctx context.Context, f *os.File, b []byte) error {
	// A file that takes no deadline does not block for long, or blocks until a second signal.
	defer context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Now().Add(lastWait)) })()
	_, err := f.Write(b)
	return err
}

// fixedEntries reports whether err says that a directory's entries may not be changed: no write permission (EACCES), another user's
// file in a sticky directory, or an immutable directory (EPERM), a file mounted on a read-only file system (EROFS), a file that is a
// mount point itself, as when it is passed into a container (EBUSY).
func fixedEntries(err error) bool {
	return slices.ContainsFunc([]error{syscall.EACCES, syscall.EPERM, syscall.EROFS, syscall.EBUSY}, func(e error) bool { return errors.Is(err, e) })
}

// replace replaces the target by a new file with the same mode and owner. It calls say if it leaves a temporary file.
func (d *destination) replace(b []byte, say func(string)) error {
	defer dontExit()()
	old, err := os.Lstat(d.target)
	mode := fs.FileMode(0o644)
	if err == nil {
		if !old.Mode().IsRegular() {
			return fmt.Errorf("%s is no longer a regular file", d.target)
		}
		mode = old.Mode().Perm()
	}
	f, err := d.temporary(mode)
	if old != nil && fixedEntries(err) {
		return overwrite(d.target, d.seen, b)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil && old != nil {
		keepOwner(f, old)
		err = f.Chmod(mode) // undo the umask, and the bits that chown clears
	}
	if err == nil {
		// Without it, a crash of the host right after the rename may leave an empty file.
		err = toDisk(f)
	}
	entry := false // the directory's entry may not be changed
	if err = errors.Join(err, f.Close()); err == nil {
		if err = os.Rename(f.Name(), d.target); err == nil {
			return nil
		}
		entry = old != nil && fixedEntries(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		say(fmt.Sprintf("temporary file %s could not be removed (%v): delete it", quantity.Escape(f.Name()), reasonOf(err)))
	}
	if entry {
		return overwrite(d.target, d.seen, b)
	}
	return err
}

// overwrite writes b into the file that was seen, in place. It takes a lock (flock), and fails if another program holds one. On an
// error it restores the old content. To make that possible it truncates last, when the new content is on the disk. If the file can
// be written but not read, an error loses the old content.
//
// Unlike a rename, this is not atomic: a reader meanwhile, or a SIGKILL or a crash of the host, may see a mix of old and new content.
// So may readers if another program writes at the same time without the lock, or on a network file system without locks. Other signals
// wait for the end (see dontExit).
func overwrite(path string, seen os.FileInfo, b []byte) (err error) {
	// The owner of the directory may have put a pipe there, or a link to a file that only this user may write.
	const how = noFollow | syscall.O_NONBLOCK | syscall.O_NOCTTY
	f, err := os.OpenFile(path, os.O_RDWR|how, 0)
	readable := err == nil
	if errors.Is(err, syscall.EACCES) {
		f, err = os.OpenFile(path, os.O_WRONLY|how, 0)
	}
	if err != nil && !errors.Is(err, syscall.ELOOP) {
		return err
	}
	replaced := errors.New("another file took its place during the run, and its directory does not allow replacing it")
	if err != nil {
		return replaced
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	st, err := f.Stat()
	switch {
	case err != nil:
		return err
	case seen == nil || !st.Mode().IsRegular() || !os.SameFile(st, seen):
		return replaced
	case lockedElsewhere(f):
		return errors.New("another program holds a lock on it, and may be writing it")
	}
	if st, err = f.Stat(); err != nil { // the last holder of the lock may have changed it
		return err
	}
	size := st.Size()
	old := make([]byte, min(size, int64(len(b))))
	if readable {
		if _, err := f.ReadAt(old, 0); err != nil {
			return fmt.Errorf("its old content cannot be read, so it could not be restored if the write failed: %w", err)
		}
	}
	n := 0
	defer func() {
		if err == nil {
			return
		}
		if rerr := restore(f, size, n, old, readable || size == 0); rerr != nil {
			err = fmt.Errorf("%w; the old content could not be restored, and the file may hold a mix of both (%w)", err, rerr)
		}
	}()
	if err := host.ReserveSpace(f, len(b)); err != nil {
		return err
	}
	if n, err = f.Write(b); err != nil { // not WriteAt, whose count is wrong after an error
		return err
	}
	// A network file system may report only now that there is no space.
	if err := errors.Join(toDisk(f), flush(f)); err != nil {
		return err
	}
	if size <= int64(len(b)) {
		return nil
	}
	if err := f.Truncate(int64(len(b))); err != nil {
		return err
	}
	if err := toDisk(f); err != nil {
		// The new content is on the disk; only the length is not.
		size, n = int64(len(b)), 0
		return err
	}
	return nil
}

// restore restores f's size and its first n bytes from old, if those are known.
func restore(f *os.File, size int64, n int, old []byte, known bool) error {
	var err error
	switch {
	case n > 0 && known:
		_, err = f.WriteAt(old[:min(n, len(old))], 0) // into blocks that are already allocated
	case n > 0:
		err = errors.New("the file is not readable")
	}
	// This also frees the space reserved past the end. Failing at that alone is no error.
	if terr := f.Truncate(size); terr != nil {
		if st, serr := f.Stat(); serr != nil || st.Size() != size {
			err = errors.Join(err, terr)
		}
	}
	if err == nil && n > 0 {
		err = toDisk(f)
	}
	return err
}

// toDisk is fsync, if f's file system has it.
func toDisk(f *os.File) error {
	err := f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

// keepOwner gives f the owner and group of old, as far as the kernel allows it.
func keepOwner(f *os.File, old os.FileInfo) {
	uid, gid, ok := ownerOf(old)
	if ok && f.Chown(uid, gid) != nil {
		_ = f.Chown(-1, gid) // an ordinary user may give a file to one of their groups
	}
}

// output is the destination of --output.
type output struct {
	*destination
	ctx    context.Context
	stderr io.Writer
}

// checkOutput checks before the load that a record can be saved to path.
func checkOutput(path string) error {
	switch path {
	case "":
		return usagef("--output \"\": want a file to save the run record to")
	case "-":
		return usagef("--output -: want a file; --format json prints the record to stdout")
	}
	d, err := openDestination("output", path)
	d.close()
	return err
}

// openOutput returns nil for an empty path. A signal to end the run cancels ctx.
func openOutput(ctx context.Context, path string, stderr io.Writer) (*output, error) {
	if path == "" {
		return nil, nil
	}
	d, err := openDestination("output", path)
	if err != nil {
		return nil, err
	}
	return &output{destination: d, ctx: ctx, stderr: stderr}, nil
}

func (o *output) close() {
	if o != nil {
		o.destination.close()
	}
}

// capabilities lists the capabilities that a write to d needs.
func (d *destination) capabilities() []int {
	if d == nil || d.file != nil {
		return nil
	}
	if st, err := os.Stat(d.path); err == nil {
		if uid, _, ok := ownerOf(st); ok && uid != os.Geteuid() {
			return host.FileCapabilities // to keep its owner, and to replace it in a sticky directory like /tmp
		}
	}
	again := destination{flag: d.flag, path: d.path}
	defer again.close()
	if err := host.WithoutCapabilities(again.open); err != nil || again.inPlace && !d.inPlace {
		return host.FileCapabilities
	}
	return nil
}

func (o *output) capabilities() []int {
	if o == nil {
		return nil
	}
	return o.destination.capabilities()
}

func (o *output) waits() bool { return o != nil && o.destination.waits() }

// write saves the record. If that fails, it saves it to a temporary file, since this is the only copy.
func (o *output) write(r *record.Run) error {
	if o == nil {
		return nil
	}
	var b bytes.Buffer
	if err := record.Write(&b, r); err != nil {
		return fmt.Errorf("the record could not be written: %w", err)
	}
	err := o.destination.write(o.ctx, b.Bytes(), func(s string) { fmt.Fprintf(o.stderr, "lastack: %s\n", s) })
	if err == nil {
		return nil
	}
	err = fmt.Errorf("the record could not be saved to %s: %w", o.path, err)
	if path := rescue(b.Bytes()); path != "" {
		return fmt.Errorf("%w; it is in %s instead", err, path)
	}
	return err
}

// rescue writes b to a temporary file and returns its name, or "" if that fails too.
func rescue(b []byte) string {
	f, err := os.CreateTemp("", "lastack-*.json")
	if err != nil {
		return ""
	}
	_, err = f.Write(b)
	if errors.Join(err, f.Close()) != nil {
		_ = os.Remove(f.Name()) // incomplete
		return ""
	}
	return f.Name()
}
