package report

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestNumbers(t *testing.T) {
	tests := []struct{ got, want string }{
		{percent(0, 10), "0 %"},
		{percent(10, 10), "100 %"},
		{percent(1, 0), ""},
		{percent(1, 1e6), "< 0.01 %"},
		{percent(1e6-1, 1e6), "> 99.99 %"},
		{percent(1, 3), "33.33 %"},
		{percent(4, 2), "200.00 %"},
		{usage(1, 1e6), "< 0.1 %"},
		{usage(99_999, 100_000), "99.9 %"},
		{usage(129, 128), "100.8 %"},
		{askedRate(500), "500"},
		{askedRate(0.25), "0.25"},
		{asked(10e9), "10 s"},
		{asked(1500e6), "1.5 s"},
		{asked(300e9), "300 s"},
		{short(12_345, 5), "12345"},
		{short(123_456, 5), "123k"},
		{short(12_345, 4), "12k"},
		{short(1_234_567, 5), "1.23M"},
		{short(1_234_567, 4), "1.2M"},
		{short(0.5, 5), "0.50"},
		{short(-1, 5), "-"},
		{shortMicros(0), "-"},
		{shortMicros(0.2), "1us"},
		{shortMicros(412.4), "412us"},
		{shortMicros(999.7), "1.0ms"},
		{shortMicros(99_960), "100ms"},
		{shortMicros(60.1e6), "60.1s"},
		{elapsed(12.04), "12.0s"},
		{elapsed(86_400), "86400s"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
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
	}
	for _, tt := range tests {
		if got := spark(tt.values); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
	// A peak of one sample in thousands is drawn.
	many := make([]float64, 5000)
	many[1234] = 1
	if got := spark(many); strings.Count(got, "█") != 1 || utf8.RuneCountInString(got) != sparkWidth {
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

func TestShell(t *testing.T) {
	if got, want := shell([]string{"a", "", "b c<d", "it's"}), `a '' 'b c<d' 'it'\''s'`; got != want {
		t.Errorf("got %s, want %s", got, want)
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
		if got := columnWords(tt.n, 0.1); got != tt.want {
			t.Errorf("%d slices: %q, want %q", tt.n, got, tt.want)
		}
		if got := utf8.RuneCountInString(spark(make([]float64, tt.n))); got != tt.columns {
			t.Errorf("%d slices are %d columns, want %d", tt.n, got, tt.columns)
		}
	}
}
