package svg

import (
	"encoding/xml"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"lastack/report/document"
)

// scheme is the colour of each class of a ladder's style, as fill and stroke.
type scheme map[string][3]float64

var (
	styleRule  = regexp.MustCompile(`\.ladder ([^{}]+)\{([^{}]*)\}`)
	styleColor = regexp.MustCompile(`(fill|stroke):#([0-9a-f]{3}|[0-9a-f]{6})\b`)
)

// schemes are those of a style: light, and what each @media puts in its place.
func schemes(t *testing.T, style string) map[string]scheme {
	t.Helper()
	all := make(map[string]scheme)
	for i, part := range strings.Split(style, "@media ") {
		name, rules := "light", part
		if i > 0 {
			name, rules, _ = strings.Cut(part, "{")
		}
		s := make(scheme)
		for _, rule := range styleRule.FindAllStringSubmatch(rules, -1) {
			for _, c := range styleColor.FindAllStringSubmatch(rule[2], -1) {
				hex := c[2]
				if len(hex) == 3 {
					hex = hex[:1] + hex[:1] + hex[1:2] + hex[1:2] + hex[2:] + hex[2:]
				}
				n, err := strconv.ParseUint(hex, 16, 32)
				if err != nil {
					t.Fatal(err)
				}
				for class := range strings.SplitSeq(strings.ReplaceAll(rule[1], ".ladder ", ""), ",") {
					s[class+" "+c[1]] = [...]float64{float64(n >> 16), float64(n >> 8 & 255), float64(n & 255)}
				}
			}
		}
		if len(s) > 0 {
			all[name] = s
		}
	}
	return all
}

// contrast is that of two colours by WCAG 2.2: from 1 to 21.
func contrast(a, b [3]float64) float64 {
	luminance := func(c [3]float64) float64 {
		for i, v := range c {
			if v /= 255; v <= 0.04045 {
				c[i] = v / 12.92
			} else {
				c[i] = math.Pow((v+0.055)/1.055, 2.4)
			}
		}
		return 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2]
	}
	x, y := luminance(a)+0.05, luminance(b)+0.05
	return max(x, y) / min(x, y)
}

// A ladder can be read in light, in dark and on paper: text and arrows stand out by 4.5 (WCAG 2.2, 1.4.3), lines of life and boxes by 3 (1.4.11).
func TestLadderContrast(t *testing.T) {
	if got := contrast([3]float64{}, [...]float64{255, 255, 255}); math.Abs(got-21) > 0.01 {
		t.Fatalf("black on white: %v", got)
	}
	all := schemes(t, LadderStyle)
	for _, name := range []string{"light", "(prefers-color-scheme:dark)", "print"} {
		s, ok := all[name]
		if !ok {
			t.Errorf("no colours for %s", name)
			continue
		}
		for _, tt := range []struct {
			ink, ground string
			least       float64
		}{
			{"text fill", ".paper fill", 4.5},
			{"text fill", ".box fill", 4.5},
			{"text fill", ".wait fill", 4.5},
			{".soft fill", ".paper fill", 4.5},
			{".time fill", ".paper fill", 4.5},
			{".arrow stroke", ".paper fill", 4.5},
			{".head fill", ".paper fill", 4.5},
			{".bad stroke", ".paper fill", 4.5},
			{".badhead fill", ".paper fill", 4.5},
			{".life stroke", ".paper fill", 3},
			{".box stroke", ".paper fill", 3},
		} {
			ink, hasInk := s[tt.ink]
			ground, hasGround := s[tt.ground]
			if !hasInk || !hasGround {
				t.Errorf("%s: no colour of %s or %s", name, tt.ink, tt.ground)
			} else if got := contrast(ink, ground); got < tt.least {
				t.Errorf("%s: %s on %s has a contrast of %.2f, want %v", name, tt.ink, tt.ground, got, tt.least)
			}
		}
	}
}

// A drawing is an image with a name and a description for who does not see it, whose ids are unique on a page; colours are the style's alone.
func TestLadderAccessible(t *testing.T) {
	l := &document.Ladder{ID: "ladder_1", Desc: "client sends SYN & more", Rungs: []document.Rung{
		{Text: "One.", Source: "f; RFC", States: [2]*document.State{{Name: "SYN_SENT"}, {Name: "TIME_WAIT"}}, Arrow: &document.Arrow{Right: true, Flags: "SYN", Numbers: "seq 0", Lost: true, Tone: document.Bad}},
		{Text: "Two.", Arrow: &document.Arrow{Flags: "FIN", Leaves: true}},
		{Text: "Three.", Arrow: &document.Arrow{Flags: "FIN", Arrives: true}},
	}}
	other := *l
	other.ID = "ladder_2"
	for name, drawn := range map[string]string{
		"page": "<div>" + string(Ladder(l, "Packets")) + string(Ladder(&other, "Packets")) + "</div>", "file": string(Ladders("Packets", []*document.Ladder{l, &other}, nil)),
	} {
		wellFormed(t, drawn)
		ids := make(map[string]string)
		var id string
		var named []string
		d := xml.NewDecoder(strings.NewReader(drawn))
		for token, err := d.Token(); err == nil; token, err = d.Token() {
			switch e := token.(type) {
			case xml.StartElement:
				attrs := make(map[string]string)
				for _, a := range e.Attr {
					attrs[a.Name.Local] = a.Value
				}
				if id = attrs["id"]; id != "" {
					if _, twice := ids[id]; twice {
						t.Errorf("%s: id %q twice", name, id)
					}
					ids[id] = ""
				}
				if e.Name.Local == "svg" {
					if named = append(named, strings.Fields(attrs["aria-labelledby"])...); attrs["role"] != "img" {
						t.Errorf("%s: role %q", name, attrs["role"])
					}
				}
				for _, key := range []string{"fill", "stroke", "style"} {
					if attrs[key] != "" {
						t.Errorf("%s: %s has %s=%q, which is the same in dark", name, e.Name.Local, key, attrs[key])
					}
				}
			case xml.CharData:
				if id != "" {
					ids[id] += string(e)
				}
			case xml.EndElement:
				id = ""
			}
		}
		if len(named) == 0 || len(named)%2 != 0 {
			t.Errorf("%s: labelled by %q", name, named)
		}
		for i, id := range named {
			if want := [...]string{"Packets", l.Desc}[i%2]; !strings.HasPrefix(ids[id], want) {
				t.Errorf("%s: %s is %q, want %q", name, id, ids[id], want)
			}
		}
	}
}
