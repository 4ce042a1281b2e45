package compare

import (
	"slices"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"lastack/bench/metric"
	"lastack/bench/record"
	"lastack/sockstate"
)

// Shift compares a latency's whole distribution. It describes these records: how far runs differ by chance is not in it.
type Shift struct {
	Latency string `json:"latency"`
	// A and B are the histograms of all of a side's records, added up.
	A record.Latency `json:"a"`
	B record.Latency `json:"b"`
	// Quantiles compares the sides at some percentiles.
	Quantiles []Quantile `json:"quantiles"`
	// Distance is the largest difference between the shares of the two sides that took at most a time: AtUs, ShareA of A, ShareB of B.
	Distance float64 `json:"distance"`
	AtUs     float64 `json:"at_us"`
	ShareA   float64 `json:"share_a"`
	ShareB   float64 `json:"share_b"`
}

// Quantile is a percentile of both sides.
type Quantile struct {
	Percentile float64 `json:"percentile"`
	AUs        float64 `json:"a_us"`
	BUs        float64 `json:"b_us"`
}

// shifts compares the latencies of which every record that has any samples has the histogram.
func shifts(sides *[2]side) (list []Shift) {
	for _, l := range sockstate.LatencyNames() {
		if slices.ContainsFunc(kinds(sides), func(kind string) bool {
			_, err := metric.Lookup(kind, l+".p50")
			return err != nil // a drain has not all
		}) {
			continue
		}
		a, b := sides[0].histogram(l), sides[1].histogram(l)
		if a == nil || b == nil {
			continue
		}
		s := Shift{Latency: l}
		var err error
		if s.A, err = record.NewLatency(a); err != nil {
			continue // the geometry was checked when the records were read
		}
		if s.B, err = record.NewLatency(b); err != nil {
			continue
		}
		for _, p := range []float64{50, 90, 99, 99.9} {
			// Ten slower values at least.
			if n := float64(min(s.A.Count, s.B.Count)); n*(1-p/100) < 10 && p > 50 {
				break
			}
			s.Quantiles = append(s.Quantiles, Quantile{p, float64(record.Percentile(a, p)) / 1e3, float64(record.Percentile(b, p)) / 1e3})
		}
		s.compare(a, b)
		list = append(list, s)
	}
	return list
}

// histogram adds up a latency's histograms. It is nil if there are no samples, or a record has only their summary.
func (s *side) histogram(latency string) *hdr.Histogram {
	sum := record.NewHistogram()
	for _, r := range s.runs {
		h, err := r.Latency[latency].Histogram()
		if err != nil || sum.Merge(h) > 0 {
			return nil
		}
	}
	if sum.TotalCount() == 0 {
		return nil
	}
	return sum
}

// compare finds the largest distance between the two distributions (Kolmogorov's).
func (s *Shift) compare(a, b *hdr.Histogram) {
	barsA, barsB := a.Distribution(), b.Distribution()
	bounds := make([]int64, 0, len(barsA)+len(barsB))
	for _, bars := range [][]hdr.Bar{barsA, barsB} {
		for _, bar := range bars {
			if bar.Count > 0 {
				bounds = append(bounds, bar.To)
			}
		}
	}
	slices.Sort(bounds)
	upTo := func(bars *[]hdr.Bar, to int64) (n int64) {
		for len(*bars) > 0 && (*bars)[0].To <= to {
			n += (*bars)[0].Count
			*bars = (*bars)[1:]
		}
		return n
	}
	var nA, nB int64
	for _, to := range slices.Compact(bounds) {
		nA += upTo(&barsA, to)
		nB += upTo(&barsB, to)
		shareA, shareB := float64(nA)/float64(a.TotalCount()), float64(nB)/float64(b.TotalCount())
		if d := max(shareA-shareB, shareB-shareA); d > s.Distance {
			s.Distance, s.AtUs, s.ShareA, s.ShareB = d, float64(to)/1e3, shareA, shareB
		}
	}
}
