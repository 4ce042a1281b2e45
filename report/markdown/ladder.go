package markdown

import (
	"strconv"

	"lastack/report/document"
	"lastack/report/mermaid"
	"lastack/report/text"
)

// ladder is a diagram that GitHub draws, and a table of its steps for whom it does not.
func (p *page) ladder(l *document.Ladder) {
	p.blank()
	p.add("```mermaid")
	p.add(mermaid.Diagram(l)...)
	p.add("```", "")
	p.add("| | at ("+text.ClockUnit+") | packet | what happens |", "| --- | --: | --- | --- |")
	for i := range l.Rungs {
		r := &l.Rungs[i]
		packet := ""
		if a := r.Arrow; a != nil {
			from, to := l.Ends[0].Name, l.Ends[1].Name
			if !a.Right {
				from, to = to, from
			}
			packet = escape(document.Heading(from) + " to " + document.Heading(to) + ": " + a.Flags)
			if a.Lost {
				packet += ", lost"
			}
		}
		words := r.Text
		if r.Source != "" {
			words += " (" + r.Source + ")"
		}
		p.add("| " + strconv.Itoa(i+1) + " | " + text.Clock(r.At) + " | " + packet + " | " + escape(words) + " |")
	}
	p.add("")
	for _, e := range l.Ends {
		if e.Last != "" {
			p.add(paragraph(e.Last), "")
		}
	}
}
