// Package recordtest reads records of files for tests.
package recordtest

import (
	"os"
	"testing"

	"lastack/bench/record"
)

// Read reads a record of a file.
func Read(t testing.TB, path string) *record.Run {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := record.Read(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return r
}
