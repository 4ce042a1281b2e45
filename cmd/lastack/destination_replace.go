package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"lastack/bench/host"
	"lastack/bench/quantity"
)

// fixedEntries reports whether err says that a directory's entries may not be changed: no write permission (EACCES), another user's
// file in a sticky directory, or an immutable directory (EPERM), a file mounted on a read-only file system (EROFS), a file that is a
// mount point itself, as when it is passed into a container (EBUSY).
func fixedEntries(err error) bool {
	return slices.ContainsFunc([]error{syscall.EACCES, syscall.EPERM, syscall.EROFS, syscall.EBUSY}, func(e error) bool { return errors.Is(err, e) })
}

// replace replaces the target by a new file with the same mode and owner. It says if it leaves a temporary file.
func (d *destination) replace(b []byte) error {
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
		d.say("temporary file %s could not be removed (%v): delete it", quantity.Escape(f.Name()), reasonOf(err))
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
