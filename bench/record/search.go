package record

import (
	"math"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// SearchPoint is how long connects took while a share of a pair's local ports was taken.
type SearchPoint struct {
	// FromShare and ToShare are the least and the greatest share, from 0 to 1.
	FromShare, ToShare  float64
	Connects            int64
	P50Us, P99Us, MaxUs float64
}

// searchPoints is the most that ConnectByShare makes.
const searchPoints = 20

// ConnectByShare is how the latency of connects depends on the share of the fullest pair's ports that is taken, from the intervals of the
// timeline in order of that share. connect searches for a port, and for longer the more of them are taken (__inet_hash_connect). A port that
// connect may take over from a TIME_WAIT is not taken. Intervals with similar shares are put together. It is empty without a census or
// histograms of the intervals.
func (r *Run) ConnectByShare() []SearchPoint {
	ports := float64(r.Pressure.Ports.Available)
	if ports <= 0 {
		return nil
	}
	var points [searchPoints]SearchPoint
	var times [searchPoints]*hdr.Histogram
	was := 0.0
	for i := range r.Timeline {
		iv := &r.Timeline[i]
		share := math.Min(math.Max(float64(iv.PortsInUse-iv.PortsReusable)/ports, 0), 1)
		from, seen := was, len(iv.Client) > 0
		if was = share; !seen {
			was = math.NaN()
		}
		if !seen || math.IsNaN(from) || iv.Connect == nil {
			continue
		}
		h, err := iv.Connect.Histogram()
		if err != nil || h.TotalCount() == 0 {
			continue
		}
		least, most := math.Min(from, share), math.Max(from, share)
		n := min(int((least+most)/2*searchPoints), searchPoints-1)
		p := &points[n]
		if times[n] == nil {
			times[n] = h
			p.FromShare, p.ToShare = least, most
			continue
		}
		times[n].Merge(h)
		p.FromShare, p.ToShare = math.Min(p.FromShare, least), math.Max(p.ToShare, most)
	}
	var all []SearchPoint
	for i, h := range times {
		if h != nil {
			l := Summarize(h)
			p := points[i]
			p.Connects, p.P50Us, p.P99Us, p.MaxUs = l.Count, l.P50Us, l.P99Us, l.MaxUs
			all = append(all, p)
		}
	}
	return all
}
