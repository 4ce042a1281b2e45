package expose

import (
	"encoding/binary"
	"math"

	"lastack/bench/metric"
)

// protobufType is the type of io.prometheus.client.MetricFamily messages, each after its length.
const protobufType = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"

// The fields of the messages, as in metrics.proto of prometheus/client_model.
const (
	familyName, familyHelp, familyKind, familyMetric = 1, 2, 3, 4

	metricLabel, metricGauge, metricCounter, metricHistogram = 1, 2, 3, 7
	labelName, labelValue                                    = 1, 2
	numberValue                                              = 1

	histogramCount, histogramSum, histogramBucket = 1, 2, 3
	bucketCount, bucketBound                      = 1, 2
	histogramSchema, histogramZeroThreshold       = 5, 6
	histogramSpan, histogramDelta                 = 12, 13
	spanOffset, spanLength                        = 1, 2
)

// kindNumber is the number of MetricType.
func kindNumber(k metric.FamilyKind) uint64 {
	switch k {
	case metric.Gauge:
		return 1
	case metric.Histogram:
		return 4
	}
	return 0
}

// appendProtobuf appends a family. A histogram is a native one, and has its classic buckets beside.
func appendProtobuf(b []byte, f *metric.Family, samples []metric.Sample) []byte {
	m := appendBytes(nil, familyName, []byte(f.Name))
	m = appendBytes(m, familyHelp, []byte(f.Help))
	m = appendVarint(m, familyKind, kindNumber(f.Kind))
	for i := range samples {
		m = appendBytes(m, familyMetric, sample(f, &samples[i]))
	}
	return append(binary.AppendUvarint(b, uint64(len(m))), m...)
}

func sample(f *metric.Family, s *metric.Sample) (m []byte) {
	for i, l := range f.Labels {
		m = appendBytes(m, metricLabel, appendBytes(appendBytes(nil, labelName, []byte(l)), labelValue, []byte(s.Labels[i])))
	}
	switch f.Kind {
	case metric.Counter:
		return appendBytes(m, metricCounter, appendDouble(nil, numberValue, s.Value))
	case metric.Gauge:
		return appendBytes(m, metricGauge, appendDouble(nil, numberValue, s.Value))
	}
	c := classic(s.Times)
	h := appendDouble(appendVarint(nil, histogramCount, uint64(c.count)), histogramSum, c.sum)
	for i, n := range c.cumulative {
		bound := math.Inf(1)
		if i < len(bounds) {
			bound = bounds[i]
		}
		h = appendBytes(h, histogramBucket, appendDouble(appendVarint(nil, bucketCount, uint64(n)), bucketBound, bound))
	}
	n := native(s.Times)
	return appendBytes(m, metricHistogram, n.append(h))
}

// append appends the native buckets: where each row of neighbours begins and how many they are, and by how much each has more than the one
// before. The threshold tells a native histogram without values from a classic one: no time is 0.
func (h *nativeHistogram) append(b []byte) []byte {
	b = appendVarint(b, histogramSchema, zigZag(int64(h.schema)))
	b = appendDouble(b, histogramZeroThreshold, math.SmallestNonzeroFloat64)
	next := 0
	for from := 0; from < len(h.index); {
		to := from + 1
		for to < len(h.index) && h.index[to] == h.index[to-1]+1 {
			to++
		}
		span := appendVarint(nil, spanOffset, zigZag(int64(h.index[from]-next)))
		b = appendBytes(b, histogramSpan, appendVarint(span, spanLength, uint64(to-from)))
		next = h.index[to-1] + 1
		from = to
	}
	before := int64(0)
	for _, n := range h.count {
		b = appendVarint(b, histogramDelta, zigZag(n-before))
		before = n
	}
	return b
}

// The wire types of protobuf.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
)

func appendTag(b []byte, field, wire uint64) []byte { return binary.AppendUvarint(b, field<<3|wire) }

func appendBytes(b []byte, field uint64, v []byte) []byte {
	return append(binary.AppendUvarint(appendTag(b, field, wireBytes), uint64(len(v))), v...)
}

func appendVarint(b []byte, field, v uint64) []byte {
	return binary.AppendUvarint(appendTag(b, field, wireVarint), v)
}

func appendDouble(b []byte, field uint64, v float64) []byte {
	return binary.LittleEndian.AppendUint64(appendTag(b, field, wireFixed64), math.Float64bits(v))
}

// zigZag is a sint64 or sint32.
func zigZag(v int64) uint64 { return uint64(v<<1) ^ uint64(v>>63) }
