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

// destination is a file that the user named for what a command has to say at its end (--output, --ledger). Nothing is lost
// on the way there:
//
//	regular file, or none yet  written beside it, and renamed over it when complete: the old one stays until then, and
//	                           whatever else happens. A symbolic link stays, and its target is replaced. Where the
//	                           directory does not allow that and the file does, see overwrite.
//	own descriptor             /dev/stdout, /dev/fd/3, or a file that is stdout: written to the descriptor, after what
//	                           stands there
//	pipe, device               opened without truncation, and waited for until a signal comes
//
// It is opened before a socket is, so that a run is not made that cannot be saved, and leaves no trace until it is written.
type destination struct {
	flag, path string
	// target is the regular file, as no symbolic link.
	target string
	// inPlace: no file can be made beside the target.
	inPlace bool
	// seen is the target as it was opened, nil if there was none.
	seen os.FileInfo
	// file is open already: an own descriptor, or a device. It is nil where target is not empty, and for a named pipe,
	// whose reader would take a close for the end.
	file *os.File
	// fd is the number of an own descriptor, 0 if it is none.
	fd int
}

// openDestination finds out what path is and whether it could be written. The error is of the command line, unless another path
// would not help.
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
			return nil, exitWith(exitError, fmt.Errorf("--%s %s: cannot be opened (%w): the kernel's log may tell why (dmesg)", flag, path, err))
		}
		return nil, usagef("--%s %s: cannot be written (%w): want a file in a directory that exists and may be written", flag, path, err)
	}
	return d, nil
}

func (d *destination) open() error {
	st, err := os.Stat(d.path)
	if fd, ok := ownDescriptor(d.path, st); ok {
		return d.openOwn(fd)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		_, err := d.openBeside()
		return err
	case err != nil:
		return err
	case st.Mode().IsRegular():
		// A pipe that took its place meanwhile is not waited for.
		f, err := os.OpenFile(d.path, os.O_WRONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
		if err != nil {
			return err
		}
		d.seen, err = f.Stat() // not st: to open a file of an overlay's lower layer may have made another of it
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
		// Without O_NONBLOCK a terminal line may wait for its carrier.
		d.file, err = os.OpenFile(d.path, os.O_WRONLY|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
		return err
	}
	return errors.New("it is neither a file nor a pipe nor a character device")
}

// openBeside follows the links and makes sure that a file can be made beside the target. In an append-only directory (chattr +a)
// it is made and stays: that is an error whatever the errno.
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
		return true, fmt.Errorf("no file can be removed from its directory, and the empty %s is left: %w", f.Name(), reasonOf(err))
	}
	return true, nil
}

func (d *destination) openOwn(fd int) error {
	f, err := duplicate(fd, d.path)
	if err != nil {
		return err
	}
	d.file, d.fd = f, fd
	return nil
}

// ownDescriptor finds the descriptor of this process that path leads to: to open it anew would start at its beginning, and
// to replace it would leave what was redirected to it nowhere. st is what os.Stat says of path, nil for nothing.
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

// maxLinks is the kernel's bound (MAXSYMLINKS).
const maxLinks = 40

// followLinks is the path that opening path for writing would make or change: filepath.EvalSymlinks wants it to exist.
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
			link = dir + "/" + link // not filepath.Join, which takes a/../b for b
		}
		path = link
	}
	return "", syscall.ELOOP
}

// sameFile reports whether two paths name one file, be it there or not.
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

// temporary makes a file beside the target.
func (d *destination) temporary(mode fs.FileMode) (*os.File, error) {
	name := filepath.Join(filepath.Dir(d.target), ".lastack-"+rand.Text())
	return os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
}

// waits tells that writing may wait for somebody who reads.
func (d *destination) waits() bool { return d != nil && d.target == "" }

// close lets go of a destination, written or not.
func (d *destination) close() {
	if d != nil && d.file != nil {
		_ = d.file.Close() // what was written was checked
	}
}

// write writes b. When ctx is over, it waits for a reader no longer than lastWait. say is told when it waits.
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

// lastWait is how long a pipe without a reader, or with one that does not read, is waited for once the command was told to end.
const lastWait = time.Second

// awaitReader opens a named pipe for writing, which open(2) would wait for, and no signal end.
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
	// What cannot have a deadline does not wait for long, or until a second signal.
	defer context.AfterFunc(ctx, func() { _ = f.SetWriteDeadline(time.Now().Add(lastWait)) })()
	_, err := f.Write(b)
	return err
}

// fixedEntries reports whether err says that a directory's entries may not be changed: no write permission (EACCES), a sticky
// directory and somebody else's file or an immutable directory (EPERM), a read-only file system on which a file is mounted (EROFS),
// a file that is a mount point itself, as those passed into a container (EBUSY).
func fixedEntries(err error) bool {
	return slices.ContainsFunc([]error{syscall.EACCES, syscall.EPERM, syscall.EROFS, syscall.EBUSY}, func(e error) bool { return errors.Is(err, e) })
}

// replace puts a new file in the place of the target, with its mode and owner. say is told what cannot be removed.
func (d *destination) replace(b []byte, say func(string)) error {
	defer dontExit()()
	old, err := os.Lstat(d.target)
	mode := fs.FileMode(0o644)
	if err == nil {
		if !old.Mode().IsRegular() {
			return fmt.Errorf("%s has become something else than a file", d.target)
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
		err = f.Chmod(mode) // the umask had its say, and chown may have taken bits
	}
	if err == nil {
		// Without it, a crash of the host soon afterwards leaves an empty file, where the file system does not order the two.
		err = toDisk(f)
	}
	entry := false // it is the directory's entry that may not be changed
	if err = errors.Join(err, f.Close()); err == nil {
		if err = os.Rename(f.Name(), d.target); err == nil {
			return nil
		}
		entry = old != nil && fixedEntries(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		say(fmt.Sprintf("%s is left, as it cannot be removed (%v): it can be deleted", quantity.Escape(f.Name()), reasonOf(err)))
	}
	if entry {
		return overwrite(d.target, d.seen, b)
	}
	return err
}

// overwrite changes the file that was seen, where it is. Another program that does so at the same time is an error (flock). Any
// error puts the old content back, as long as it is not shorter yet than it was: that goes last, when the new content is
// on the disk. What may only be written is lost by an error.
//
// The risk that remains, which a rename does not have: whoever reads the file meanwhile, or finds it after a SIGKILL or a crash of the
// host at that moment, has a part of each. So has, where locks are not kept (some network file systems) or not asked for, whoever
// finds what two programs wrote at once. Other signals wait for the end (see dontExit).
func overwrite(path string, seen os.FileInfo, b []byte) (err error) {
	// The directory may be somebody else's, who puts a pipe there, or a link to a file that only this user may write.
	const how = noFollow | syscall.O_NONBLOCK | syscall.O_NOCTTY
	f, err := os.OpenFile(path, os.O_RDWR|how, 0)
	readable := err == nil
	if errors.Is(err, syscall.EACCES) {
		f, err = os.OpenFile(path, os.O_WRONLY|how, 0)
	}
	if err != nil && !errors.Is(err, syscall.ELOOP) {
		return err
	}
	replaced := errors.New("another file has taken its place during the run, and its directory does not allow to replace that")
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
	if st, err = f.Stat(); err != nil { // whoever had the lock may have changed it
		return err
	}
	size := st.Size()
	old := make([]byte, min(size, int64(len(b))))
	if readable {
		if _, err := f.ReadAt(old, 0); err != nil {
			return fmt.Errorf("its old content could not be put back if the write failed: %w", err)
		}
	}
	n := 0
	defer func() {
		if err == nil {
			return
		}
		if rerr := restore(f, size, n, old, readable || size == 0); rerr != nil {
			err = fmt.Errorf("%w; the old content could not be put back, and the file may hold a part of each (%w)", err, rerr)
		}
	}()
	if err := host.ReserveSpace(f, len(b)); err != nil {
		return err
	}
	if n, err = f.Write(b); err != nil { // not WriteAt, which does not count what it wrote before an error
		return err
	}
	// A network file system may find out only now that there is no space.
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
		// Only the length may not have reached the disk.
		size, n = int64(len(b)), 0
		return err
	}
	return nil
}

// restore puts old back, of which n bytes may be overwritten in f, and its size.
func restore(f *os.File, size int64, n int, old []byte, known bool) error {
	var err error
	switch {
	case n > 0 && known:
		_, err = f.WriteAt(old[:min(n, len(old))], 0) // to blocks that it had
	case n > 0:
		err = errors.New("it may not be read")
	}
	// It also gives back what was reserved past the end; that is worth trying, and no more.
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

// toDisk waits until f has reached the disk, where its file system knows that.
func toDisk(f *os.File) error {
	err := f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		return nil
	}
	return err
}

// keepOwner gives f the owner and group of old, as far as that is allowed.
func keepOwner(f *os.File, old os.FileInfo) {
	uid, gid, ok := ownerOf(old)
	if ok && f.Chown(uid, gid) != nil {
		_ = f.Chown(-1, gid) // an ordinary user may give a file to a group of their own
	}
}

// output is the destination of --output.
type output struct {
	*destination
	ctx    context.Context
	stderr io.Writer
}

// checkOutput tells before the load whether a record could be saved, and leaves no trace.
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

// openOutput returns a nil output for an empty path. ctx is over when the run was told to end.
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

// capabilities lists what writing to d takes beyond the rights of the user alone.
func (d *destination) capabilities() []int {
	if d == nil || d.file != nil {
		return nil
	}
	if st, err := os.Stat(d.path); err == nil {
		if uid, _, ok := ownerOf(st); ok && uid != os.Geteuid() {
			return host.FileCapabilities // to keep its owner, and in a directory like /tmp to replace it
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

// write saves the record. Where that fails it goes to the directory of temporary files, since it is the only copy.
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

// rescue returns the file that it wrote b to, empty if that failed too.
func rescue(b []byte) string {
	f, err := os.CreateTemp("", "lastack-*.json")
	if err != nil {
		return ""
	}
	_, err = f.Write(b)
	if errors.Join(err, f.Close()) != nil {
		_ = os.Remove(f.Name()) // it holds a part
		return ""
	}
	return f.Name()
}
