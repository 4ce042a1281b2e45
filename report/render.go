package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
	"lastack/report/text"
)

// View says how a run is shown.
type View struct {
	// Format is one of FormatNames.
	Format string
	// Verbose, Width and Colour are of text: all of the report and not only its first page, the terminal's width (0 if there is none),
	// and whether it shows colours.
	Verbose bool
	Width   int
	Colour  bool
	// Hint stands at the end of a first page.
	Hint string
}

// FormatNames lists what a View takes, the default one first: text is for people, 100 columns wide;
// json is the run record, indented; jsonl has a line for each interval of the timeline, or for each try of
// a drain, then one with the rest of the record.
func FormatNames() []string { return []string{"text", "json", "jsonl"} }

// Render writes run to w. Nothing is written unless all could be rendered. The error tells the names of formats, or is
// one of the record, or w's own.
func Render(w io.Writer, v View, run *record.Run) (err error) {
	var b bytes.Buffer
	switch v.Format {
	case "text":
		err = text.Write(&b, newDocument(run), text.Options{All: v.Verbose, Width: v.Width, Colour: v.Colour, Hint: v.Hint})
	case "json":
		err = record.Write(&b, run)
	case "jsonl":
		err = renderJSONL(&b, run)
	default:
		err = fmt.Errorf("unknown format %q, accepted are %s", v.Format, strings.Join(FormatNames(), ", "))
	}
	if err == nil {
		_, err = w.Write(b.Bytes())
	}
	return err
}

// newDocument is the report of a run, for a printer.
func newDocument(run *record.Run) *document.Document {
	if run.Kind == record.KindDrain {
		return drainDocument(run)
	}
	return runDocument(run)
}

func renderJSONL(w io.Writer, run *record.Run) error {
	for i := range run.Timeline {
		if err := WriteInterval(w, &run.Timeline[i]); err != nil {
			return err
		}
	}
	if run.Drain != nil {
		for i := range run.Drain.Tries {
			if err := writeTry(w, i+1, &run.Drain.Tries[i]); err != nil {
				return err
			}
		}
	}
	return writeRest(w, run)
}

// writeRest writes the last line of the jsonl format: the record without its timeline, and without the tries of
// a drain.
func writeRest(w io.Writer, run *record.Run) error {
	rest := *run
	rest.Timeline = nil
	if run.Drain != nil {
		rest.Drain = &record.Drain{Stop: run.Drain.Stop}
	}
	line, err := record.Marshal(&rest, "")
	if err != nil {
		return err
	}
	_, err = w.Write(line)
	return err
}

// WriteInterval writes one line of the jsonl format, as a run goes on.
func WriteInterval(w io.Writer, iv *record.Interval) error { return writeLine(w, iv) }

// writeTry writes one line of the jsonl format: a try of a drain with its number, from 1.
func writeTry(w io.Writer, n int, try *record.DrainTry) error {
	return writeLine(w, struct {
		Try int `json:"try"`
		*record.DrainTry
	}{n, try})
}

func writeLine(w io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode a line: %w", err)
	}
	_, err = w.Write(append(quantity.EscapeJSON(line), '\n'))
	return err
}
