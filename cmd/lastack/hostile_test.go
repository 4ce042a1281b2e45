package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// What others wrote reaches a terminal as text only: keys and strings of a record, names of files, values of flags.
func TestHostileText(t *testing.T) {
	const evil = "\x1b]0;title\a\x1b[31m\x7f\u009b2J\u202eevil"
	quoted := `\u001b]0;title\u0007\u001b[31m` + "\x7f\u009b2J\u202eevil"
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	head := `{"schema":"lastack.run/v1","kind":"run",`
	whole := file("whole.json", head+`"warnings":["`+quoted+`"],"outcomes":{"`+quoted+`":1},"plan":{"command":["`+quoted+`"]}}`)
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"a key at fault", []string{"report", file("key.json", head+`"outcomes":{"`+quoted+`":-1}}`)}, exitError, "which no run can have"},
		{"a key of the wrong type", []string{"report", file("type.json", head+`"outcomes":{"`+quoted+`":"x"}}`)}, exitError, "holds a JSON string"},
		{"a schema", []string{"report", file("schema.json", `{"schema":"`+quoted+`"}`)}, exitError, "its schema is"},
		{"a time", []string{"report", file("time.json", head+`"started":"`+quoted+`"}`)}, exitError, "damaged"},
		{"a file's name", []string{"report", file(evil, "")}, exitError, "empty"},
		{"no such file", []string{"report", filepath.Join(dir, "no"+evil)}, exitUsage, "no such file"},
		{"a target", []string{"run", evil}, exitUsage, "HOST:PORT"},
		{"a flag", []string{"run", "--" + evil}, exitUsage, "unknown"},
		{"a value", []string{"run", "--close", evil}, exitUsage, "--close"},
		{"a command", []string{evil}, exitUsage, "unknown command"},
		{"a page", []string{"report", whole}, exitOK, `\x1b[31m\x7f\u009b2J\u202eevil`},
		{"json", []string{"report", "--format", "json", whole}, exitOK, `\u007f\u009b2J\u202eevil`},
		{"jsonl", []string{"report", "--format", "jsonl", whole}, exitOK, `\u007f\u009b2J\u202eevil`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if code := Main(tt.args, strings.NewReader(""), &out, &out); code != tt.code || !strings.Contains(out.String(), tt.want) {
				t.Errorf("exit code %d, want %d with %q in\n%s", code, tt.code, tt.want, out.String())
			}
			if strings.ContainsFunc(out.String(), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
				t.Errorf("not printable: %q", out.String())
			}
		})
	}
}
