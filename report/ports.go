package report

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

const (
	// allPairs is the most pairs of which a page lists all; of more it lists the fewPairs with the most ports in use.
	allPairs = 32
	fewPairs = 8
)

// ports is the budget of local ports: how many each pair of addresses has, who has them, and until when they last. Records of older versions
// have none.
func ports(run *record.Run) *section {
	p := &run.Pressure.Ports
	if p.InRange == 0 || len(run.Pressure.Pairs) == 0 {
		return nil
	}
	near := float64(p.PeakInUse) >= nearLimit*float64(p.Available)
	s := begin(levelIf(near || p.ExhaustedInS > 0), "PORTS", join("; ", portsLead(run), onsetWords(&p.Outlook)))
	pairTable(s, run)
	s.note(join(", ", fmt.Sprintf("range %s: %s", strings.Join(strings.Fields(p.Range), "-"), number(p.InRange, "port", "ports")), given(p.Reserved > 0, quantity.Count(int64(p.Reserved))+" reserved"),
		quantity.Count(int64(p.Available))+" for each pair", given(p.FirstPass > 0 && p.FirstPass < p.Available, quantity.Count(int64(p.FirstPass))+" in connect's first pass"),
		reuseWords(p)))
	searchTable(s, run)
	return s
}

// portsLead says how many ports the fullest pair had in use, and what they were in use by.
func portsLead(run *record.Run) string {
	p, full := &run.Pressure.Ports, &run.Pressure.Pairs[0]
	pairs := max(p.Pairs, len(run.Pressure.Pairs))
	by := "in use"
	switch {
	case full.TimeWait == p.PeakInUse && full.TimeWait > 0:
		by = "in TIME_WAIT"
	case full.Open == p.PeakInUse && full.Open > 0:
		by = "open" + given(2*run.TimeWait.FinWait2MiniPeak > p.PeakInUse, " or in FIN_WAIT_2")
	case full.TimeWait > 0:
		by += " (" + quantity.Count(int64(full.TimeWait)) + " in TIME_WAIT)"
	}
	return join(", ", fmt.Sprintf("%s of %s %s", quantity.Count(int64(p.PeakInUse)), quantity.Count(int64(p.Available)), by),
		given(full.Reusable > 0, quantity.Count(int64(full.Reusable))+" reusable"), given(full.Earlier > 0, quantity.Count(int64(full.Earlier))+" more by earlier loads"),
		given(pairs > 1, "fullest of "+quantity.Count(int64(pairs))+" pairs"))
}

// onsetWords says when connect found no port, and when that was to be expected.
func onsetWords(o *record.Outlook) string {
	predicted := spanWords(o.Predicted)
	switch {
	case o.ObservedS > 0 && predicted != "":
		return "none free after " + quantity.Seconds(o.ObservedS) + ", predicted " + predicted
	case o.ObservedS > 0:
		return "none free after " + quantity.Seconds(o.ObservedS)
	case o.ExhaustedInS > 0 && predicted != "":
		return "at this rate none free after " + predicted + given(o.MaySlow, ", or later")
	case o.ExhaustedInS > 0:
		return "full after " + quantity.Seconds(o.ExhaustedInS)
	case predicted != "":
		return "predicted to be full after " + predicted + ", and was not"
	case o.LevelsOffAt > 0:
		return "at this rate levels off at " + quantity.Count(int64(o.LevelsOffAt)) + given(o.MaySlow, " or fewer")
	}
	return ""
}

// spanWords is a time, or from when to when; empty if there is none.
func spanWords(o *record.Onset) string {
	switch {
	case o == nil:
		return ""
	case quantity.Seconds(o.EarliestS) == quantity.Seconds(o.LatestS):
		return quantity.Seconds(o.EarliestS)
	}
	return quantity.Seconds(o.EarliestS) + " to " + quantity.Seconds(o.LatestS)
}

func reuseWords(p *record.Ports) string {
	if p.ReuseAfterS > 0 {
		return "in TIME_WAIT reusable after " + quantity.Seconds(p.ReuseAfterS) + " (tcp_tw_reuse)"
	}
	return "none reusable in TIME_WAIT (tcp_tw_reuse)"
}

// pairTable lists the pairs at the time of their most ports in use.
func pairTable(s *section, run *record.Run) {
	pairs := run.Pressure.Pairs
	shown := len(pairs)
	if max(shown, run.Pressure.Ports.Pairs) > allPairs {
		shown = min(shown, fewPairs)
	}
	t := s.table(document.Detail, "source > destination", "in use", "open", "TIME_WAIT", "reusable", "earlier", "entered", "full after")
	for i := range pairs {
		p := &pairs[i]
		var entered, full document.Value
		if p.EnteredPerS > 0 {
			entered = document.Rate(p.EnteredPerS)
			full = txt(cmp.Or(spanWords(p.Predicted), given(run.Rate.TargetPerS > 0 || run.Pressure.Ports.LevelsOffAt > 0, "never")))
		}
		r := t.row(p.Source+" > "+p.Destination, count(p.PeakInUse), count(p.Open), count(p.TimeWait), count(p.Reusable), count(p.Earlier), entered, full)
		if i >= shown {
			r.Level = document.Data
		}
	}
	if rest := max(run.Pressure.Ports.Pairs, len(pairs)) - shown; rest > 0 {
		s.note(fmt.Sprintf("%s more, of which the emptiest had %s in use", number(rest, "pair", "pairs"), quantity.Count(int64(run.Pressure.Ports.LeastInUse))))
	}
}

// searchTable shows how long connect searched.
func searchTable(s *section, run *record.Run) {
	points := run.ConnectByShare()
	if len(points) < 2 {
		return
	}
	t := s.table(document.Detail, "ports taken", "connects", "p50", "p99", "max")
	t.ID = "connect"
	for _, p := range points {
		t.row(fmt.Sprintf("%.0f-%.0f %%", 100*p.FromShare, 100*p.ToShare), count(p.Connects), document.Micros(p.P50Us), document.Micros(p.P99Us), document.Micros(p.MaxUs))
	}
}

// searchPicture draws searchTable.
func searchPicture(run *record.Run) *document.Picture {
	points := run.ConnectByShare()
	if len(points) < 3 {
		return nil
	}
	p := &document.Picture{
		ID: "p-search", Title: "Connect by ports taken", Form: document.Lines,
		Desc: "Time of a connect by the share of local ports taken, of the pair that uses the most, on a logarithmic scale: connect searches past ports that are taken.",
		X:    document.Axis{Name: "ports taken (%)"}, Y: document.Axis{Unit: document.Microseconds, Log: true},
	}
	for _, c := range []struct {
		name string
		hue  int
		of   func(*record.SearchPoint) float64
	}{
		{"max", 2, func(s *record.SearchPoint) float64 { return s.MaxUs }},
		{"p99", 6, func(s *record.SearchPoint) float64 { return s.P99Us }},
		{"p50", 1, func(s *record.SearchPoint) float64 { return s.P50Us }},
	} {
		curve := document.Curve{Name: c.name, Unit: document.Microseconds, Hue: c.hue}
		for i := range points {
			curve.Points = append(curve.Points, finite(c.of(&points[i])))
		}
		p.Curves = append(p.Curves, curve)
	}
	for _, s := range points {
		p.At = append(p.At, math.Round(500*(s.FromShare+s.ToShare))/10)
	}
	return p
}
