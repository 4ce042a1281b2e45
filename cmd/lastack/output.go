package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report"
)

// outputFiles are the files of --output, each in the format that its suffix names.
type outputFiles struct {
	files []*destination
	// kept is a file that has the record, once there is one.
	kept string
}

// checkOutputs checks before the load that a record can be saved to the paths of --output, in one of these formats.
func checkOutputs(paths, formats []string) error {
	for _, path := range paths {
		switch path {
		case "":
			return usagef("--output \"\": want a file to save the record to")
		case "-":
			return usagef("--output -: want a file; --format json prints the record to stdout")
		}
		if _, err := outputFormat(path, formats, "the record"); err != nil {
			return err
		}
	}
	if err := onceOnly(paths); err != nil {
		return err
	}
	o, err := openOutputs(paths, io.Discard)
	o.close()
	return err
}

// onceOnly refuses paths of --output that are the same file.
func onceOnly(paths []string) error {
	for i, path := range paths {
		for _, other := range paths[:i] {
			if sameFile(other, path) {
				return usagef("--output %s: --output %s is the same file: want another one, or leave one of them out", path, other)
			}
		}
	}
	return nil
}

// openOutputs opens what checkOutputs has accepted.
func openOutputs(paths []string, stderr io.Writer) (*outputFiles, error) {
	o := &outputFiles{}
	for _, path := range paths {
		d, err := openDestination("output", path, stderr)
		if err != nil {
			o.close()
			return &outputFiles{}, err
		}
		o.files = append(o.files, d)
	}
	return o, nil
}

func (o *outputFiles) close() {
	for _, d := range o.files {
		d.close()
	}
}

// capabilities lists the capabilities that saving needs.
func (o *outputFiles) capabilities() []string {
	var all []string
	for _, d := range o.files {
		all = append(all, d.capabilities()...)
	}
	return all
}

// outputFormat is what the suffix of a path of --output names: one of a command's formats, or empty if there is no suffix. A file without
// one is for what bare says.
func outputFormat(path string, formats []string, bare string) (string, error) {
	format, ok := report.FormatOf(path)
	why := "this command has no " + format
	switch {
	case !ok:
		why = fmt.Sprintf("%q names no format", filepath.Ext(path))
	case format == "", slices.Contains(formats, format):
		return format, nil
	case format == report.Conf:
		why = "only lastack tune has settings to change"
	}
	return "", usagef("--output %s: %s: want %s, or no suffix for %s", path, why, strings.Join(report.Suffixes(formats), ", "), bare)
}

// savedAs is the format of a path that checkOutputs has accepted.
func savedAs(path string) string {
	format, _ := report.FormatOf(path)
	return cmp.Or(format, report.JSON)
}

// noteOneWay says before the load, to whom saves only what no report can be made of, how to keep the record too. printed is the format of
// what goes to stdout.
func (o *outputFiles) noteOneWay(stderr io.Writer, printed string) {
	if len(o.files) == 0 || report.HasRecord(printed) {
		return
	}
	for _, d := range o.files {
		if report.HasRecord(savedAs(d.path)) {
			return
		}
	}
	fmt.Fprintf(stderr, "lastack: %s will not have the whole record, so no other report can be made of it: add -o FILE.json to keep that too\n", quantity.Escape(o.files[0].path))
}

// save saves a record to those of the files whose write may wait for a reader, or to the others, and the record itself before reports of it.
// If the record is in no file then, although it should, it saves it to a temporary one, since this is the only copy. A signal to end the run
// cancels ctx.
func (o *outputFiles) save(ctx context.Context, r *record.Run, waiting bool) error {
	var errs []error
	for _, reports := range []bool{false, true} {
		for _, d := range o.files {
			if format := savedAs(d.path); d.waits() == waiting && report.HasRecord(format) != reports {
				errs = append(errs, o.saveTo(ctx, d, format, r))
			}
		}
	}
	return errors.Join(errs...)
}

func (o *outputFiles) saveTo(ctx context.Context, d *destination, format string, r *record.Run) error {
	var b bytes.Buffer
	err := report.Render(&b, report.View{Format: format, Verbose: true}, r)
	if err == nil {
		err = d.write(ctx, b.Bytes())
	}
	isRecord := report.HasRecord(format)
	if err == nil {
		if isRecord && d.target != "" {
			o.kept = d.path
			d.journal.remove()
		}
		return nil
	}
	if o.kept == "" {
		o.kept = rescue(r)
	}
	what, where := "record", "it is in %s instead"
	if !isRecord {
		what, where = "report", "the record is in %s"
	}
	err = fmt.Errorf("the %s could not be saved to %s: %w", what, d.path, err)
	if o.kept == "" {
		return err
	}
	return fmt.Errorf("%w; "+where, err, o.kept)
}

// rescue writes a record to a temporary file and returns its name, or "" if that fails too.
func rescue(r *record.Run) string {
	f, err := os.CreateTemp("", "lastack-*.json")
	if err != nil {
		return ""
	}
	if errors.Join(record.Write(f, r), f.Close()) != nil {
		_ = os.Remove(f.Name()) // incomplete
		return ""
	}
	return f.Name()
}
