package svg

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lastack/report/document"
)

var update = flag.Bool("update", false, "write the golden files")

// pictures has one of each form.
func pictures() []*document.Picture {
	seconds, count := document.Axis{Unit: document.Seconds, Name: "t"}, document.Axis{Unit: document.Things}
	return []*document.Picture{
		{
			ID: "lines", Title: "Rate", Desc: "Opened per second.", X: seconds, Y: document.Axis{Unit: document.PerSecond},
			At: []float64{1, 2, 4}, Curves: []document.Curve{{Name: "opened", Points: []float64{100, 200, 200}}},
			Limits: []document.Limit{{Name: "asked for", At: 200}}, Phases: []document.Phase{{At: 2, Name: "settle"}},
		},
		{
			ID: "log", Title: "Latency", Desc: "Of each interval.", X: seconds, Y: document.Axis{Unit: document.Microseconds, Log: true},
			At: []float64{1, 2, 3}, Curves: []document.Curve{{Name: "p99", Unit: document.Microseconds, Points: []float64{12, math.NaN(), 90_000}}},
		},
		{
			ID: "areas", Title: "States", Desc: "On top of each other.", Form: document.Areas, X: seconds, Y: count,
			At: []float64{1, 2, 3, 4, 5}, Curves: []document.Curve{{Name: "ESTABLISHED", Points: []float64{5, 9, 9, 9, 5}}, {Name: "<b>", Points: []float64{1, 0, 0, 0, 1}}},
			Limits: []document.Limit{{Name: "buckets", At: 4096}},
		},
		{
			ID: "columns", Title: "Requests", Desc: "Around the stop.", Form: document.Columns, X: seconds, Y: count,
			At: []float64{0, 0.1, 0.2}, Curves: []document.Curve{{Name: "answered", Points: []float64{3, 0, 1}}, {Name: "lost", Points: []float64{0, 2, 0}}},
			Events: []document.Event{{At: -0.01, What: "before"}, {At: 0, What: "signal sent"}, {At: 0.15, What: "ended"}, {At: 9, What: "later"}},
		},
		{
			ID: "goal", Title: "Ramp", Desc: "Against what was asked for.", X: seconds, Y: document.Axis{Unit: document.PerSecond},
			At: []float64{1, 2, 3}, Curves: []document.Curve{{Name: "opened", Points: []float64{9, 20, 28}}, {Name: "asked for", Unit: document.PerSecond, Goal: true, Points: []float64{10, 20, 30}}},
			Phases: []document.Phase{{At: 2.5, Name: "short"}, {At: 2.6, Name: "ending"}, {At: 2.999, Name: "unseen"}},
		},
		{
			ID: "bars", Title: "CPU", Desc: "By program.", Form: document.Bars, Y: document.Axis{Unit: document.Seconds},
			Names: []string{"by program", "by kind"}, Curves: []document.Curve{{Name: "load", Points: []float64{3, 0}}, {Name: "idle", Hue: 7, Points: []float64{1, 0}}},
		},
		{
			ID: "ranges", Title: "Changes", Desc: "Of B.", Form: document.Ranges, X: document.Axis{Name: "metric"}, Y: document.Axis{Unit: document.Relative, Log: true},
			Names:   []string{"lifecycle.min", "connect.p99", "lost", "few"},
			Remarks: []document.Remark{{Words: "+5.24% worse", Tone: document.Bad, Main: true}, {Words: "+400% ~"}, {Words: "-3.00% ~"}, {}},
			Curves: []document.Curve{
				{Name: "change", Unit: document.Relative, Points: []float64{0.0524, 4, -0.03, 0.01}},
				{Name: "from", Unit: document.Relative, Points: []float64{0.05, -0.9, -0.04, math.NaN()}},
				{Name: "to", Unit: document.Relative, Points: []float64{0.06, 10, math.NaN(), math.NaN()}},
			},
		},
		{
			ID: "heat", Title: "Rate", Desc: "By two factors.", Form: document.Heat, X: document.Axis{Name: "tcp_tw_reuse"}, Y: document.Axis{Unit: document.PerSecond, Name: "sources", Log: true},
			Names:  []string{"0", "1"},
			Curves: []document.Curve{{Name: "1", Unit: document.PerSecond, Points: []float64{461, 14_300}}, {Name: "<2>", Unit: document.PerSecond, Points: []float64{923, math.NaN()}}},
		},
		{
			ID: "percentiles", Title: "Percentiles", Desc: "Of latency.", X: document.Axis{Unit: document.Percentile, Log: true}, Y: document.Axis{Unit: document.Microseconds, Log: true},
			At: []float64{0, 50, 90, 99, 99.9}, Curves: []document.Curve{{Name: "connect", Points: []float64{10, 20, 40, 80, 3000}}},
		},
	}
}

func TestDraw(t *testing.T) {
	for _, p := range pictures() {
		t.Run(p.ID, func(t *testing.T) {
			got := strings.ReplaceAll(string(Draw(p)), "><", ">\n<") + "\n"
			wellFormed(t, got)
			file := filepath.Join("testdata", p.ID+".svg")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(want), got); d != "" {
				t.Error(d)
			}
		})
	}
}

func wellFormed(t testing.TB, s string) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(s)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("%v in %s", err, s)
		}
	}
}

// TestOddNumbers draws what no run has, without a place that is no number.
func TestOddNumbers(t *testing.T) {
	odd := []float64{0, -1, math.MaxFloat64, -math.MaxFloat64, math.Inf(1), math.NaN(), 1e-300, 5e-324}
	for _, p := range pictures() {
		for i := range odd {
			for j := range p.At {
				p.At[j] = odd[(i+j)%len(odd)]
			}
			for k := range p.Curves {
				for j := range p.Curves[k].Points {
					p.Curves[k].Points[j] = odd[(i+3*j+k)%len(odd)]
				}
			}
			for k := range p.Limits {
				p.Limits[k].At = odd[i]
			}
			for k := range p.Events {
				p.Events[k].At = odd[(i+k)%len(odd)]
			}
			got := string(Draw(p))
			wellFormed(t, got)
			if strings.Contains(got, "NaN") || strings.Contains(got, "Inf") {
				t.Errorf("%s: %s", p.ID, got)
			}
			if len(got) > 20_000 {
				t.Errorf("%s: %d bytes", p.ID, len(got))
			}
		}
	}
}

// TestPeaksStay merges many points: the one that stands out is drawn.
func TestPeaksStay(t *testing.T) {
	p := &document.Picture{X: document.Axis{Unit: document.Seconds}, Curves: []document.Curve{{Name: "n"}}}
	for i := range 10_000 {
		p.At = append(p.At, float64(i))
		p.Curves[0].Points = append(p.Curves[0].Points, 1)
	}
	p.Curves[0].Points[7_777] = 500
	d := &drawing{p: p}
	d.prepare()
	if len(d.at) != mostPoints {
		t.Errorf("%d points are drawn", len(d.at))
	}
	if got := Peak(p, 0); got != "peak 500" {
		t.Errorf("the peak is %s", got)
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		name  string
		scale scale
		unit  document.Unit
		n     int
		widen bool
		want  string
	}{
		{"counts", scale{to: 14_132}, document.Things, 4, true, "0 5,000 10k 15k"},
		{"few", scale{to: 2}, document.Things, 4, true, "0 1 2"},
		{"none", scale{}, document.Things, 4, true, "0 1"},
		{"seconds", scale{to: 10.2}, document.Seconds, 6, false, "0 2 s 4 s 6 s 8 s 10 s"},
		{"before", scale{from: -0.15, to: 2}, document.Seconds, 6, false, "0 0.5 s 1 s 1.5 s 2 s"},
		{"minutes", scale{to: 600}, document.Seconds, 6, false, "0 2 min 4 min 6 min 8 min 10 min"},
		{"hours", scale{to: 86_400}, document.Seconds, 6, false, "0 6 h 12 h 18 h 24 h"},
		{"decades", scale{from: 415, to: 484_000, log: true}, document.Microseconds, 4, true, "100 µs 1 ms 10 ms 100 ms 1 s"},
		{"bytes", scale{to: 30 << 20}, document.Octets, 4, true, "0 B 8 MiB 16 MiB 24 MiB 32 MiB"},
		{"percentiles", scale{to: 99.95, log: true, percentile: true}, document.Percentile, 6, false, "p50 p90 p99 p99.9"},
		{"many nines", scale{to: 99.99995, log: true, percentile: true}, document.Percentile, 6, false, "p50 p90 p99 p99.9 p99.9999"},
	} {
		var got []string
		for _, tick := range c.scale.ticks(c.unit, c.n, c.widen) {
			got = append(got, tick.label)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%s: got %s, want %s", c.name, s, c.want)
		}
	}
}

// TestColumns looks at what of a drain is drawn: not the silence after the last column, and no more columns than can be told apart. They add
// up to the same.
func TestColumns(t *testing.T) {
	for _, c := range []struct {
		name            string
		n, first, last  int
		columns         int
		each, sum, from float64
		words           string
	}{
		{"an instant stop", 21, 0, 0, fewColumns, 0.1, 1, 0, "A column is 0.1 s. None follow until 2.1 s."},
		{"all along", 21, 0, 20, 21, 0.1, 21, 0, "A column is 0.1 s."},
		{"a slow stop", 301, 0, 300, 31, 1, 301, 0, "A column is 1 s."},
		{"killed after half an hour", 18_000, 17_990, 17_999, 36, 50, 10, 0, "A column is 50 s."},
		{"one", 1, 0, 0, 1, 1, 1, 0, "A column is 1 s."},
	} {
		p := &document.Picture{Form: document.Columns, X: document.Axis{Unit: document.Seconds}, Curves: []document.Curve{{Name: "n"}}}
		for i := range c.n {
			p.At = append(p.At, float64(i)/10)
			v := 0.0
			if i >= c.first && i <= c.last {
				v = 1
			}
			p.Curves[0].Points = append(p.Curves[0].Points, v)
		}
		d := &drawing{p: p}
		d.prepare()
		sum := 0.0
		for _, v := range d.curves[0] {
			sum += v
		}
		if len(d.at) != c.columns || math.Abs(d.each-c.each) > 1e-9 || sum != c.sum || d.at[0] != c.from {
			t.Errorf("%s: %d columns of %v from %v on, %v in all", c.name, len(d.at), d.each, d.at[0], sum)
		}
		if got := Columns(p); got != c.words {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

func TestStrip(t *testing.T) {
	at := func(all ...float64) *document.Picture {
		p := &document.Picture{Form: document.Strip}
		for _, s := range all {
			p.Events = append(p.Events, document.Event{At: s})
		}
		return p
	}
	for _, c := range []struct {
		name   string
		events []float64
		places []float64
		marks  []Mark
	}{
		{"one", []float64{0}, []float64{0}, []Mark{{0, "0"}, {100, "1 ms"}}},
		{"a stop", []float64{0, 0.0002, 0.02, 2.036}, []float64{0, 2.4, 40, 100}, []Mark{{0, "0"}, {9.1, "1 ms"}, {31.5, "10 ms"}, {60.6, "100 ms"}, {90.7, "1 s"}}},
		{"before", []float64{-1, 0, 1}, []float64{0, 50, 100}, []Mark{{0, "-1 s"}, {16.6, "-100 ms"}, {32.6, "-10 ms"}, {50, "0"}, {67.4, "10 ms"}, {83.4, "100 ms"}, {100, "1 s"}}},
	} {
		places, marks := Strip(at(c.events...))
		if d := cmp.Diff(c.places, places); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
		if d := cmp.Diff(c.marks, marks); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
	odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -math.MaxFloat64, 5e-324}
	places, marks := Strip(at(odd...))
	for _, v := range places {
		if !(v >= 0 && v <= 100) {
			t.Errorf("places %v", places)
		}
	}
	if len(marks) > 12 {
		t.Errorf("marks %v", marks)
	}
}

// TestPeakWords says which number a legend gives.
func TestPeakWords(t *testing.T) {
	time, percentile := document.Axis{Unit: document.Seconds}, document.Axis{Unit: document.Percentile}
	curve := document.Curve{Points: []float64{1, 500, 2}}
	for _, tt := range []struct {
		p    document.Picture
		want string
	}{
		{document.Picture{X: time, Curves: []document.Curve{curve}}, "peak 500"},
		{document.Picture{X: percentile, Y: document.Axis{Unit: document.Microseconds}, Curves: []document.Curve{curve}}, "up to 500 µs"},
		{document.Picture{X: time, Curves: []document.Curve{{Goal: true, Points: curve.Points}}}, "up to 500"},
		{document.Picture{X: time, Form: document.Columns, Curves: []document.Curve{curve}}, "at most 500 a column"},
		{document.Picture{Form: document.Bars, Names: []string{"a", "b", "c"}, Curves: []document.Curve{{Points: []float64{0, 7, 0}}}}, "7 in all"},
		{document.Picture{Form: document.Bars, Names: []string{"a", "b"}, Curves: []document.Curve{{Points: []float64{7, 7}}}}, "7 in all"},
		{document.Picture{Form: document.Bars, Apart: true, Names: []string{"a", "b"}, Curves: []document.Curve{{Points: []float64{7, 7}}}}, ""},
		{document.Picture{Form: document.Bars, Apart: true, Names: []string{"a", "b", "c"}, Curves: []document.Curve{{Points: []float64{2, 7, 5}}}}, ""},
		{document.Picture{Form: document.Bars, Apart: true, Names: []string{"a"}, Curves: []document.Curve{{Points: []float64{7}}}}, "7 in all"},
	} {
		if tt.p.Names == nil {
			tt.p.At = []float64{1, 2, 3}
		}
		if got := Peak(&tt.p, 0); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// TestFewSamples draws what was sampled a few times as steps, and says how many samples there were.
func TestFewSamples(t *testing.T) {
	p := &document.Picture{
		ID: "p", Form: document.Areas, X: document.Axis{Unit: document.Seconds}, At: []float64{1, 2, 3}, Curves: []document.Curve{{Name: "n", Points: []float64{0, 5, 0}}},
	}
	if got := Columns(p); got != "There are 3 samples, each drawn until halfway to the next." {
		t.Error(got)
	}
	d := &drawing{p: p}
	d.prepare()
	if !d.fewAreas() {
		t.Error("slopes are drawn")
	}
}
