package quantity

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"
	"unicode"
)

func TestEscapeJSON(t *testing.T) {
	for _, s := range []string{"", "plain ä 漢", "\x00\x1b[31m\x7f\u009b", "\u202e\u2028\ufeff\u00a0", "\U000e0041 \U0001f600", "a\xffb", `"\`} {
		b, err := json.MarshalIndent(map[string]string{s: s}, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		got := EscapeJSON(b)
		if strings.ContainsFunc(string(got), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
			t.Errorf("%q: %q is not printable", s, got)
		}
		var was, is map[string]string
		if err := errors.Join(json.Unmarshal(b, &was), json.Unmarshal(got, &is)); err != nil || !maps.Equal(was, is) {
			t.Errorf("%q: %q means %q, not %q (%v)", s, got, is, was, err)
		}
	}
}
