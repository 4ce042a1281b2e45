package text

import (
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"lastack/report/document"
)

func TestSeriesWords(t *testing.T) {
	nan := math.NaN()
	for _, tt := range []struct {
		kind   document.SeriesKind
		points []float64
		want   string
	}{
		{document.Gauge, []float64{1, 3, 2}, "peak 3, end 2"},
		{document.Gauge, []float64{1, 3, nan}, "peak 3, last seen 3"},
		{document.Growth, []float64{nan, 3, 2}, "peak 3, 5 in all"},
		{document.Duration, []float64{nan, 1500, nan}, "peak 1.50 ms"},
		{document.Duration, []float64{nan, nan}, "none"},
		{document.Speed, nil, "none"},
	} {
		if got := SeriesWords(&document.Series{Kind: tt.kind, Points: tt.points}); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.points, got, tt.want)
		}
	}
}

func TestSpark(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		want   string
	}{
		{"none", nil, ""},
		{"zeros", []float64{0, 0}, "········"},
		{"one", []float64{5}, "████"},
		{"the least is seen", []float64{0, 1, 1e6}, "····▁▁▁▁████"},
		{"eighths", []float64{1, 2, 3, 4, 5, 6, 7, 8}, "▁▁▁▁▂▂▂▂▃▃▃▃▄▄▄▄▅▅▅▅▆▆▆▆▇▇▇▇████"},
		{"gaps", []float64{math.NaN(), 1, math.NaN(), 2}, "    ▄▄▄▄    ████"},
	}
	for _, tt := range tests {
		if got := Spark(tt.values, sparkWidth); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	// A peak of one sample in thousands is drawn.
	many := make([]float64, 5000)
	many[1233], many[1234], many[1235] = math.NaN(), 1, math.NaN()
	if got := Spark(many, sparkWidth); strings.Count(got, "█") != 1 || utf8.RuneCountInString(got) != sparkWidth {
		t.Errorf("got %q", got)
	}
}

func TestWrap(t *testing.T) {
	got := wrap("one two three "+strings.Repeat("x", 12)+" y", 9)
	want := "one two|three|xxxxxxxxx|xxx y"
	if strings.Join(got, "|") != want {
		t.Errorf("got %q, want %q", strings.Join(got, "|"), want)
	}
}

func TestWrapLong(t *testing.T) {
	for _, tt := range []struct {
		text  string
		width int
		want  []string
	}{
		{"", 5, []string{""}},
		{"  ", 5, []string{""}},
		{"a b", 5, []string{"a b"}},
		{"ab cd", 5, []string{"ab cd"}},
		{"ab cde", 5, []string{"ab", "cde"}},
		{"abcdefghijkl m", 5, []string{"abcde", "fghij", "kl m"}},
		{"a abcdefg", 5, []string{"a", "abcde", "fg"}},
		{"abcde fghij", 5, []string{"abcde", "fghij"}},
		{"äöüäöü äö", 4, []string{"äöüä", "öü", "äö"}},
		{"äöüä öü", 4, []string{"äöüä", "öü"}},
	} {
		if got := wrap(tt.text, tt.width); !slices.Equal(got, tt.want) {
			t.Errorf("wrap(%q, %d) = %q, want %q", tt.text, tt.width, got, tt.want)
		}
	}
	lines := wrap(Clean(strings.Repeat("ä", longest)+strings.Repeat("x", 5)), 100)
	if got := strings.Join(lines[len(lines)-2:], "|"); got != strings.Repeat("ä", 100)+"|… (and 5 more characters, in the record)" {
		t.Errorf("a text that is too long ends in %q", got)
	}
}

// What is said of a column is what spark draws.
func TestColumnWords(t *testing.T) {
	for _, tt := range []struct {
		n       int
		columns int
		want    string
	}{
		{1, 4, "4 columns are 0.1 s"},
		{21, 42, "2 columns are 0.1 s"},
		{35, 35, "a column is 0.1 s"},
		{48, 48, "a column is 0.1 s"},
		{49, 48, "a column is about 0.10 s, of which the fullest 0.1 s is drawn"},
		{150, 48, "a column is about 0.31 s, of which the fullest 0.1 s is drawn"},
	} {
		if got := columnWords(tt.n, 0.1, sparkWidth); got != tt.want {
			t.Errorf("%d slices: %q, want %q", tt.n, got, tt.want)
		}
		if got := utf8.RuneCountInString(Spark(make([]float64, tt.n), sparkWidth)); got != tt.columns {
			t.Errorf("%d slices are %d columns, want %d", tt.n, got, tt.columns)
		}
	}
}

func TestShorten(t *testing.T) {
	for _, tt := range []struct {
		text  string
		width int
		lines int
		want  string
	}{
		{"one two three; four five six", 24, 1, "one two three; more (-v)"},
		{"one two three: four five six", 24, 1, "one two three; more (-v)"},
		{"one two three four five six seven", 20, 1, "one two three … (-v)"},
		{"a: two three four five six seven eight", 20, 1, "a: two three … (-v)"},
		{"at 10:30 two three four five", 20, 1, "at 10:30 two … (-v)"},
		{"one two three four, five; six seven eight nine", 20, 2, "one two three four,|five; more (-v)"},
		{"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 12, 1, "xxxxx … (-v)"},
	} {
		if got := strings.Join(shorten(wrap(tt.text, tt.width)[:tt.lines], tt.width), "|"); got != tt.want {
			t.Errorf("%q: %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestSourced(t *testing.T) {
	for _, tt := range []struct {
		sentence, source string
		width            int
		want             []string
	}{
		{"One two.", "f; RFC 1", 40, []string{"One two. (f; RFC 1)"}},
		{"One two.", "f; RFC 1", 12, []string{"One two.", "(f; RFC 1)"}},
		{"One two.", "", 40, []string{"One two."}},
	} {
		if d := cmp.Diff(tt.want, Sourced(tt.sentence, tt.source, tt.width)); d != "" {
			t.Errorf("%q, %q: -want +got\n%s", tt.sentence, tt.source, d)
		}
	}
}
