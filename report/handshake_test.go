package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"lastack/bench/record"
	"lastack/bench/record/recordtest"
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
		all[strings.TrimSuffix(filepath.Base(name), ".json")] = recordtest.Read(t, name)
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
			for format, suffix := range map[string]string{SVG: ".svg", Mermaid: ".mmd", "md": ".md"} {
				golden.Check(t, filepath.Join("testdata", "handshakes", name+suffix), string(show(t, View{Format: format}, r)))
			}
			page := string(show(t, View{Format: "html"}, r))
			for _, want := range []string{`<svg class="ladder"`, `role="img"`, "prefers-color-scheme:dark"} {
				if !strings.Contains(page, want) {
					t.Errorf("html: no %s", want)
				}
			}
			for _, table := range []string{"ladder.packets", "ladder.states", "ladder.steps"} {
				golden.Check(t, filepath.Join("testdata", "handshakes", name+"-"+strings.TrimPrefix(table, "ladder.")+".csv"), string(show(t, View{Format: "csv", Table: table}, r)))
			}
		})
	}
}

// The drawing is well-formed, says what it shows, and asks for nothing else.
func TestHandshakeSVG(t *testing.T) {
	for name, r := range handshakes(t) {
		b := show(t, View{Format: SVG}, r)
		title, desc := "", ""
		d := xml.NewDecoder(bytes.NewReader(b))
		for {
			token, err := d.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			e, ok := token.(xml.StartElement)
			if !ok {
				continue
			}
			for _, a := range e.Attr {
				if a.Name.Local == "href" || a.Name.Local == "src" {
					t.Errorf("%s: %s asks for %s", name, e.Name.Local, a.Value)
				}
			}
			switch e.Name.Local {
			case "title":
				err = d.DecodeElement(&title, &e)
			case "desc":
				err = d.DecodeElement(&desc, &e)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !strings.Contains(title, "handshake") || !strings.Contains(desc, "client sends SYN") {
			t.Errorf("%s: title %q, desc %q", name, title, desc)
		}
		for _, s := range r.Handshake.Ladders[0].Client.States {
			if !bytes.Contains(b, []byte(">"+s.State+"<")) {
				t.Errorf("%s: no %s", name, s.State)
			}
		}
	}
}

// A record of another kind has no packets.
func TestHandshakeFormatsNeedOne(t *testing.T) {
	for _, format := range []string{SVG, Mermaid, PcapNG} {
		var b bytes.Buffer
		if err := Render(&b, View{Format: format}, sample(t, "count-one")); !errors.Is(err, ErrNoLadder) || b.Len() > 0 {
			t.Errorf("%s: %v", format, err)
		}
	}
}

// A damaged record is shown as far as it goes.
func TestDamaged(t *testing.T) {
	for _, text := range []string{
		`{"schema":"lastack.run/v1","kind":"run","states":{"transitions":{"client":{"X":1}},"paths":{"client":{"connections":2,"as_predicted":1},"server":{}},"exceptions":[{}]}}`,
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

// A page of what was interrupted says so.
func TestHandshakeInterrupted(t *testing.T) {
	run := handshakes(t)["rst"]
	run.Interrupted = true
	if page := strings.Join(strings.Fields(string(show(t, View{Format: "text"}, run))), " "); !strings.Contains(page, "stopped by a signal (interrupted)") {
		t.Errorf("it is not said: %.300s", page)
	}
}

// Why there was no connection stands first, and only then.
func TestHandshakeNoConnection(t *testing.T) {
	run := handshakes(t)["rst"]
	for _, format := range []string{"text", "html", "md"} {
		has := func() bool {
			page := string(show(t, View{Format: format}, run))
			return strings.Contains(strings.ToUpper(page), "NO CONNECTION") && strings.Contains(page, "refused it")
		}
		if run.Verdict = (record.Verdict{Valid: true}); has() {
			t.Errorf("%s: no connection, of one that was", format)
		}
		if run.Verdict = (record.Verdict{Reasons: []string{"127.0.0.1:1 refused it"}}); !has() {
			t.Errorf("%s: why there was no connection is missing", format)
		}
	}
}

// Drills are a section each, with tables of their own, on one page and in one picture.
func TestHandshakeDrills(t *testing.T) {
	all := handshakes(t)
	run := all["rst"]
	run.Handshake.Ladders = append(run.Handshake.Ladders, all["simultaneous"].Handshake.Ladders[0], all["last-ack"].Handshake.Ladders[0])
	for i, name := range []string{"linger-rst", "simultaneous", "simultaneous"} {
		l := &run.Handshake.Ladders[i]
		if l.Drill, l.Teaches = name, "One sentence. Another one."; i > 0 {
			l.Case = []string{"once", "twice"}[i-1]
		}
	}
	checkFormats(t, run)
	page := string(show(t, View{Format: "text"}, run))
	for _, want := range []string{"2 drills, 3 connections", "LINGER-RST   One sentence. Another one.", "SIMULTANEOUS, ONCE", "SIMULTANEOUS, TWICE"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q", want)
		}
	}
	if got, want := tables(t, run), []string{"linger_rst.packets", "linger_rst.states", "linger_rst.steps", "simultaneous_2.packets"}; !slices.Equal(got[:4], want) {
		t.Errorf("tables: %v", got)
	}
	drawn := string(show(t, View{Format: SVG}, run))
	if n := strings.Count(drawn, "<svg"); n != 1 || !strings.Contains(drawn, ">Simultaneous, twice<") {
		t.Errorf("%d pictures: %.300s", n, drawn)
	}
	if n := strings.Count(string(show(t, View{Format: "html"}, run)), "<svg class=\"ladder\""); n != 3 {
		t.Errorf("%d drawings on the page", n)
	}
}
