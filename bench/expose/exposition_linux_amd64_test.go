// The libraries of Prometheus take long to compile, and are the same everywhere.

package expose

import (
	"bytes"
	"errors"
	"io"
	"math"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// mostSeries is what a scrape may have.
const mostSeries = 200

// Both formats say the same to the libraries of Prometheus, in few series.
func TestFormats(t *testing.T) {
	t.Parallel()
	for kind, f := range allFigures(t) {
		parser := expfmt.NewTextParser(model.LegacyValidation)
		text, err := parser.TextToMetricFamilies(bytes.NewReader(f.exposition(false)))
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		n, all := 0, 0
		for d := expfmt.NewDecoder(bytes.NewReader(f.exposition(true)), expfmt.NewFormat(expfmt.TypeProtoDelim)); ; all++ {
			var got dto.MetricFamily
			if err := d.Decode(&got); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", kind, err)
			}
			want := text[got.GetName()]
			if want == nil || want.GetType() != got.GetType() || want.GetHelp() != got.GetHelp() || len(want.GetMetric()) != len(got.GetMetric()) {
				t.Fatalf("%s: %v, want %v", kind, &got, want)
			}
			for i, m := range got.GetMetric() {
				n += checkSame(t, got.GetName(), want.GetMetric()[i], m)
			}
		}
		if all != len(text) || n > mostSeries {
			t.Errorf("%s: %d of %d families, %d series: want at most %d", kind, all, len(text), n, mostSeries)
		}
		t.Logf("%s: %d series", kind, n)
	}
}

// checkSame compares a metric of both formats, and counts its series.
func checkSame(t *testing.T, name string, text, proto *dto.Metric) int {
	t.Helper()
	for i, l := range proto.GetLabel() {
		if w := text.GetLabel()[i]; w.GetName() != l.GetName() || w.GetValue() != l.GetValue() {
			t.Errorf("%s: label %v, want %v", name, l, w)
		}
	}
	if text.GetGauge().GetValue() != proto.GetGauge().GetValue() || text.GetCounter().GetValue() != proto.GetCounter().GetValue() {
		t.Errorf("%s: %v, want %v", name, proto, text)
	}
	w, h := text.GetHistogram(), proto.GetHistogram()
	if h == nil {
		return 1
	}
	if h.GetSampleCount() != w.GetSampleCount() || h.GetSampleSum() != w.GetSampleSum() || len(h.GetBucket()) != len(w.GetBucket()) {
		t.Errorf("%s: %v, want %v", name, h, w)
	}
	for i, b := range h.GetBucket() {
		if x := w.GetBucket()[i]; b.GetCumulativeCount() != x.GetCumulativeCount() || b.GetUpperBound() != x.GetUpperBound() {
			t.Errorf("%s: bucket %v, want %v", name, b, x)
		}
	}
	// The native buckets, as Prometheus reads them.
	var total, count int64
	at, deltas := 0, h.GetPositiveDelta()
	values, below := 0.0, uint64(0)
	for _, s := range h.GetPositiveSpan() {
		at += int(s.GetOffset())
		for range s.GetLength() {
			count += deltas[0]
			deltas = deltas[1:]
			if count <= 0 {
				t.Fatalf("%s: bucket %d has %d", name, at, count)
			}
			total += count
			upper := math.Exp2(float64(at) / math.Ldexp(1, int(h.GetSchema())))
			values += float64(count) * upper
			if upper <= 1 {
				below += uint64(count)
			}
			at++
		}
	}
	if len(deltas) != 0 || total != int64(h.GetSampleCount()) {
		t.Errorf("%s: %d values in native buckets, %d deltas left; want %d values", name, total, len(deltas), h.GetSampleCount())
	}
	width := math.Exp2(1 / math.Ldexp(1, int(h.GetSchema())))
	if s := h.GetSampleSum(); values < s*0.999 || values > s*width*1.001 {
		t.Errorf("%s: the native buckets are of %gs at most, and the sum is %gs", name, values, s)
	}
	for _, b := range h.GetBucket() {
		if b.GetUpperBound() == 1 && b.GetCumulativeCount() != below {
			t.Errorf("%s: %d values up to 1s in native buckets, want %d", name, below, b.GetCumulativeCount())
		}
	}
	return len(h.GetBucket()) + 2
}
