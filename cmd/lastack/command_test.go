package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCommandWords(t *testing.T) {
	programs(t, "server", "two words")
	t.Setenv("PORT", "8080")
	t.Setenv("FLAGS", "-a -b")
	t.Setenv("HOME", "/home/me")
	for command, want := range map[string][]string{
		"server":                         {"server"},
		"  server   -v\t-w\n":            {"server", "-v", "-w"},
		`server -H 'A: b "c"' "d 'e'"`:   {"server", "-H", `A: b "c"`, "d 'e'"},
		`'two words' a\ b \$PORT '' ""`:  {"two words", "a b", "$PORT", "", ""},
		`server :$PORT ${PORT} "$FLAGS"`: {"server", ":8080", "8080", "-a -b"},
		`server $FLAGS '$FLAGS'`:         {"server", "-a", "-b", "$FLAGS"},
		`server ${NONE:-x} 'a{b,c}' # d`: {"server", "x", "a{b,c}"},
		`server ~/conf *.conf "~"`:       {"server", "/home/me/conf", "*.conf", "~"},
		`server -c 'a; b | c > d & e'`:   {"server", "-c", "a; b | c > d & e"},
	} {
		got, err := commandWords("exec", command)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", command, err, diff)
		}
	}
	for command, want := range map[string]string{
		"":               `--exec "": want a program and its arguments`,
		"''":             `--exec "''": want a program and its arguments`,
		"server 'a":      "reached EOF without closing quote",
		"server | x":     "`|` is not a valid word",
		"server; x":      "`;` is not a valid word",
		"server &":       "`&` is not a valid word",
		"server $(x)":    "1:8: $(...) and $((...)) are not expanded",
		"server \"`x`\"": "1:9: $(...) and $((...)) are not expanded",
		"server $((1))":  "1:8: $(...) and $((...)) are not expanded",
		"server a{1..2}": "1:8: {a,b} and {1..9} are not expanded: put them in quotes",
		"server <(x)":    "`<` is not a valid word",
		"server $NONE":   "NONE: unbound variable",
		"nothing x":      `"nothing" cannot be run (executable file not found in $PATH)`,
		"./nothing":      `"./nothing" cannot be run (no such file or directory)`,
		"PORT=80 server": `"PORT=80" cannot be run`,
	} {
		if got, err := commandWords("exec", command); err == nil || codeOf(err, true) != exitUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v, want a usage error with %q", command, got, err, want)
		}
	}
}

func FuzzCommandWords(f *testing.F) {
	for _, s := range []string{"server -v", "a 'b c' \"d\" e\\ f", "$X ${Y:-z} ~", "a | b", "$(", "a {b,c}", "${#x}", "$((1/0))", "a <(b)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		words, err := commandWords("exec", s)
		if err == nil && (len(words) == 0 || words[0] == "") || err != nil && codeOf(err, true) != exitUsage {
			t.Fatalf("%q: %q, %v", s, words, err)
		}
	})
}
