// Package csv prints one table of documents for a spreadsheet (RFC 4180, UTF-8): a row of names with their units, as a record's keys have
// them, then numbers without separators, and times as in ISO 8601. A column holds numbers only, or texts only. No text begins a formula.
package csv

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"

	"lastack/report/document"
)

// Timeline is the table that is printed unless another is asked for.
const Timeline = "timeline"

// UnknownTableError says that no document has a table.
type UnknownTableError struct {
	// Name is what was asked for, Known what there is.
	Name  string
	Known []string
}

func (e *UnknownTableError) Error() string {
	if len(e.Known) == 0 {
		return fmt.Sprintf("there is no table %q, nor any other", strings.TrimSpace(e.Name))
	}
	return fmt.Sprintf("there is no table %q: want %s", strings.TrimSpace(e.Name), strings.Join(e.Known, ", "))
}

// Write prints a table of each document that has it, one under the other: without a name the Timeline, and then a missing one is no error, as a
// run may be too short for it. The error is an *UnknownTableError, or w's own.
func Write(w io.Writer, docs []*document.Document, table string) error {
	g := newGrid()
	var known []string
	found := false
	for _, d := range docs {
		for _, t := range tablesOf(d) {
			if t.name == cmp.Or(table, Timeline) {
				found = true
				if g.document = d.Name; d.Name != "" {
					g.column("record")
				}
				t.fill(g)
			}
			if !slices.Contains(known, t.name) {
				known = append(known, t.name)
			}
		}
	}
	switch {
	case found:
	case table == "":
		g.column("t_s")
	default:
		return &UnknownTableError{Name: table, Known: known}
	}
	out := csv.NewWriter(w)
	if err := out.Write(g.heads); err != nil {
		return err
	}
	empty := make([]string, len(g.heads))
	for _, r := range g.rows {
		if err := out.Write(append(r, empty[len(r):]...)); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// named is a table of a document.
type named struct {
	name string
	fill func(*grid)
}

// mostTables bounds the tables of a document, and so the names that an error lists.
const mostTables = 200

// tablesOf lists the tables and charts of a document. Each has the ID of its section, and its own behind a dot if it is not the main one.
func tablesOf(d *document.Document) []named {
	var all []named
	taken := make(map[string]int)
	add := func(fill func(*grid), parts ...string) {
		if len(all) == mostTables {
			return
		}
		name := key(strings.Join(parts, "."))
		if taken[name]++; taken[name] > 1 {
			name = fmt.Sprintf("%s.%d", name, taken[name])
		}
		all = append(all, named{name, fill})
	}
	for i := range d.Sections {
		s := &d.Sections[i]
		for _, b := range s.Blocks {
			switch b := b.(type) {
			case *document.Table:
				if b.ID == "" {
					add(func(g *grid) { g.table(b) }, s.ID)
				} else {
					add(func(g *grid) { g.table(b) }, s.ID, b.ID)
				}
			case *document.Chart:
				charts := alike(s.Blocks, b)
				if b != charts[0] {
					continue
				}
				add(func(g *grid) {
					for _, c := range charts {
						g.chart(c, d.Start)
					}
				}, s.ID)
				if slices.ContainsFunc(charts, func(c *document.Chart) bool { return len(c.Events) > 0 }) {
					add(func(g *grid) {
						for _, c := range charts {
							g.events(c)
						}
					}, s.ID, "events")
				}
			}
		}
	}
	return all
}

// alike lists the charts of a section that are one table with c.
func alike(blocks []document.Block, c *document.Chart) (charts []*document.Chart) {
	for _, b := range blocks {
		if other, ok := b.(*document.Chart); ok && (other == c || c.Each != "" && other.Each == c.Each) {
			charts = append(charts, other)
		}
	}
	return charts
}
