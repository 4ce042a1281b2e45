package report

import (
	"lastack/bench/record"
	"lastack/report/document"
)

// planCurve has the numbers of the pictures for spreadsheets: the most that each limit's need is at a rate, beside the limit.
func planCurve(c *record.Capacity) *section {
	if len(c.Curve.Rates) == 0 {
		return nil
	}
	s := begin(document.Data, "CURVE", "")
	columns := []string{"", "rate"}
	for i := range c.Limits {
		l := &c.Limits[i]
		columns = append(columns, sided(l.Side, needName(l.Need)), sided(l.Side, record.CapacityWords(l.Name)+" limit"))
	}
	t := s.table(document.Data, columns...)
	for at, rate := range c.Curve.Rates {
		cells := []document.Value{document.Rate(finite(rate))}
		for i := range c.Limits {
			l := &c.Limits[i]
			var need document.Value
			if n := c.Curve.Needs[i]; n != nil {
				need = unitValue(l.Unit, n[at])
			}
			cells = append(cells, need, unitValue(l.Unit, l.Max))
		}
		t.row(askedRate(rate)+"/s", cells...).Level = document.Data
	}
	return s
}
