package markdown

import (
	"fmt"
	"strings"
	"unicode"

	"lastack/report/text"
)

// longest is the most characters of one text.
const longest = 600

// invisible is a space without width. GitHub finds names, issues and addresses in the text of a finished page, where an escape is no more;
// what it interrupts is none.
const invisible = "&#8203;"

// escape makes text from elsewhere text of a line, also of a table's cell: no markup, no link, no mention of a user or an issue.
func escape(s string) string {
	r := []rune(strings.TrimSpace(text.Line(s, longest)))
	is := func(i int, of func(rune) bool) bool { return i >= 0 && i < len(r) && of(r[i]) }
	word := func(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }
	var b strings.Builder
	for i, c := range r {
		switch {
		case c == '_' && is(i-1, word) && is(i+1, word): // never emphasis (CommonMark 6.2)
			b.WriteRune(c)
		case strings.ContainsRune("\\`*_[]<>|~&!", c):
			b.WriteString(`\` + string(c))
		case c == '@', c == '#', c == '-' && i >= 2 && strings.EqualFold(string(r[i-2:i]), "gh"):
			b.WriteString(string(c) + invisible)
		case c == '$': // a formula, which no escape prevents
			b.WriteString("<span>$</span>")
		case c == ':' && strings.HasPrefix(string(r[i:min(len(r), i+3)]), "://"),
			c == '.' && i >= 3 && strings.EqualFold(string(r[i-3:i]), "www"):
			b.WriteString(`\` + string(c))
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}

// paragraph is escape for text that begins a paragraph or an item, where more is markup: lists and headings.
func paragraph(s string) string {
	s = escape(s)
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if digits < len(s) && (digits == 0 && strings.ContainsRune("+-=", rune(s[0])) || digits > 0 && strings.ContainsRune(".)", rune(s[digits]))) {
		return s[:digits] + `\` + s[digits:]
	}
	return s
}

func more(n int) string { return fmt.Sprintf("… and %d more", n) }
