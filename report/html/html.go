// Package html prints a document as one HTML file. It asks for nothing else: styles, script and pictures are in it. It is readable without
// the script, in light and dark, on a phone and on paper. Texts of the document are escaped, and never markup.
package html

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"unicode"

	"lastack/report/document"
	"lastack/report/svg"
	"lastack/report/text"
)

//go:embed file.tmpl
var fileText string

//go:embed style.css
var style string

//go:embed script.js
var script string

// file is what the template shows.
type file struct {
	Title  string
	Style  template.CSS
	Script template.JS
	Pages  []*page
}

// page is a document: its sections, sorted by where they stand.
type page struct {
	// ID, and Prefix before all IDs in it, tell it from others; empty if it is the only one.
	ID, Prefix            string
	Title, Asked, Command string
	// Facts are of what was asked, Findings of what is thought of it. Glance has a sentence of each of the other sections on the first page.
	Facts, Environment []document.Fact
	Notes              []document.Note
	PictureNotes       []document.Note
	Findings           []section
	Glance             []section
	Tables             []section
	Pictures           []figure
	// Sections stand in two columns where there is room.
	Sections []section
}

// section is one with what concerns it.
type section struct {
	ID, Title, Lead, Tone string
	Blocks                []block
	Command               string
	Warnings              []string
	// Wide is set if a table needs the whole width.
	Wide bool
}

// block has one of its fields.
type block struct {
	Fact    *document.Fact
	List    *document.List
	Note    *document.Note
	Quote   *document.Quote
	Table   *grid
	Ladder  template.HTML
	Machine template.HTML
	Events  []document.Event
	Figure  *figure
	Caption string
}

// figure is a picture with its legend and its numbers.
type figure struct {
	*document.Picture
	SVG, Data template.HTML
	// Thinned says which rows Data has, if not all.
	Thinned string
	Keys    []key
	// Columns is a sentence on what is drawn; Strip and Marks are of a strip, which is one of text.
	Columns string
	Strip   []moment
	Marks   []svg.Mark
	// Doubts stand below it.
	Doubts []string
}

// say adds the sentences of a section to the picture of what happened when.
func (f *figure) say(s section) {
	f.Desc += sentence(s.Lead)
	for _, b := range s.Blocks {
		switch {
		case b.Note != nil && b.Note.Doubt:
			f.Doubts = append(f.Doubts, b.Note.Text)
		case b.Note != nil:
			f.Desc += sentence(b.Note.Text)
		}
	}
}

// sentence is a text that follows others.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	r := []rune(s)
	r[0] = unicode.ToUpper(r[0])
	return " " + string(r) + "."
}

// moment is an event, and its place in percent.
type moment struct {
	document.Event
	Place float64
}

// key is a line of a legend.
type key struct {
	Class, Name, Peak string
	Area, Limit       bool
}

// Print writes documents, below each other, as a file.
func Print(w io.Writer, docs ...*document.Document) error {
	t, err := template.New("file").Funcs(template.FuncMap{
		"clean": text.Clean, "code": code, "command": command, "name": document.Heading, "since": func(s float64) string { return text.Value(document.Since(s)) },
	}).Parse(fileText)
	if err != nil {
		return err
	}
	f := file{Style: template.CSS(style), Script: template.JS(script)}
	var titles []string
	drawn := make(map[string]bool)
	for i, doc := range docs {
		p := &page{Title: strings.TrimPrefix(doc.Name+": "+doc.Title, ": "), Asked: doc.Asked}
		titles = append(titles, cmp.Or(doc.Name, doc.Title))
		if len(docs) > 1 {
			p.ID = fmt.Sprintf("n%d", i+1)
			p.Prefix = p.ID + "-"
		}
		p.fill(doc)
		for _, style := range []string{svg.LadderStyle, svg.MachineStyle} {
			if !drawn[style] && slices.ContainsFunc(doc.Sections, func(s document.Section) bool { return draws(s, style) }) {
				drawn[style] = true
				f.Style += template.CSS(style)
			}
		}
		f.Pages = append(f.Pages, p)
	}
	f.Title = strings.Join(titles, ", ")
	if len(docs) == 1 {
		f.Title = f.Pages[0].Title + ": " + f.Pages[0].Asked
	}
	var b bytes.Buffer
	if err := t.Execute(&b, f); err != nil {
		return err
	}
	_, err = w.Write(b.Bytes())
	return err
}

// draws reports whether a section has a drawing of a style.
func draws(s document.Section, style string) bool {
	return slices.ContainsFunc(s.Blocks, func(b document.Block) bool {
		switch b.(type) {
		case *document.Ladder:
			return style == svg.LadderStyle
		case *document.Machine:
			return style == svg.MachineStyle
		}
		return false
	})
}

// fill sorts the sections of a document.
func (p *page) fill(doc *document.Document) {
	ids := make(map[string]bool)
	for i := range doc.Sections {
		ids[doc.Sections[i].ID] = true
	}
	early := true
	for i := range doc.Sections {
		d := &doc.Sections[i]
		s := section{ID: p.Prefix + d.ID, Title: d.Title, Lead: d.Lead, Tone: tone(d.Tone), Command: d.Command}
		for _, w := range doc.Warnings {
			if w.Section == d.ID || d.ID == "warnings" && !ids[w.Section] {
				said := w.Text
				if d.ID != "warnings" {
					said = cmp.Or(w.Within, w.Text)
				}
				s.Warnings = append(s.Warnings, said)
			}
		}
		switch d.ID {
		case "asked":
			p.asked(d)
			if len(s.Warnings) > 0 {
				s.Title = "about the run"
				p.Sections = append(p.Sections, s)
			}
			continue
		case "pictures":
			early = false
			for _, b := range d.Blocks {
				switch b := b.(type) {
				case *document.Picture:
					p.Pictures = append(p.Pictures, *p.figure(b))
				case document.Note:
					p.PictureNotes = append(p.PictureNotes, b)
				}
			}
			continue
		case "warnings":
			if len(s.Warnings) > 0 {
				p.Findings = append(p.Findings, s)
			}
			early = false
			continue
		}
		s.Blocks = p.blocks(d.Blocks)
		for _, b := range s.Blocks {
			if b.List != nil && strings.EqualFold(b.List.Name, d.Title) {
				b.List.Name = ""
			}
		}
		s.Wide = slices.ContainsFunc(s.Blocks, func(b block) bool { return b.Table != nil && b.Table.wide() || b.Ladder != "" })
		if d.ID == "timeline" && len(p.Pictures) > 0 && len(p.Pictures[0].Strip) > 0 && len(s.Warnings) == 0 {
			p.Pictures[0].say(s)
			continue
		}
		answers := early || d.ID == "answer" || d.ID == "settings" || d.ID == "try_it"
		if answers && d.Level == document.First || d.ID == "next" {
			p.Findings = append(p.Findings, s)
			continue
		}
		if d.Level == document.First {
			p.glance(d, s)
		}
		if s.Lead != "" || len(s.Blocks)+len(s.Warnings) > 0 {
			p.Sections = append(p.Sections, s)
		}
	}
}

// glance adds a section's lead to what is seen at first, or its first table if it has none. What happened when is a picture, and how each
// request and connection ended takes a table.
func (p *page) glance(d *document.Section, s section) {
	switch {
	case d.ID == "timeline", d.ID == "percentiles" && s.Lead != "":
		return // that of percentiles is a note on its table
	case s.Lead != "" && d.ID != "fates":
		p.Glance = append(p.Glance, s)
		return
	}
	for _, b := range d.Blocks {
		if t, ok := b.(*document.Table); ok && t.Level == document.First {
			if g := newGrid(upTo(t, document.First)); g != nil {
				s.Blocks, s.Warnings = []block{{Table: g}}, nil
				p.Tables = append(p.Tables, s)
			}
			return
		}
	}
}

// upTo is the part of a table that is on the first page, or on any.
func upTo(t *document.Table, level document.Level) *document.Table {
	shown := func(l document.Level) bool { return l == document.First || l == level }
	out := &document.Table{Level: t.Level}
	for _, c := range t.Columns {
		if shown(c.Level) {
			out.Columns = append(out.Columns, c)
		}
	}
	for _, r := range t.Rows {
		if !shown(r.Level) {
			continue
		}
		cells := r.Cells
		r.Cells = nil
		for i, v := range cells {
			if i >= len(t.Columns) || shown(t.Columns[i].Level) {
				r.Cells = append(r.Cells, v)
			}
		}
		out.Rows = append(out.Rows, r)
	}
	return out
}

// asked sorts the facts of what was asked: the first stand at the top, the others are the environment.
func (p *page) asked(d *document.Section) {
	for _, b := range d.Blocks {
		switch b := b.(type) {
		case document.Note:
			p.Notes = append(p.Notes, b)
		case document.Fact:
			switch {
			case b.Command:
				p.Command = b.Text
			case b.Level == document.First:
				p.Facts = append(p.Facts, b)
			default:
				p.Environment = append(p.Environment, b)
			}
		}
	}
}

// blocks converts those of a section.
func (p *page) blocks(all []document.Block) []block {
	var out []block
	for _, b := range all {
		switch b := b.(type) {
		case document.Fact:
			out = append(out, block{Fact: &b})
		case document.List:
			out = append(out, block{List: &b})
		case document.Note:
			out = append(out, block{Note: &b})
		case document.Quote:
			out = append(out, block{Quote: &b})
		case *document.Table:
			if g := newGrid(b); g != nil {
				out = append(out, block{Table: g})
			}
		case *document.Chart:
			// Its series are in the pictures, and its events too.
			if len(b.Events) > 0 && len(p.Pictures) == 0 && b.Level != document.Data {
				out = append(out, block{Events: b.Events})
			}
		case *document.Picture:
			out = append(out, block{Figure: p.figure(b)})
		case *document.Ladder:
			named := *b
			named.ID = p.Prefix + b.ID + "-drawing"
			out = append(out, block{Ladder: template.HTML(svg.Ladder(&named, "Packets and states"))})
		case *document.Machine:
			named := *b
			named.ID = p.Prefix + b.ID
			out = append(out, block{Machine: template.HTML(svg.Machine(&named, "States of TCP"))})
		}
	}
	return out
}

func (p *page) figure(picture *document.Picture) *figure {
	named := *picture
	named.ID = p.Prefix + picture.ID
	if named.Form == document.Strip {
		f := &figure{Picture: &named}
		places, marks := svg.Strip(&named)
		for i, e := range named.Events {
			f.Strip = append(f.Strip, moment{e, places[i]})
		}
		f.Marks = marks
		return f
	}
	f := &figure{Picture: &named, SVG: template.HTML(svg.Draw(&named)), Data: template.HTML(data(&named)), Columns: svg.Columns(&named)}
	if n := thinned(&named); n > 1 {
		f.Thinned = fmt.Sprintf("1 row of %d is shown: all %s are too many for a page. CSV has them.", n, text.Value(document.Count(len(named.At))))
	}
	if named.Form == document.Ranges || named.Form == document.Heat {
		return f
	}
	for i, c := range named.Curves {
		f.Keys = append(f.Keys, key{
			Class: svg.Class(&named, i), Name: c.Name, Peak: svg.Peak(&named, i), Area: named.Form != document.Lines, Limit: c.Goal,
		})
	}
	for _, l := range named.Limits {
		f.Keys = append(f.Keys, key{Name: l.Name, Peak: svg.LimitWords(&named, l), Limit: true})
	}
	return f
}

func tone(t document.Tone) string {
	switch t {
	case document.Good:
		return "good"
	case document.Bad:
		return "bad"
	}
	return ""
}
