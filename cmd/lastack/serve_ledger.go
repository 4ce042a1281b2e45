package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ledgerFile is the file of --ledger: whoever reads it finds the whole ledger, or what was there before.
type ledgerFile struct {
	path string
	// inPlace: it is a pipe or a device, which nothing can take the place of.
	inPlace bool
}

// openLedger tells before the server listens whether its ledger could be written, and leaves no trace.
func openLedger(path string, given bool) (*ledgerFile, error) {
	if !given {
		return nil, nil
	}
	if path == "" {
		return nil, usagef("--ledger \"\": want a file to write the ledger to")
	}
	l := &ledgerFile{path: path}
	st, err := os.Stat(path)
	switch {
	case err == nil && st.IsDir():
		return nil, l.unwritable(errors.New("it is a directory"))
	case err == nil && !st.Mode().IsRegular():
		l.inPlace = true
		return l, nil
	case err == nil:
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return nil, l.unwritable(errors.Unwrap(err))
		}
		_ = f.Close() // nothing was written
	case !errors.Is(err, fs.ErrNotExist):
		return nil, l.unwritable(errors.Unwrap(err))
	}
	f, err := l.temporary()
	if err != nil {
		return nil, l.unwritable(errors.Unwrap(err))
	}
	_ = f.Close() // nothing was written
	return l, os.Remove(f.Name())
}

func (l *ledgerFile) unwritable(why error) error {
	return usagef("--ledger %s: cannot be written (%w): want a file in a directory that exists and may be written", l.path, why)
}

func (l *ledgerFile) temporary() (*os.File, error) {
	return os.CreateTemp(filepath.Dir(l.path), ".lastack-ledger-*")
}

// write writes the counts, if there is a file for them.
func (l *ledgerFile) write(counts map[string]int64) error {
	if l == nil {
		return nil
	}
	b, err := json.MarshalIndent(counts, "", "  ")
	if err == nil {
		b = append(b, '\n')
		if l.inPlace {
			err = os.WriteFile(l.path, b, 0)
		} else {
			err = l.replace(b)
		}
	}
	if err != nil {
		return fmt.Errorf("the ledger could not be written to %s: %w", l.path, err)
	}
	return nil
}

func (l *ledgerFile) replace(b []byte) error {
	f, err := l.temporary()
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Chmod(0o644), f.Close()); err == nil {
		err = os.Rename(f.Name(), l.path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // best effort: the error above is the one to tell
	}
	return err
}
