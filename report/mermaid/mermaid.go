// Package mermaid prints the ladders of documents as a sequence diagram in Mermaid's language, which GitHub, GitLab and others draw.
package mermaid

import (
	"fmt"
	"io"
	"strings"

	"lastack/report/document"
	"lastack/report/text"
)

// Write prints one diagram of all ladders. The error is w's own.
func Write(w io.Writer, docs []*document.Document) error {
	lines := []string{"sequenceDiagram"}
	begun := false
	for _, d := range docs {
		for i := range d.Sections {
			for _, b := range d.Sections[i].Blocks {
				l, ok := b.(*document.Ladder)
				if !ok {
					continue
				}
				if !begun {
					begun = true
					lines = append(lines, participants(l)...)
				}
				if d.Sections[i].Title != "" {
					lines = append(lines, "    Note over A,B: "+clean(document.Heading(d.Sections[i].Title)))
				}
				lines = append(lines, Lines(l)...)
			}
		}
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}

// Diagram is a whole diagram of one ladder.
func Diagram(l *document.Ladder) []string {
	return append(append([]string{"sequenceDiagram"}, participants(l)...), Lines(l)...)
}

func participants(l *document.Ladder) (lines []string) {
	for i, e := range l.Ends {
		lines = append(lines, fmt.Sprintf("    participant %s as %s", ends[i], clean(strings.ToLower(e.Name)+" "+e.Address)))
	}
	return lines
}

var ends = [...]string{"A", "B"}

// Lines are the messages and states of a ladder.
func Lines(l *document.Ladder) (lines []string) {
	for i, e := range l.Ends {
		if e.First.Name != "" {
			lines = append(lines, note(i, &e.First))
		}
	}
	for i := range l.Rungs {
		r := &l.Rungs[i]
		if a := r.Arrow; a != nil && !a.Leaves {
			lines = append(lines, "    "+message(a))
		} else if a != nil {
			lines = append(lines, fmt.Sprintf("    Note over A,B: %s leaves", clean(a.Flags)))
		} else {
			lines = append(lines, fmt.Sprintf("    Note over %s: %s", ends[r.End&1], clean(r.Text)))
		}
		for side, s := range r.States {
			if s != nil {
				lines = append(lines, note(side, s))
			}
		}
	}
	return lines
}

func message(a *document.Arrow) string {
	from, to := ends[0], ends[1]
	if !a.Right {
		from, to = to, from
	}
	arrow := "->>"
	if a.Lost {
		arrow = "-x"
	}
	label := a.Flags + " " + a.Numbers
	if a.Lost {
		label += " (lost)"
	}
	return from + arrow + to + ": " + clean(label)
}

// note says that an end enters a state, and how long it stays.
func note(side int, s *document.State) string {
	where := [...]string{"left of A", "right of B"}[side]
	name := s.Name
	switch {
	case s.Lasts && s.Left > 0:
		name += " (" + text.Value(document.Micros(s.Left*1e6)) + " left)"
	case !s.Lasts && s.Dwell > 0:
		name += " (" + text.Value(document.Micros(s.Dwell*1e6)) + ")"
	}
	return "    Note " + where + ": " + clean(name)
}

// clean makes a text one that ends no statement and begins no markup: Mermaid reads ; as the end of a line and # as an entity.
func clean(s string) string {
	return strings.NewReplacer(";", ",", "#", "no. ", "<", "&lt;", ">", "&gt;", "%%", "%").Replace(text.Clean(s))
}
