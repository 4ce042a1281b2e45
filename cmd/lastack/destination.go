package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"lastack/bench/host"
	"lastack/bench/quantity"
)

// destination is a file that a command writes when it ends (--output, --ledger). How it is written depends on what it is:
//
//	regular file, or none yet  a new file is written beside it and renamed over it when complete, so that the old one stays
//	                           whatever happens. A symbolic link stays, and its target is replaced. If the directory does not
//	                           allow that but the file does, see overwrite. SIGKILL leaves the new file under its hidden name
//	                           (.lastack-*). No later save removes it, since another program might still write it.
//	own descriptor             /dev/stdout, /dev/fd/3, or a file that is stdout: appended through the descriptor
//	pipe, device               opened without truncation; the write waits for a reader, until a signal comes
//
// It is checked before a socket opens, so that no run starts that cannot be saved. Nothing changes until it is written.
type destination struct {
	flag, path string
	stderr     io.Writer // for what a write has to say
	// target is the regular file, with symbolic links resolved.
	target string
	// inPlace: no file can be made beside the target.
	inPlace bool
	// seen is the target when it was checked, nil if there was none.
	seen os.FileInfo
	// file is the open file for an own descriptor or a device. It is nil for a regular file, and for a named pipe, whose
	// reader would take a close for the end of the data.
	file *os.File
	// journal has what was measured until the file is written, nil if nothing is kept.
	journal *journal
}

// openDestination finds out what path is and whether it can be written. It returns nil for an empty path. The error is a usage error if another path would help.
func openDestination(flag, path string, stderr io.Writer) (*destination, error) {
	if path == "" {
		return nil, nil
	}
	d := &destination{flag: flag, path: path, stderr: stderr}
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

func (d *destination) say(format string, args ...any) {
	fmt.Fprintf(d.stderr, "lastack: "+format+"\n", args...)
}

// write writes b. Once ctx is done, it waits for a reader no longer than lastWait. It says when it begins to wait.
func (d *destination) write(ctx context.Context, b []byte) error {
	switch {
	case d.target != "":
		return d.replace(b)
	case d.file != nil:
		return errors.Join(writeTo(ctx, d.file, b), flush(d.file))
	}
	f, err := d.awaitReader(ctx)
	if err != nil {
		return err
	}
	return errors.Join(writeTo(ctx, f, b), f.Close())
}

// lastWait is how long a write to a pipe that nobody reads may take once a signal has come.
const lastWait = time.Second

// awaitReader opens a named pipe for writing. It polls, since no signal would interrupt a blocking open(2).
func (d *destination) awaitReader(ctx context.Context) (*os.File, error) {
	const poll = 20 * time.Millisecond
	for from, said := time.Now(), false; ; said = true {
		f, err := os.OpenFile(d.path, os.O_WRONLY|syscall.O_NONBLOCK, 0)
		switch {
		case !errors.Is(err, syscall.ENXIO):
			return f, err
		case ctx.Err() != nil && time.Since(from) > lastWait:
			return nil, errors.New("nobody reads the pipe")
		case !said:
			d.say("waiting until somebody reads %s, or a signal (Ctrl-C)", quantity.Escape(d.path))
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

// capabilities lists the capabilities that a write to d needs.
func (d *destination) capabilities() []string {
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
