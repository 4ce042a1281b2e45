package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"

	"lastack/bench/record"
)

// output is the file of --output. It is opened before the load, so that a run is not
// made that cannot be saved; an existing file keeps its content until the record is there.
type output struct {
	path    string
	created bool

	mu   sync.Mutex // a second signal discards from another goroutine
	file *os.File   // nil once written or discarded
}

// checkOutput tells before the load whether a record could be saved, and leaves
// no trace.
func checkOutput(path string) error {
	switch path {
	case "":
		return usagef("--output \"\": want a file to save the run record to")
	case "-":
		return usagef("--output -: want a file; --format json prints the record to stdout")
	}
	// A pipe's reader would take the close for the end.
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() && !st.IsDir() {
		return nil
	}
	out, err := openOutput(path)
	out.discard()
	return err
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
	return &output{path: path, created: created, file: f}, nil
}

// write saves the record and closes the file.
func (o *output) write(r *record.Run) error {
	if o == nil {
		return nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := errors.Join(o.save(r), o.file.Close()); err != nil {
		o.file = nil
		return fmt.Errorf("the record could not be saved to %s: %w", o.path, err)
	}
	o.file = nil
	return nil
}

func (o *output) save(r *record.Run) error {
	// Pipes and devices have nothing to truncate.
	if st, err := o.file.Stat(); err == nil && st.Mode().IsRegular() {
		if err := o.file.Truncate(0); err != nil {
			return err
		}
	}
	return record.Write(o.file, r)
}

// discard closes a file that was not written, and removes it if it was not there before.
func (o *output) discard() {
	if o == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.file == nil {
		return
	}
	_ = o.file.Close() // nothing was written
	o.file = nil
	if o.created {
		_ = os.Remove(o.path) // best effort: it is empty
	}
}
