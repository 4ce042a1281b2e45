package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"lastack/bench/lazy"
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/csv"
	"lastack/report/document"
	"lastack/report/hlog"
	"lastack/report/html"
	"lastack/report/markdown"
	"lastack/report/mermaid"
	"lastack/report/pcapng"
	"lastack/report/svg"
	"lastack/report/text"
)

// View says how runs are shown.
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
	// Table is what csv prints; if it is empty the timeline, or the cells of a sweep.
	Table string
	// Names tell several runs apart, in their order: the files that they are of.
	Names []string
}

// format is a way to show runs. It prints their documents, or is for programs and writes the records themselves.
type format struct {
	// name is what --format takes; suffixes are those of the files that hold it.
	name     string
	suffixes []string
	print    func(*bytes.Buffer, []*document.Document, View) error
	write    func(*bytes.Buffer, *record.Run) error
	// settings is set if only a tune has it: what to change; ladders, if only a handshake has.
	settings, ladders bool
	// histograms is set if those of intervals and groups are printed, which must be sound then.
	histograms bool
}

// The formats that commands know: JSON is the record itself, CSV one table, Conf what to change, as a file of sysctl.d, which only a tune has.
const (
	JSON = "json"
	CSV  = "csv"
	Conf = "conf"
	// The formats that only a handshake has: drawings, and its packets.
	SVG     = "svg"
	Mermaid = "mermaid"
	PcapNG  = "pcapng"
)

// formats lists the formats, the default one first.
func formats() []format {
	return []format{
		{name: "text", suffixes: []string{".txt"}, print: printText},
		{name: JSON, suffixes: []string{".json"}, write: writeJSON},
		{name: "jsonl", suffixes: []string{".jsonl"}, write: writeJSONL},
		{name: CSV, suffixes: []string{".csv"}, print: printCSV},
		{name: "html", suffixes: []string{".html", ".htm"}, print: printHTML},
		{name: "md", suffixes: []string{".md", ".markdown"}, print: printMarkdown},
		{name: "hlog", suffixes: []string{".hlog"}, print: printHlog, histograms: true},
		{name: Conf, suffixes: []string{".conf"}, write: writeConf, settings: true},
		{name: SVG, suffixes: []string{".svg"}, print: printSVG, ladders: true},
		{name: Mermaid, suffixes: []string{".mmd", ".mermaid"}, print: printMermaid, ladders: true},
		{name: PcapNG, suffixes: []string{".pcapng"}, write: writePcapNG, ladders: true},
	}
}

// FormatNames lists what a View takes, the default one first: text is for people, 100 columns wide; json is the run record,
// indented; jsonl has a line for each interval of the timeline, or for each try of a drain, then one with the rest of the record; csv is a
// table for spreadsheets; html is a page with pictures; md is for pull requests; hlog has the histograms for HdrHistogram's tools.
func FormatNames() []string {
	var names []string
	for _, f := range formats() {
		if !f.settings && !f.ladders {
			names = append(names, f.name)
		}
	}
	return names
}

// HandshakeFormats lists what a View of a handshake takes, the default one first.
func HandshakeFormats() []string { return append(FormatNames(), SVG, Mermaid, PcapNG) }

// Suffixes lists the suffixes of files in these formats.
func Suffixes(names []string) (list []string) {
	for _, f := range formats() {
		if slices.Contains(names, f.name) {
			list = append(list, f.suffixes...)
		}
	}
	return list
}

// notSuffix matches the end of a name that is none: of a date or a version, or of what mktemp makes.
var notSuffix = lazy.Regexp(`^[^.]*$|^\.[^.]*$|\.$|\.[0-9][0-9TZ:_+-]*$|^tmp\.[0-9A-Za-z]{10}$`)

// FormatOf says in which format a file of that name is, "" if its name has no suffix. It reports whether there is such a format.
func FormatOf(path string) (name string, ok bool) {
	suffix := filepath.Ext(path)
	for _, f := range formats() {
		if slices.ContainsFunc(f.suffixes, func(s string) bool { return strings.EqualFold(s, suffix) }) {
			return f.name, true
		}
	}
	return "", notSuffix().MatchString(filepath.Base(path))
}

// HasRecord reports whether a format has the whole record, so that nothing is lost with it.
func HasRecord(name string) bool {
	return slices.ContainsFunc(formats(), func(f format) bool { return f.name == name && f.write != nil && !f.settings && !f.ladders })
}

// TableError says that no run has the View's Table.
type TableError = csv.UnknownTableError

// Render writes runs to w. Nothing is written unless all could be rendered. The error tells the names of formats, or is a *TableError, ErrNoSettings, ErrNoLadder,
// one of the record, about a damaged histogram, or w's own.
func Render(w io.Writer, v View, runs ...*record.Run) error {
	i := slices.IndexFunc(formats(), func(f format) bool { return f.name == v.Format })
	if i < 0 {
		return fmt.Errorf("unknown format %q, accepted are %s", v.Format, strings.Join(FormatNames(), ", "))
	}
	f := formats()[i]
	var b bytes.Buffer
	var docs []*document.Document
	for i, run := range runs {
		name := ""
		if i < len(v.Names) {
			name = v.Names[i]
		}
		var err error
		switch {
		case f.ladders && run.Handshake == nil:
			err = fmt.Errorf("%w, and this one is of a %s: want %s", ErrNoLadder, run.Kind, strings.Join(FormatNames(), ", "))
		case f.write != nil:
			err = f.write(&b, run)
		case f.histograms:
			err = checkHistograms(run)
		}
		switch {
		case err != nil && name != "":
			return fmt.Errorf("%s: %w", name, err)
		case err != nil:
			return err
		case f.print == nil:
			continue
		}
		d := newDocument(run)
		if d.Start = run.Started; len(runs) > 1 {
			d.Name = name
		}
		docs = append(docs, d)
	}
	if f.print != nil {
		if err := f.print(&b, docs, v); err != nil {
			return err
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

func printText(b *bytes.Buffer, docs []*document.Document, v View) error {
	for i, d := range docs {
		if i > 0 {
			b.WriteString("\n")
		}
		if d.Name != "" {
			b.WriteString(text.Line(d.Name, text.Columns-1) + ":\n")
		}
		if err := text.Write(b, d, text.Options{All: v.Verbose, Width: v.Width, Colour: v.Colour, Box: v.Width > 0, Hint: v.Hint}); err != nil {
			return err
		}
	}
	return nil
}

func printHTML(b *bytes.Buffer, docs []*document.Document, _ View) error {
	return html.Print(b, docs...)
}

func printMarkdown(b *bytes.Buffer, docs []*document.Document, _ View) error {
	for i, d := range docs {
		if i > 0 {
			b.WriteString("\n")
		}
		if err := markdown.Write(b, d); err != nil {
			return err
		}
	}
	return nil
}

func printCSV(b *bytes.Buffer, docs []*document.Document, v View) error {
	table := v.Table
	if table == "" && len(docs) > 0 && !slices.ContainsFunc(docs, func(d *document.Document) bool { return d.Table != docs[0].Table }) {
		table = docs[0].Table
	}
	return csv.Write(b, docs, table)
}

func printHlog(b *bytes.Buffer, docs []*document.Document, _ View) error { return hlog.Write(b, docs) }

// newDocument is the report of a run, for a printer.
func newDocument(run *record.Run) *document.Document {
	switch {
	case run.Kind == record.KindDrain:
		return drainDocument(run)
	case run.Kind == record.KindSweep && run.Sweep != nil:
		return sweepDocument(run)
	case run.Kind == record.KindTune && run.Tune != nil:
		return tuneDocument(run)
	case run.Kind == record.KindPlan && run.Capacity != nil:
		return planDocument(run)
	case run.Kind == record.KindHandshake:
		return handshakeDocument(run)
	}
	return runDocument(run)
}

func printMermaid(b *bytes.Buffer, docs []*document.Document, _ View) error {
	return mermaid.Write(b, docs)
}

func printSVG(b *bytes.Buffer, docs []*document.Document, _ View) error {
	var all []*document.Ladder
	var titles, asked []string
	for _, d := range docs {
		asked = append(asked, d.Title+": "+d.Asked)
		for i := range d.Sections {
			for _, block := range d.Sections[i].Blocks {
				if l, ok := block.(*document.Ladder); ok {
					all, titles = append(all, l), append(titles, document.Heading(d.Sections[i].Title))
				}
			}
		}
		if len(all) == 1 && len(docs) == 1 {
			titles[0] = d.Asked
		}
	}
	b.Write(svg.Ladders(strings.Join(asked, "; "), all, titles))
	return nil
}

func writePcapNG(b *bytes.Buffer, run *record.Run) error { return pcapng.Write(b, run) }

// ErrNoLadder says that a record is of no handshake, so that there is nothing to draw packet by packet.
var ErrNoLadder = errors.New("only a record of lastack handshake has packets")

// ErrNoSettings says that a record is of no tune, so that there is nothing that Conf could show.
var ErrNoSettings = errors.New("only a record of lastack tune has settings to change")

func writeConf(b *bytes.Buffer, run *record.Run) error {
	if run.Tune == nil {
		return fmt.Errorf("%w, and this one is of a %s: want %s", ErrNoSettings, run.Kind, strings.Join(FormatNames(), ", "))
	}
	b.WriteString(writeSettings(&tuneView{run, run.Tune}))
	return nil
}

func writeJSON(b *bytes.Buffer, run *record.Run) error { return record.Write(b, run) }

func writeJSONL(w *bytes.Buffer, run *record.Run) error {
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
	if run.Sweep != nil {
		for i := range run.Sweep.Runs {
			if err := writeSweepRun(w, i+1, &run.Sweep.Runs[i]); err != nil {
				return err
			}
		}
	}
	return writeRest(w, run)
}

// writeRest writes the last line of the jsonl format: the record without its timeline, and without the tries of
// a drain or the runs of a sweep.
func writeRest(w io.Writer, run *record.Run) error {
	rest := *run
	rest.Timeline = nil
	if run.Drain != nil {
		rest.Drain = &record.Drain{Stop: run.Drain.Stop}
	}
	if run.Sweep != nil {
		sweep := *run.Sweep
		sweep.Runs = []record.SweepRun{}
		rest.Sweep = &sweep
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

// writeSweepRun writes one line of the jsonl format: a run of a sweep with its number, from 1.
func writeSweepRun(w io.Writer, n int, run *record.SweepRun) error {
	return writeLine(w, struct {
		Run int `json:"run"`
		*record.SweepRun
	}{n, run})
}

func writeLine(w io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode a line: %w", err)
	}
	_, err = w.Write(append(quantity.EscapeJSON(line), '\n'))
	return err
}
