package expose

import (
	"math"
	"strconv"
	"strings"

	"lastack/bench/metric"
)

// textType is the type of the text format.
const textType = "text/plain; version=0.0.4; charset=utf-8"

// escape escapes what would end a line, and escapeLabel what would end a label's value too.
func escape(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), "\n", `\n`)
}

func escapeLabel(s string) string { return strings.ReplaceAll(escape(s), `"`, `\"`) }

// appendText appends a family in the text format 0.0.4. A histogram has its classic buckets.
func appendText(b []byte, f *metric.Family, samples []metric.Sample) []byte {
	b = append(b, "# HELP "+f.Name+" "+escape(f.Help)+"\n# TYPE "+f.Name+" "+string(f.Kind)+"\n"...)
	for i := range samples {
		s := &samples[i]
		if f.Kind != metric.Histogram {
			b = appendSeries(b, f.Name, f.Labels, s.Labels, s.Value)
			continue
		}
		h := classic(s.Times)
		labels := append(f.Labels[:len(f.Labels):len(f.Labels)], "le")
		for i, n := range h.cumulative {
			bound := "+Inf"
			if i < len(bounds) {
				bound = strconv.FormatFloat(bounds[i], 'g', -1, 64)
			}
			b = appendSeries(b, f.Name+"_bucket", labels, append(s.Labels[:len(s.Labels):len(s.Labels)], bound), float64(n))
		}
		b = appendSeries(b, f.Name+"_sum", f.Labels, s.Labels, h.sum)
		b = appendSeries(b, f.Name+"_count", f.Labels, s.Labels, float64(h.count))
	}
	return b
}

func appendSeries(b []byte, name string, labels, values []string, v float64) []byte {
	b = append(b, name...)
	for i, l := range labels {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		b = append(append(b, sep), l+`="`+escapeLabel(values[i])+`"`...)
	}
	if len(labels) > 0 {
		b = append(b, '}')
	}
	b = append(b, ' ')
	if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
		b = strconv.AppendInt(b, int64(v), 10)
	} else {
		b = strconv.AppendFloat(b, v, 'g', -1, 64)
	}
	return append(b, '\n')
}
