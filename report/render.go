package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"lastack/bench/record"
)

// Format is a way to show a whole run.
type Format struct {
	// Name is what --format takes.
	Name string
	// About is one clause for the help.
	About  string
	render func(*bytes.Buffer, *record.Run) error
}

// Formats lists the formats, the default one first.
func Formats() []Format {
	return []Format{
		{"text", "for people, 100 columns", renderText},
		{"json", "the run record, indented", renderJSON},
		{"jsonl", "a line for each interval of the timeline, then one with the rest of the record", renderJSONL},
	}
}

// FormatNames lists the names of Formats.
func FormatNames() []string {
	var names []string
	for _, f := range Formats() {
		names = append(names, f.Name)
	}
	return names
}

// UnknownFormatError is returned for a name that is not in Formats.
type UnknownFormatError struct{ Name string }

func (e *UnknownFormatError) Error() string {
	return fmt.Sprintf("unknown format %q, accepted are %s", e.Name, strings.Join(FormatNames(), ", "))
}

// Render writes run to w in the format of that name. Nothing is written unless all
// could be rendered. The error is an *UnknownFormatError, a *record.FormatError, or w's own.
func Render(w io.Writer, format string, run *record.Run) error {
	for _, f := range Formats() {
		if f.Name != format {
			continue
		}
		var b bytes.Buffer
		if err := f.render(&b, run); err != nil {
			return err
		}
		_, err := w.Write(b.Bytes())
		return err
	}
	return &UnknownFormatError{Name: format}
}

func renderJSON(b *bytes.Buffer, run *record.Run) error { return record.Write(b, run) }

func renderJSONL(b *bytes.Buffer, run *record.Run) error {
	for i := range run.Timeline {
		if err := WriteInterval(b, &run.Timeline[i]); err != nil {
			return err
		}
	}
	return WriteRest(b, run)
}

// WriteRest writes the last line of the jsonl format: the record without its timeline.
func WriteRest(w io.Writer, run *record.Run) error {
	rest := *run
	rest.Timeline = nil
	line, err := record.Marshal(&rest, "")
	if err != nil {
		return err
	}
	_, err = w.Write(line)
	return err
}

// WriteInterval writes one line of the jsonl format, as a run goes on.
func WriteInterval(w io.Writer, iv *record.Interval) error {
	line, err := json.Marshal(iv)
	if err != nil {
		return fmt.Errorf("encode an interval: %w", err)
	}
	_, err = w.Write(append(line, '\n'))
	return err
}
