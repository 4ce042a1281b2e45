package golden

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"testing"
)

// Decode decodes a file of JSON that gzip has compressed into v.
func Decode(t testing.TB, path string, v any) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(v); err != nil {
		t.Fatal(err)
	}
}
