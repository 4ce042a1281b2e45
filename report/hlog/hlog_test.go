package hlog

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lastack/report/document"
)

func TestWrite(t *testing.T) {
	doc := func(name string, start time.Time, d document.Distribution) *document.Document {
		return &document.Document{Name: name, Start: start, Sections: []document.Section{{Blocks: []document.Block{d}}}}
	}
	start := time.Date(2026, 11, 27, 12, 0, 0, 250e6, time.UTC)
	whole := document.Distribution{Name: "connect", Histogram: document.Histogram{To: 2, Max: 1_500_000, Encoded: "HIST="}}
	parts := document.Distribution{Name: "a, b\n", Histogram: document.Histogram{Encoded: "x"}, Intervals: []document.Histogram{
		{To: 1, Max: 1e6, Encoded: "ONE"}, {From: 1, To: math.Inf(1), Max: math.NaN(), Encoded: "TWO\nTag=evil,"},
	}}
	for _, tt := range []struct {
		docs []*document.Document
		want string
	}{
		{nil, "#[StartTime: 0.000 (seconds since epoch), 0001-01-01T00:00:00Z]\n"},
		{[]*document.Document{doc("", start, whole)}, "#[StartTime: 1795780800.250 (seconds since epoch), 2026-11-27T12:00:00Z]\nTag=connect,0.000,2.000,1.500,HIST=\n"},
		{
			[]*document.Document{doc("x y.json", start.Add(500*time.Millisecond), whole), doc("b.json", start, parts)},
			"#[StartTime: 1795780800.250 (seconds since epoch), 2026-11-27T12:00:00Z]\n" +
				"Tag=b.json:a__b_,0.000,1.000,1.000,ONE\nTag=x_y.json:connect,0.500,2.000,1.500,HIST=\nTag=b.json:a__b_,1.000,0.000,0.000,TWO_Tag=evil_\n",
		},
	} {
		var b bytes.Buffer
		if err := Write(&b, tt.docs); err != nil {
			t.Fatal(err)
		}
		head, columns := "#[Histogram log format version 1.3]\n", `"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"`+"\n"
		got := bytes.Replace(b.Bytes(), []byte(columns), nil, 1)
		if d := cmp.Diff(head+tt.want, string(got)); d != "" {
			t.Error(d)
		}
	}
}
