package markdown

import (
	"fmt"
	"strings"
	"unicode"

	"lastack/bench/lazy"
	"lastack/report/text"
)

// longest is the most characters of one text.
const longest = 600

// invisible is a space without width. GitHub finds names, issues and emoji in the text of a finished page, where an escape is no more; what
// it interrupts is none. What may be a commit, as a version is, becomes code.
const invisible = "&#8203;"

// emoji is the code of one, and no part of a time.
var emoji = lazy.Regexp(`^:(100|1234|[+-]1|[0-9_+-]*[A-Za-z][A-Za-z0-9_+-]*):`)

// hashDigits is the fewest digits that a forge takes for a commit.
const hashDigits = 7

// escape makes text from elsewhere text of a line, also of a table's cell: no markup, no link, no mention of a user, an issue or a commit, no
// emoji.
func escape(s string) string {
	r := []rune(strings.TrimSpace(text.Line(s, longest)))
	is := func(i int, of func(rune) bool) bool { return i >= 0 && i < len(r) && of(r[i]) }
	word := func(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) }
	joined := func(c rune) bool { return word(c) || c == '_' }
	var b strings.Builder
	hashTo := 0
	for i, c := range r {
		if i >= hashTo && word(c) && !is(i-1, joined) {
			n := lenHash(r[i:])
			if i == 0 || is(i-1, unicode.IsSpace) {
				n = max(n, lenVersion(r[i:]))
			}
			if hashTo = i + n; n > 0 {
				b.WriteString(code(string(r[i:hashTo]))) // as it can be copied
			}
		}
		switch {
		case i < hashTo:
		case c == '_' && is(i-1, word) && is(i+1, word): // never emphasis (CommonMark 6.2)
			b.WriteRune(c)
		case strings.ContainsRune("\\`*_[]<>|~&!", c):
			b.WriteString(`\` + string(c))
		case c == '@', c == '#', c == '%' && is(i+1, word), c == '-' && i >= 2 && strings.EqualFold(string(r[i-2:i]), "gh"),
			c == ':' && emoji().MatchString(string(r[i:])):
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

// lenHash is the length of the word at the start of a text if it may be a commit, or 0.
func lenHash(r []rune) int {
	n := 0
	for n < len(r) && unicode.Is(unicode.ASCII_Hex_Digit, r[n]) {
		n++
	}
	if n < hashDigits || n < len(r) && (unicode.IsLetter(r[n]) || r[n] == '_') {
		return 0
	}
	return n
}

// lenVersion is the length of the version at the start of a text if a commit is part of it, as of v0.0.0-20261128041145-637d517b111d, or 0.
func lenVersion(r []rune) int {
	n, hash := 0, false
	for ; n < len(r) && !unicode.IsSpace(r[n]); n++ {
		c := r[n]
		if c > unicode.MaxASCII || !unicode.IsLetter(c) && !unicode.IsDigit(c) && !strings.ContainsRune(".+-", c) {
			return 0
		}
		hash = hash || (n == 0 || strings.ContainsRune(".+-", r[n-1])) && lenHash(r[n:]) > 0
	}
	for n > 0 && r[n-1] == '.' { // of the sentence
		n--
	}
	if !hash {
		return 0
	}
	return n
}

// paragraph is escape for text that begins a paragraph or an item, where more is markup: lists and headings, and commands to GitLab.
func paragraph(s string) string { return begin(escape(s)) }

// begin is paragraph for what is escaped already.
func begin(s string) string {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	if digits < len(s) && (digits == 0 && strings.ContainsRune("+-=/", rune(s[0])) || digits > 0 && strings.ContainsRune(".)", rune(s[digits]))) {
		return s[:digits] + `\` + s[digits:]
	}
	return s
}

// code is text to copy, in which nothing is markup.
func code(s string) string {
	s = strings.TrimSpace(text.Clean(s))
	if s == "" {
		return ""
	}
	fence := "`"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	if fence != "`" || s[0] == '`' {
		return fence + " " + s + " " + fence
	}
	return fence + s + fence
}

func more(n int) string { return fmt.Sprintf("… and %d more", n) }
