package report

import (
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// eventsShown bounds the list of events: enough for a rolling restart.
const eventsShown = 30

// timeline says what happened when, and how sure that is.
func (d *drainView) timeline() *document.Section {
	zero := "the signal"
	if d.drain.Stop.Way == record.DrainByHook {
		zero = "the start of the hook"
	}
	s := &document.Section{ID: "timeline", Title: "TIMELINE", Level: document.First, Lead: "from " + zero + " on, ±" + quantity.Micros(d.try.Order.UncertaintyUs)}
	if n := d.try.Order.Dropped; n > 0 {
		s.Blocks = append(s.Blocks, doubt("the capture missed "+number(n, "packet", "packets")+": a time below may be of a later one"))
	}
	s.Blocks = append(s.Blocks, note(document.Detail, orderWords(&d.try.Order))...)
	c := &document.Chart{Level: document.First, Zero: "the stop begins"}
	for i, m := range d.try.Moments {
		if i == eventsShown {
			break
		}
		who, _, _ := strings.Cut(m.What, ": ")
		ofGroup := d.try.Group(who) != nil
		c.Events = append(c.Events, document.Event{Level: levelIf(!ofGroup), At: m.TS, What: m.What})
	}
	d.slices(c)
	s.Blocks = append(s.Blocks, c)
	if n := len(d.try.Moments) - eventsShown; n > 0 {
		s.Blocks = append(s.Blocks, note(document.Detail, number(n, "more event is", "more events are")+" in the record")...)
	}
	if d.try.WatchedS > 0 {
		words := "clients were watched for " + quantity.Seconds(d.try.WatchedS)
		if sl := d.try.Slices; len(sl) > 0 && sl[len(sl)-1].TS > d.try.WatchedS+awaited {
			words += "; what comes later is of requests and connects that were under way then"
		}
		s.Blocks = append(s.Blocks, note(document.Detail, words)...)
	}
	return s
}

// awaited is how much longer than the watch the timeline is, in seconds, where that is explained.
const awaited = 0.5

// orderWords says how well times are known.
func orderWords(o *record.DrainOrder) string {
	switch o.Source {
	case "packets":
		return "begins and ends of connections by the kernel's timestamps of SYN, FIN and RST packets; replies, and ends of processes, as this program saw them"
	case "clients":
		return join(": ", "all as the load's loops saw it, within their measured lag, as there are no packet timestamps", o.Reason)
	}
	return join(": ", "their uncertainty was not recorded", o.Reason)
}

// slices adds a series for each count of the tenths of a second.
func (d *drainView) slices(c *document.Chart) {
	sl := d.try.Slices
	if len(sl) == 0 {
		return
	}
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
