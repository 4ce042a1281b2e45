package report

import (
	"fmt"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// planVerified is the residual: what experiments measured beside what the model predicts of them.
func planVerified(c *record.Capacity, interrupted bool) *section {
	v := c.Verified
	if v == nil {
		return nil
	}
	good := 0
	for i := range v.Residuals {
		if v.Residuals[i].Within {
			good++
		}
	}
	lead := fmt.Sprintf("%d of %s as predicted, in sandboxes with %s", good, number(len(v.Residuals), "quantity", "quantities"), number(v.Ports, "local port", "local ports"))
	tone := document.Good
	if good < len(v.Residuals) {
		tone = document.Bad
	}
	if l := v.Limit; l != nil {
		lead += ", and the first limit of theirs was " + record.CapacityWords(l.Measured)
		if l.Right {
			lead += ", as predicted"
		} else {
			lead, tone = lead+", where "+record.CapacityWords(l.Predicted)+" was predicted", document.Bad
		}
	}
	if len(v.Residuals) == 0 {
		lead, tone = "nothing: no experiment that compares ended", document.Bad
	}
	s := begin(document.First, "VERIFIED", lead)
	s.Tone = tone
	if interrupted {
		s.add(document.Note{Level: document.First, Tone: document.Bad, Doubt: true, Text: fmt.Sprintf("INTERRUPTED after %s: the plan is whole, what was verified is not", number(len(v.Experiments), "experiment", "experiments"))})
	}
	t := s.table(document.First, "", "predicted", "at least", "at most", "measured", "off by", "may be")
	for i := range v.Residuals {
		r := &v.Residuals[i]
		unit := func(x float64) document.Value { return residualValue(r, x) }
		may := txt("the interval")
		switch {
		case r.Name == "descriptors" && r.Tolerance == 0:
			may = txt("exact")
		case r.Unit == "seconds":
			may = txt(fmt.Sprintf("%.1f s", finite(r.Tolerance*r.Predicted.Value)))
		case r.Tolerance > 0 && r.Name != "blocked":
			may = txt(fmt.Sprintf("%.1f %%", 100*finite(r.Tolerance)))
		}
		row := t.row(residualName(r), unit(r.Predicted.Value), unit(r.Predicted.Lo), unit(r.Predicted.Hi), unit(r.Measured), txt(percent(r.Error)), may)
		row.Level = levelIf(!r.Within || mainResidual(r.Name))
		if !r.Within {
			row.Tone = document.Bad
		}
	}
	e := s.table(document.Detail, "", "rate", "lasted", "steady after", "completed", "failed", "limited by")
	for i := range v.Experiments {
		x := &v.Experiments[i]
		rate := document.Value(document.Rate(x.RatePerS))
		if x.RatePerS == 0 {
			rate = nil
		}
		e.row(x.Name, rate, seconds(x.LastsS), seconds(x.SteadyS), document.Count(x.Completed), document.Count(x.Failed), txt(record.CapacityWords(x.LimitedBy)))
	}
	scaling(s, v.Scaling)
	for _, k := range v.Skipped {
		s.say(levelIf(interrupted), "not measured: "+k)
	}
	return s
}

// mainResidual reports whether a quantity belongs on the first page even if it is as predicted.
func mainResidual(name string) bool {
	switch name {
	case "TIME_WAIT", "local_ports", "limited_rate", "blocked", "tracked":
		return true
	}
	return false
}

// scaling is how the rate grows with the connections at once.
func scaling(s *section, k *record.Scaling) {
	if k == nil {
		return
	}
	t := s.table(document.Detail, "connections at once", "lifecycles")
	for _, l := range k.Levels {
		t.row(quantity.Count(int64(l.Connections)), document.Rate(finite(l.PerS)))
	}
	s.say(document.Detail, fmt.Sprintf("both ends on this host do at most %s lifecycles/s (%s to %s), with %s at once, by the Universal Scalability Law: contention %.2f %%, coherency %.4f %%%s",
		quantity.PerSecond(finite(k.Peak.Value)), quantity.PerSecond(finite(k.Peak.Lo)), quantity.PerSecond(finite(k.Peak.Hi)), number(k.PeakAt, "connection", "connections"),
		100*finite(k.Contention), 100*finite(k.Coherency), given(k.Beyond, "; more connections than twice those that were tried may do more")))
}

// residualName is a quantity with the experiment and the side that it is of.
func residualName(r *record.CapacityResidual) string {
	name := needName(r.Name)
	switch r.Name {
	case "full_after":
		name = "ports full after"
	case "limited_rate":
		name = "rate that ports leave"
	}
	return sided(r.Side, name+" ("+r.Experiment+")")
}

func residualValue(r *record.CapacityResidual, v float64) document.Value {
	switch r.Unit {
	case "seconds":
		return seconds(finite(v))
	case "rate":
		return document.Rate(finite(v))
	}
	return unitValue(r.Unit, v)
}
