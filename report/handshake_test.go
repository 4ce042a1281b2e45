package report

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"lastack/bench/record"
	"lastack/sockstate/socktest/golden"
)

// handshakes lists the samples of the kind handshake.
func handshakes(t testing.TB) map[string]*record.Run {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "handshakes", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples (%v)", err)
	}
	all := make(map[string]*record.Run)
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := record.Read(f)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_ = f.Close() // it was only read
		all[strings.TrimSuffix(filepath.Base(name), ".json")] = r
	}
	return all
}

// sgr are a terminal's colours.
var sgr = regexp.MustCompile("\x1b\\[[0-9;]*m")

func TestHandshakeText(t *testing.T) {
	for name, r := range handshakes(t) {
		t.Run(name, func(t *testing.T) {
			golden.Check(t, filepath.Join("testdata", "handshakes", name+".txt"), string(show(t, View{Format: "text"}, r)))
			for _, v := range []View{{}, {Width: 100}, {Width: 79}, {Width: 60}, {Width: 48}, {Width: 100, Colour: true}, {Verbose: true}} {
				v.Format = "text"
				page := string(show(t, v, r))
				bare := sgr.ReplaceAllString(page, "")
				if !v.Colour && bare != page {
					t.Errorf("%+v: colours", v)
				}
				if v.Colour && bare != string(show(t, View{Format: "text", Width: v.Width}, r)) {
					t.Error("colours change more than colours")
				}
				if has := strings.ContainsAny(page, "│─▶◀"); has != (v.Width >= 56) {
					t.Errorf("%+v: box characters: %v", v, has)
				}
				if has := strings.Contains(page, "too narrow"); has != (v.Width == 48) {
					t.Errorf("%+v: a list: %v", v, has)
				}
				most := v.Width
				if most == 0 {
					most = 100
				}
				for l := range strings.Lines(bare) {
					if n := utf8.RuneCountInString(strings.TrimSuffix(l, "\n")); n > most {
						t.Errorf("%+v: %d columns: %s", v, n, l)
					}
				}
				l := &r.Handshake.Ladders[0]
				flat := strings.Join(strings.Fields(strings.NewReplacer("|", " ", "│", " ").Replace(bare)), " ")
				for _, s := range l.Client.States {
					if !strings.Contains(flat, s.State) {
						t.Errorf("%+v: no %s", v, s.State)
					}
				}
			}
			golden.Check(t, filepath.Join("testdata", "handshakes", name+"-terminal.txt"), string(show(t, View{Format: "text", Width: 100}, r)))
		})
	}
}

func TestHandshakeFormats(t *testing.T) {
	for name, r := range handshakes(t) {
		t.Run(name, func(t *testing.T) {
			checkFormats(t, r)
			for _, table := range []string{"ladder.packets", "ladder.states", "ladder.steps"} {
				golden.Check(t, filepath.Join("testdata", "handshakes", name+"-"+strings.TrimPrefix(table, "ladder.")+".csv"), string(show(t, View{Format: "csv", Table: table}, r)))
			}
		})
	}
}

// A damaged record is shown as far as it goes.
func TestHandshakeDamaged(t *testing.T) {
	for _, text := range []string{
		`{"schema":"lastack.run/v1","kind":"handshake","handshake":{}}`,
		`{"schema":"lastack.run/v1","kind":"handshake","handshake":{"ladders":[{}]}}`,
		`{"schema":"lastack.run/v1","kind":"handshake","handshake":{"ladders":[{"packets":[{"from":"client"}],"steps":[{"packet":1},{"packet":1,"arrival":true}],"client":{"states":[{"state":"X","step":9}]}}]}}`,
	} {
		r, err := record.Read(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		checkFormats(t, r)
	}
}
