package quantity

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"nothing to escape", "bind: address in use\n\tat :80, für ☃", "bind: address in use\n\tat :80, für ☃"},
		{"empty", "", ""},
		{"C0", "a\x1b[2Jb\x00\x07\rc", `a\x1b[2Jb\x00\a\rc`},
		{"DEL", "a\x7f", `a\x7f`},
		{"C1 as UTF-8", "a\u009b2J", `a\u009b2J`},
		{"C1 as a byte", "a\x9b2J", `a\x9b2J`},
		{"bidi overrides and isolates", "a\u202eb\u2066c", `a\u202eb\u2066c`},
		{"line and paragraph separators", "a\u2028b\u2029", `a\u2028b\u2029`},
		{"tags beyond 16 bits", "a\U000e0041", `a\U000e0041`},
		{"no UTF-8", "a\xff\xc3(", `a\xff\xc3(`},
		{"replaced already", "a\ufffd", "a\ufffd"},
		{"both", "\ufffd\xff", "\ufffd" + `\xff`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Escape(tt.in); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzEscape(f *testing.F) {
	f.Add("a\x1b[2J\u202e\xff\n")
	f.Fuzz(func(t *testing.T, s string) {
		got := Escape(s)
		for _, r := range got {
			if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
				t.Errorf("%q has %q left", got, r)
			}
		}
		if !utf8.ValidString(got) {
			t.Errorf("%q is no UTF-8", got)
		}
		if again := Escape(got); again != got {
			t.Errorf("%q becomes %q the second time", got, again)
		}
		if strings.Count(got, "\n") != strings.Count(s, "\n") {
			t.Errorf("lines of %q are lost in %q", s, got)
		}
	})
}
