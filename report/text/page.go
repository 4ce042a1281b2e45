package text

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"lastack/bench/quantity"
)

// page is text under construction. Text from a record must pass through clean: it could move a terminal's cursor.
type page struct {
	width int
	// most is the most lines of one text, 0 for no limit.
	most int
	// dense leaves out blank lines, but remembers their places in gaps.
	dense bool
	gaps  []int
	lines []string
}

// raw adds a line, which must be clean and fit.
func (p *page) raw(s string) { p.lines = append(p.lines, strings.TrimRight(s, " ")) }

func (p *page) blank() {
	if p.dense {
		p.gaps = append(p.gaps, len(p.lines))
	} else {
		p.raw("")
	}
}

// unblank takes the blank line at that place back.
func (p *page) unblank(at int) {
	if p.dense {
		p.gaps = slices.DeleteFunc(p.gaps, func(gap int) bool { return gap == at })
	} else {
		p.lines = slices.Delete(p.lines, at, at+1)
	}
}

// fillGaps adds the blank lines that a page of that many lines has room for.
func (p *page) fillGaps(lines int) {
	for i, at := range p.gaps[:max(0, min(len(p.gaps), lines-len(p.lines)))] {
		p.lines = slices.Insert(p.lines, at+i, "")
	}
}

// hang writes text after lead, and its further lines below where it began. paint colours it, if it is not nil.
func (p *page) hang(lead, text string, paint func(string) string) {
	lead, text = Clean(lead), Clean(text)
	if n := utf8.RuneCountInString(lead); text == "" || n > p.width/2 {
		for _, l := range wrap(lead, p.width) {
			p.raw(l)
		}
		lead = "    "
	}
	if text == "" {
		return
	}
	n := utf8.RuneCountInString(lead)
	lines := wrap(text, p.width-n)
	if p.most > 0 && len(lines) > p.most {
		lines = shorten(lines[:p.most], p.width-n)
	}
	for _, l := range lines {
		if paint != nil {
			l = paint(l)
		}
		p.raw(lead + l)
		lead = strings.Repeat(" ", n)
	}
}

// shorten ends the lines of a longer text: after the last whole part of a sentence, if that leaves more than half, or else anywhere.
func shorten(lines []string, width int) []string {
	text := strings.Join(lines, " ")
	for at := len(text) - 1; at > len(text)/2; at-- {
		if strings.ContainsRune(";:.", rune(text[at])) && (at == len(text)-1 || text[at+1] == ' ') {
			if short := wrap(text[:at]+"; more (-v)", width); len(short) <= len(lines) {
				return short
			}
		}
	}
	const more = " … (-v)"
	last := &lines[len(lines)-1]
	*last = wrap(*last, width-utf8.RuneCountInString(more))[0] + more
	return lines
}

// tooLong reports whether hang would shorten the text.
func (p *page) tooLong(lead, text string) bool {
	return p.most > 0 && len(wrap(Clean(text), p.width-utf8.RuneCountInString(lead))) > p.most
}

// Line makes one printable line of text from elsewhere, cut to width columns with a mark.
func Line(s string, width int) string { return cut(Clean(s), width) }

// Clean makes text from elsewhere printable: a line of blanks and escapes, not absurdly long.
func Clean(s string) string {
	return quantity.Escape(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r == '\r' {
			return ' '
		}
		return r
	}, bounded(s)))
}

// longest is the most characters of one text: a hundred lines.
const longest = 10_000

// wrap breaks text at spaces, and a word longer than width anywhere, in linear time. Spaces before the first word stay.
func wrap(text string, width int) []string {
	var lines []string
	words := strings.TrimLeft(text, " ")
	indent := 0
	if words != "" {
		indent = min(len(text)-len(words), width/2)
	}
	line, used := strings.Repeat(" ", indent), indent
	empty := true
	for _, word := range glued(strings.Fields(words)) {
		n := utf8.RuneCountInString(word)
		switch {
		case empty && used+n <= width:
			line, used, empty = line+word, used+n, false
			continue
		case !empty && used+1+n <= width:
			line, used = line+" "+word, used+1+n
			continue
		case !empty:
			lines = append(lines, line)
		}
		for ; n > width; n -= width {
			at := 0
			for range width {
				_, size := utf8.DecodeRuneInString(word[at:])
				at += size
			}
			lines = append(lines, word[:at])
			word = word[at:]
		}
		line, used, empty = word, n, false
	}
	if !empty || len(lines) == 0 {
		lines = append(lines, line)
	}
	return lines
}

// Sourced breaks a sentence as wrap does, and its source in brackets behind it, which has a line of its own if it does not fit whole.
func Sourced(sentence, source string, width int) []string {
	lines := wrap(Clean(sentence), width)
	if source == "" {
		return lines
	}
	source = "(" + Clean(source) + ")"
	last := &lines[len(lines)-1]
	if n := utf8.RuneCountInString(*last) + 1 + utf8.RuneCountInString(source); n <= width {
		*last += " " + source
		return lines
	}
	return append(lines, wrap(source, width)...)
}

// glued joins numbers with their units, which stay on one line.
func glued(words []string) []string {
	out := words[:0]
	for _, w := range words {
		switch strings.TrimRight(w, ",;:.)") {
		case "%", "ns", "µs", "ms", "s", "B", "KiB", "MiB", "GiB", "TiB":
			if n := len(out); n > 0 && out[n-1][len(out[n-1])-1] >= '0' && out[n-1][len(out[n-1])-1] <= '9' {
				out[n-1] += " " + w
				continue
			}
		}
		out = append(out, w)
	}
	return out
}

// bounded cuts an absurdly long text, and says how much that leaves out.
func bounded(text string) string {
	if len(text) <= longest {
		return text
	}
	n := 0
	for at := range text {
		if n == longest {
			return text[:at] + fmt.Sprintf(" … (and %s more characters, in the record)", quantity.Count(int64(utf8.RuneCountInString(text[at:]))))
		}
		n++
	}
	return text
}

// cut shortens s to width, with a mark.
func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	n := 0
	for at := range s {
		if n == width-1 {
			return s[:at] + "…"
		}
		n++
	}
	return s
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

func padLeft(s string, width int) string {
	return strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s))) + s
}
