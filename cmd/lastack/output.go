package main

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"lastack/bench/record"
)

// output is the file of --output. It is opened before the load, so that a run is not
// made that cannot be saved; an existing file keeps its content until the record is there.
type output struct {
	path    string
	file    *os.File
	created bool
}

// openOutput returns a nil output for an empty path.
func openOutput(path string) (*output, error) {
	if path == "" {
		return nil, nil
	}
	_, err := os.Stat(path)
	created := errors.Is(err, fs.ErrNotExist)
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, usagef("--output %s: cannot be written (%w): want a file in a directory that exists and may be written", path, errors.Unwrap(err))
	}
	return &output{path, f, created}, nil
}

// write saves the record and closes the file.
func (o *output) write(r *record.Run) error {
	if o == nil {
		return nil
	}
	err := func() error {
		// Pipes and devices have nothing to truncate.
		if st, err := o.file.Stat(); err == nil && st.Mode().IsRegular() {
			if err := o.file.Truncate(0); err != nil {
				return err
			}
		}
		w := bufio.NewWriter(o.file)
		if err := record.Write(w, r); err != nil {
			return err
		}
		return w.Flush()
	}()
	err = errors.Join(err, o.file.Close())
	o.file = nil
	if err != nil {
		return fmt.Errorf("the record could not be saved to %s: %w", o.path, err)
	}
	return nil
}

// discard closes a file that was not written, and removes it if it was not there before.
func (o *output) discard() {
	if o == nil || o.file == nil {
		return
	}
	_ = o.file.Close() // nothing was written
	if o.created {
		_ = os.Remove(o.path) // best effort: it is empty
	}
}
