package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"lastack/bench/record"
)

// checkOutput checks before the load that a record can be saved to the path of --output, if that was given.
func checkOutput(given bool, path string) error {
	switch {
	case !given:
		return nil
	case path == "":
		return usagef("--output \"\": want a file to save the run record to")
	case path == "-":
		return usagef("--output -: want a file; --format json prints the record to stdout")
	}
	d, err := openDestination("output", path, io.Discard)
	d.close()
	return err
}

// save saves a record. If that fails, it saves it to a temporary file, since this is the only copy. A signal to end the run cancels ctx.
func (d *destination) save(ctx context.Context, r *record.Run) error {
	if d == nil {
		return nil
	}
	var b bytes.Buffer
	if err := record.Write(&b, r); err != nil {
		return fmt.Errorf("the record could not be written: %w", err)
	}
	err := d.write(ctx, b.Bytes())
	if err == nil {
		return nil
	}
	err = fmt.Errorf("the record could not be saved to %s: %w", d.path, err)
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
