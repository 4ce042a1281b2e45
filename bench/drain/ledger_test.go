package drain

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/sockstate"
)

// TestReadLedger has a server write its ledger, or not, where something stands already: that stays, and is not taken for the server's.
func TestReadLedger(t *testing.T) {
	const old, next = `{"accepted": 1}`, `{"accepted": 2}`
	write := func(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }
	replace := func(path, text string) error {
		return errors.Join(write(path+".new", text), os.Rename(path+".new", path))
	}
	for _, tt := range []struct {
		name   string
		before string // what stands there, empty for nothing
		server func(path string) error
		want   map[string]int64
		fails  string
	}{
		{"new", "", func(p string) error { return write(p, next) }, map[string]int64{"accepted": 2}, ""},
		{"replaced", old, func(p string) error { return replace(p, next) }, map[string]int64{"accepted": 2}, ""},
		{"replaced by the same", old, func(p string) error { return replace(p, old) }, map[string]int64{"accepted": 1}, ""},
		{"overwritten", old, func(p string) error { return write(p, next+" ") }, map[string]int64{"accepted": 2}, ""},
		{"not written", old, func(string) error { return nil }, nil, "the server has not written it; what stands there is older"},
		{"none", "", func(string) error { return nil }, nil, "the server has not written it"},
		{"half", "", func(p string) error { return write(p, next[:5]) }, nil, "unexpected end of JSON input"},
		{"too long", "", func(p string) error { return write(p, strings.Repeat(" ", ledgerLimit+1)) }, nil, "longer than 1048576 bytes"},
		{"became a directory", "", func(p string) error { return os.Mkdir(p, 0o700) }, nil, "no regular file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ledger")
			if tt.before != "" {
				past := time.Now().Add(-time.Hour)
				if err := errors.Join(write(path, tt.before), os.Chtimes(path, past, past)); err != nil {
					t.Fatal(err)
				}
			}
			before, err := lookAtLedger(path)
			if err != nil {
				t.Fatal(err)
			}
			if b, _ := os.ReadFile(path); string(b) != tt.before {
				t.Errorf("looking left %q of %q", b, tt.before)
			}
			if err := tt.server(path); err != nil {
				t.Fatal(err)
			}
			got, err := readLedger(path, before)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if tt.fails == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.fails) {
				t.Errorf("error %v, want %q", err, tt.fails)
			}
		})
	}
}

func TestLedgerRefused(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{
		dir:                              "is no regular file",
		os.DevNull:                       "is no regular file",
		filepath.Join(dir, "no", "file"): "its directory is not there",
	} {
		_, err := lookAtLedger(path)
		if e, ok := errors.AsType[*sockstate.ValueError](err); !ok || e.Name != "ledger" || !strings.Contains(e.Want, want) {
			t.Errorf("%s: %v, want a refusal with %q", path, err, want)
		}
	}
}
