package report

import (
	"slices"
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// eventsShown is the most events listed: enough for a rolling restart.
const eventsShown = 30

// timeline says what happened when, and how sure that is.
func (d *drainView) timeline() *section {
	t := d.try
	zero := "the signal"
	if d.drain.Stop.Way == record.DrainByHook {
		zero = "the start of the hook"
	}
	s := begin(document.First, "TIMELINE", "from "+zero+" on, ±"+quantity.Micros(t.Order.UncertaintyUs))
	if n := t.Order.Dropped; n > 0 {
		s.doubt("the capture missed " + number(n, "packet", "packets") + ": a time below may be of a later one")
	}
	s.note(orderWords(&t.Order))
	for i := range d.drain.Tries {
		s.add(d.chart(i + 1))
	}
	if n := len(t.Moments) - eventsShown; n > 0 {
		s.note(number(n, "more event is", "more events are") + " in the record")
	}
	if t.WatchedS > 0 {
		late := slices.ContainsFunc(t.Slices, func(sl record.DrainSlice) bool { return sl.TS > t.WatchedS+awaited })
		s.note("clients were watched for " + quantity.Seconds(t.WatchedS) + given(late, "; what comes later is of requests and connects in progress then"))
	}
	return s
}

// chart is the timeline of a try. Only that of the shown one is on a page.
func (d *drainView) chart(n int) *document.Chart {
	of := *d
	of.try, of.n = &d.drain.Tries[n-1], n
	c := &document.Chart{Level: document.First, Zero: "the stop begins", Events: of.events()}
	of.slices(c)
	if d.several() {
		c.Each, c.Number = "try", n
	}
	if n != d.n {
		c.Level = document.Data
	}
	return c
}

// events lists what happened when. Those of one group of clients are details.
func (d *drainView) events() []document.Event {
	t := d.try
	main := []*float64{new(float64), t.Listener.FirstRefusalS, t.Listener.AcceptsAgainS, t.LastGoneS, t.Server.ExitS}
	if t.Restart != nil {
		main = append(main, t.Restart.ListensS)
	}
	var out []document.Event
	for _, m := range t.Moments[:min(len(t.Moments), eventsShown)] {
		who, _, _ := strings.Cut(m.What, ": ")
		ofGroup := t.Group(who) != nil
		isMain := slices.ContainsFunc(main, func(at *float64) bool { return at != nil && *at == m.TS })
		out = append(out, document.Event{Level: levelIf(!ofGroup), Main: !ofGroup && isMain, At: m.TS, What: m.What})
	}
	return out
}

// awaited is how much longer than the watch, in seconds, a timeline must be to need an explanation.
const awaited = 0.5

// orderWords says how well times are known.
func orderWords(o *record.DrainOrder) string {
	switch o.Source {
	case "packets":
		return "connections begin and end by the kernel's timestamps of SYN, FIN and RST packets; replies and ends of processes are as this program saw them"
	case "clients":
		return join(": ", "all times are as the load saw them, within its measured lag: there are no packet timestamps", o.Reason)
	}
	return join(": ", "the uncertainty of these times was not recorded", o.Reason)
}

// slices adds a series for each count that a slice of time has.
func (d *drainView) slices(c *document.Chart) {
	sl := d.try.Slices
	c.Step = 0.1
	if len(sl) > 1 && sl[1].TS > sl[0].TS {
		c.Step = sl[1].TS - sl[0].TS
	}
	for i := range sl {
		c.Times = append(c.Times, sl[i].TS)
	}
	for _, row := range []struct {
		name string
		of   func(*record.DrainSlice) int64
	}{
		{"new connections", func(s *record.DrainSlice) int64 { return s.Accepted }},
		{"refused", func(s *record.DrainSlice) int64 { return s.Refused }},
		{"requests answered", func(s *record.DrainSlice) int64 { return s.Completed }},
		{"answered 5xx", func(s *record.DrainSlice) int64 { return s.Answered5xx }},
		{"requests lost", func(s *record.DrainSlice) int64 { return s.Lost }},
		{"ended by FIN", func(s *record.DrainSlice) int64 { return s.FIN }},
		{"ended by RST", func(s *record.DrainSlice) int64 { return s.RST }},
	} {
		values, some := make([]float64, len(sl)), row.name != "answered 5xx"
		for i := range sl {
			values[i] = float64(row.of(&sl[i]))
			some = some || values[i] > 0
		}
		if some {
			c.Series = append(c.Series, document.Series{Name: row.name, Kind: document.Growth, Points: values})
		}
	}
}
