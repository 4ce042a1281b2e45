// Package hlog prints the histograms of documents as a log of HdrHistogram, version 1.3, that its own tools read:
// github.com/HdrHistogram/HdrHistogram, class HistogramLogWriter. A line is an interval of a latency, tagged with its name. A latency
// of which the intervals were not recorded has one line. Values are nanoseconds, and the largest value of a line is in milliseconds.
package hlog

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"lastack/report/document"
)

// line is a line of the log. Its times are in seconds from the start of the log.
type line struct {
	tag        string
	start, len float64
	max        float64
	encoded    string
}

// Write prints the histograms of documents in the order of their start. The error is w's own.
func Write(w io.Writer, docs []*document.Document) error {
	var start time.Time
	for _, d := range docs {
		if !d.Start.IsZero() && (start.IsZero() || d.Start.Before(start)) {
			start = d.Start
		}
	}
	var lines []line
	for _, d := range docs {
		offset := 0.0
		if !d.Start.IsZero() {
			offset = d.Start.Sub(start).Seconds()
		}
		for i := range d.Sections {
			for _, block := range d.Sections[i].Blocks {
				if dist, ok := block.(document.Distribution); ok {
					lines = append(lines, linesOf(d.Name, offset, &dist)...)
				}
			}
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.start, b.start) })

	var b bytes.Buffer
	b.WriteString("#[Histogram log format version 1.3]\n")
	stamp := 0.0
	if !start.IsZero() {
		stamp = float64(start.UnixMilli()) / 1e3
	}
	fmt.Fprintf(&b, "#[StartTime: %s (seconds since epoch), %s]\n", fixed(stamp), start.UTC().Format(time.RFC3339))
	b.WriteString(`"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"` + "\n")
	for _, l := range lines {
		fmt.Fprintf(&b, "Tag=%s,%s,%s,%s,%s\n", l.tag, fixed(l.start), fixed(l.len), fixed(l.max/1e6), l.encoded)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func linesOf(document string, offset float64, d *document.Distribution) []line {
	parts := d.Intervals
	if len(parts) == 0 {
		parts = append(parts, d.Histogram)
	}
	name := d.Name
	if document != "" {
		name = document + ":" + name
	}
	var out []line
	for _, h := range parts {
		out = append(out, line{tag: tag(name), start: offset + h.From, len: max(0, h.To-h.From), max: h.Max, encoded: tag(h.Encoded)})
	}
	return out
}

// tag makes a name fit for a log, in which a tag ends at a comma, a blank or the end of the line.
func tag(name string) string {
	return strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7f && r != ',' {
			return r
		}
		return '_'
	}, name)
}

// fixed prints a number as readers of the log expect it: without an exponent.
func fixed(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		v = 0
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}
