package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"lastack/bench/record"
	"lastack/report"
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
	if _, err := outputFormat(path); err != nil {
		return err
	}
	d, err := openDestination("output", path, io.Discard)
	d.close()
	return err
}

// outputFormat is what the suffix of a path of --output names, empty without one.
func outputFormat(path string) (string, error) {
	format, err := report.FormatOf(path)
	if err != nil {
		return "", usagef("--output %s: %w", path, err)
	}
	return format, nil
}

// save saves a record, in the format that the path's suffix names. If that fails, it saves the record to a temporary file, since this is
// the only copy. A signal to end the run cancels ctx.
func (d *destination) save(ctx context.Context, r *record.Run) error {
	if d == nil {
		return nil
	}
	var encoded bytes.Buffer
	if err := record.Write(&encoded, r); err != nil {
		return fmt.Errorf("the record could not be written: %w", err)
	}
	shown, err := encoded.Bytes(), error(nil)
	if format, _ := report.FormatOf(d.path); cmp.Or(format, report.JSON) != report.JSON { // checkOutput has refused others
		var b bytes.Buffer
		err = report.Render(&b, report.View{Format: format, Verbose: true}, r)
		shown = b.Bytes()
	}
	if err == nil {
		err = d.write(ctx, shown)
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("the record could not be saved to %s: %w", d.path, err)
	if path := rescue(encoded.Bytes()); path != "" {
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
