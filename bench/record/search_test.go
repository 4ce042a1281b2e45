package record

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// connects is the latency of n connects of so many nanoseconds each.
func connects(t *testing.T, n, ns int64) *Latency {
	t.Helper()
	h := NewHistogram()
	if err := h.RecordValues(ns, n); err != nil {
		t.Fatal(err)
	}
	l, err := NewLatency(h)
	if err != nil {
		t.Fatal(err)
	}
	return &l
}

func TestConnectByShare(t *testing.T) {
	seen := map[string]int{"TIME_WAIT": 1}
	iv := func(inUse, reusable int, c *Latency) Interval {
		return Interval{Client: seen, PortsInUse: inUse, PortsReusable: reusable, Connect: c}
	}
	summary := Summarize(NewHistogram())
	summary.Count, summary.P50Us = 5, 1
	for _, tt := range []struct {
		name     string
		timeline []Interval
		want     []SearchPoint
	}{
		{"none", nil, nil},
		{"rising", []Interval{iv(100, 0, connects(t, 10, 1000)), iv(500, 0, connects(t, 20, 2000)), iv(1000, 0, connects(t, 30, 4000))}, []SearchPoint{
			{0, 0.1, 10, 1, 1, 1}, {0.1, 0.5, 20, 2, 2, 2}, {0.5, 1, 30, 4, 4, 4},
		}},
		{"alike, put together", []Interval{iv(100, 0, connects(t, 10, 1000)), iv(110, 0, connects(t, 90, 1000)), iv(105, 0, connects(t, 1, 8000))}, []SearchPoint{
			{0, 0.1, 10, 1, 1, 1}, {0.1, 0.11, 91, 1, 8, 8},
		}},
		{"ports that can be taken over are not taken", []Interval{iv(900, 900, connects(t, 10, 1000))}, []SearchPoint{{0, 0, 10, 1, 1, 1}}},
		{"no census", []Interval{{Connect: connects(t, 10, 1000)}, iv(500, 0, connects(t, 10, 1000)), iv(600, 0, connects(t, 10, 1000))}, []SearchPoint{{0.5, 0.6, 10, 1, 1, 1}}},
		{"no connect", []Interval{iv(500, 0, nil), iv(600, 0, connects(t, 10, 1000))}, []SearchPoint{{0.5, 0.6, 10, 1, 1, 1}}},
		{"no histogram", []Interval{iv(500, 0, &summary)}, nil},
		{"more than there are", []Interval{iv(5000, 0, connects(t, 10, 1000)), iv(-5, 0, connects(t, 10, 1000))}, []SearchPoint{{0, 1, 20, 1, 1, 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := Run{Pressure: Pressure{Ports: Ports{Available: 1000}}, Timeline: tt.timeline}
			got := r.ConnectByShare()
			for i := range got {
				p := &got[i]
				for _, v := range []*float64{&p.P50Us, &p.P99Us, &p.MaxUs} {
					*v = float64(int(*v*10)) / 10 // the histogram's buckets
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("-want +got\n%s", d)
			}
			r.Pressure.Ports.Available = 0
			if r.ConnectByShare() != nil {
				t.Error("a share of an unknown number of ports")
			}
		})
	}
}
