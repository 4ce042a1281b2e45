package main

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

// What a user reads in a terminal of 100 columns wraps where the program says, and names what a flag takes rather than a
// type of Go's.
func TestHelpWidth(t *testing.T) {
	for _, command := range []string{"run", "drain", "serve", "doctor", "report"} {
		var stdout, stderr bytes.Buffer
		if code := Main([]string{command, "--help"}, strings.NewReader(""), &stdout, &stderr); code != exitOK || stderr.Len() > 0 {
			t.Fatalf("%s: exit code %d, %s", command, code, &stderr)
		}
		_, flags, _ := strings.Cut(stdout.String(), "\nFlags:\n")
		for line := range strings.Lines(stdout.String()) {
			line = strings.TrimSuffix(line, "\n")
			// Examples stay on a line, to be copied.
			if utf8.RuneCountInString(line) > 100 && !strings.HasPrefix(line, "  lastack ") && !strings.HasPrefix(line, "  # ") {
				t.Errorf("%s: %d columns: %s", command, utf8.RuneCountInString(line), line)
			}
		}
		for _, of := range []string{" stringArray ", " strings ", " string "} {
			if strings.Contains(flags, of) {
				t.Errorf("%s: a flag takes a%s", command, of)
			}
		}
	}
}
