package report

import (
	"math"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// build makes a document of the sections that are not nil, and adds each warning to the section that it concerns.
func build(title, asked string, warnings []string, sections ...*section) *document.Document {
	doc := &document.Document{Title: title, Asked: asked}
	has := make(map[string]bool)
	for _, s := range sections {
		if s != nil {
			doc.Sections = append(doc.Sections, s.Section)
			has[s.ID] = true
		}
	}
	for _, w := range warnings {
		d := document.Warning{Text: w, Level: document.First}
		if key, text := record.SplitWarning(w); key != "" {
			id, rest, level := concern(key)
			if d.Level = level; has[id] {
				d.Section, d.Within = id, join(": ", rest, text)
			}
		}
		doc.Warnings = append(doc.Warnings, d)
	}
	return doc
}

// concerns lists the parts of a record that each section is about, and whether the first page shows them. A part includes what is
// below it: "latency.connect".
func concerns() []concerned {
	return []concerned{
		{"asked", "sandbox shard started elapsed_s", document.First},
		{"asked", "plan hosts", document.Detail},
		{"verdict", "verdict", document.First},
		{"thresholds", "thresholds", document.First},
		{"connections", "connections outcomes errnos warmup http exchange_errors exchange_examples", document.First},
		{"rates", "rate", document.First},
		{"latency", "latency latency_absent", document.First},
		{"groups", "groups", document.First},
		{"timeline", "timeline", document.Detail},
		{"tcp_states", "states", document.First},
		{"time_wait", "time_wait", document.First},
		{"settle", "settle", document.Detail},
		{"predicted", "predicted", document.First},
		{"accounting", "accounting", document.First},
		{"cpu", "pressure.cpu pressure.psi", document.Detail},
		{"ports", "pressure.ports pressure.port_pairs", document.Detail},
		{"pressure", "pressure", document.Detail},
		{"router", "tracking", document.First},
		{"kernel", "counters counters_by_side", document.First},
		{"tcp_info", "tcp_info", document.Detail},
		{"server", "server", document.First},
		{"observer", "observer", document.Detail},
	}
}

type concerned struct {
	id, keys string
	level    document.Level
}

// concern finds the section of a warning's key, the part of the key that the section's title does not say, and the warning's level.
func concern(key string) (id, rest string, level document.Level) {
	for _, c := range concerns() {
		for _, part := range strings.Fields(c.keys) {
			if key == part || strings.HasPrefix(key, part+".") {
				return c.id, strings.TrimPrefix(strings.TrimPrefix(key, part), "."), c.level
			}
		}
	}
	return "", key, document.First
}

// section is a part of a report under construction.
type section struct{ document.Section }

// begin makes a section. Its ID is its title in lower case.
func begin(level document.Level, title, lead string) *section {
	id := strings.ReplaceAll(strings.ToLower(title), " ", "_")
	return &section{document.Section{ID: id, Title: title, Level: level, Lead: lead}}
}

func (s *section) add(blocks ...document.Block) { s.Blocks = append(s.Blocks, blocks...) }

// note adds a sentence to the whole report, if there is one.
func (s *section) note(text string) { s.say(document.Detail, text) }

// say adds a sentence, if there is one.
func (s *section) say(level document.Level, text string) {
	if text != "" {
		s.add(document.Note{Level: level, Text: text})
	}
}

// fact adds a text with a name, if there is one.
func (s *section) fact(level document.Level, name, text string) {
	if text != "" {
		s.add(document.Fact{Level: level, Name: name, Text: text})
	}
}

func (s *section) doubt(text string) {
	s.add(document.Note{Level: document.First, Doubt: true, Text: text})
}

// table is a part of a section.
type table struct{ document.Table }

// table adds a table. In a column's name "+" means that only the whole report shows the column, "~" that it contains text; and
// of one without a name, "|" stands before what a file calls it.
func (s *section) table(level document.Level, columns ...string) *table {
	t := &table{document.Table{Level: level}}
	for _, name := range columns {
		c := document.Column{Level: document.First}
		name, c.Words = strings.CutPrefix(name, "~")
		name, only := strings.CutPrefix(name, "+")
		if key, only := strings.CutPrefix(name, "|"); only {
			name, c.Key = "", key
		}
		if c.Name = name; only {
			c.Level = document.Detail
		}
		t.Columns = append(t.Columns, c)
	}
	s.add(&t.Table)
	return t
}

// row adds a row of the whole report. Two spaces before its name are one step of indentation.
func (t *table) row(name string, cells ...document.Value) *document.Row {
	r := document.Row{}
	for strings.HasPrefix(name, "  ") {
		name = name[2:]
		r.Indent++
	}
	r.Cells = append([]document.Value{document.Text(name)}, cells...)
	t.Rows = append(t.Rows, r)
	return &t.Rows[len(t.Rows)-1]
}

func txt(s string) document.Value {
	if s == "" {
		return nil
	}
	return document.Text(s)
}

func count[T int | int64](n T) document.Value { return document.Count(n) }

func seconds(s float64) document.Value { return document.Micros(s * 1e6) }

// share is the share of n in d, or nil if d is 0.
func share(n, d float64) document.Value {
	if d <= 0 {
		return nil
	}
	return document.Share(n / d)
}

func usage(n, d float64) document.Value {
	if d <= 0 {
		return nil
	}
	return document.Usage(n / d)
}

// findings pairs sentences with their findings. Records of older versions have only the sentences.
func findings(r *record.Run, sentences []string, remedy bool) []document.Finding {
	all := r.Verdict.Findings
	out := make([]document.Finding, len(sentences))
	n := 0
	for _, f := range all {
		if f.Remedy == remedy {
			if n < len(out) {
				out[n] = document.Finding{Code: f.Code, Args: f.Args}
				if remedy {
					out[n].Command = remedyCommand(r, &f, sentences[n])
				}
			}
			n++
		}
	}
	for i, s := range sentences {
		if n != len(sentences) {
			out[i] = document.Finding{} // they do not match
			if remedy {
				out[i].Command = remedyCommand(r, &record.Finding{}, s)
			}
		}
		out[i].Sentence = s
	}
	return out
}

func join(sep string, parts ...string) string {
	var some []string
	for _, p := range parts {
		if p != "" {
			some = append(some, p)
		}
	}
	return strings.Join(some, sep)
}

// number prints n with its noun.
func number[T int | int64](n T, one, many string) string {
	return quantity.Count(int64(n)) + " " + quantity.Plural(n, one, many)
}

// finite keeps the sums of a damaged record printable.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

// levelIf is First for what belongs on the first page.
func levelIf(first bool) document.Level {
	if first {
		return document.First
	}
	return document.Detail
}
