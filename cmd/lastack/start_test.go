package main

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// TestStart bounds what the packages of the program allocate before main begins, whichever command it is: tables and regular expressions
// that one command needs are made when it needs them.
func TestStart(t *testing.T) {
	t.Parallel()
	const most = 8 << 10 // bytes; a regular expression takes 3 to 40 KiB
	cmd := exec.CommandContext(t.Context(), "lastack", "version")
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(stderr.String()) {
		f := strings.Fields(line) // init PACKAGE @AT ms, CLOCK ms clock, BYTES bytes, ALLOCS allocs
		if len(f) < 9 || f[0] != "init" {
			continue
		}
		// In a test binary main is the tests too, and theirs are most of its tables.
		if !strings.HasPrefix(f[1], module+"/") || f[1] == module+"/cmd/lastack" {
			continue
		}
		seen++
		bytes, err := strconv.Atoi(f[7])
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if bytes > most {
			t.Errorf("package %s allocates %d bytes before main begins, want at most %d", f[1], bytes, most)
		}
	}
	if seen == 0 {
		t.Errorf("no init of this program in %q", stderr.String())
	}
}
