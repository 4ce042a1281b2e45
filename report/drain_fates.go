package report

import (
	"slices"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// fateRow is a row of a table whose columns are the groups of clients.
type fateRow struct {
	name string
	of   func(*record.DrainGroup) int64
	show fateShown
}

// fateShown says where a fate is shown: in the whole report, or on the first page too.
type fateShown uint8

const (
	ifAny       fateShown = iota // in the whole report, if it is not 0 for all
	always                       // in the whole report
	first                        // there always; on the first page if it is not 0 for all
	firstIfAny                   // both if it is not 0 for all, and then it is bad news
	firstAlways                  // both
)

// groups lists the columns: each group, and all together if there are several.
func (d *drainView) groups() []record.DrainGroup {
	if len(d.try.Groups) == 1 {
		return d.try.Groups
	}
	all := record.DrainGroup{
		Name: "all", Connections: d.try.Connections, Requests: d.try.Requests, Refused: d.try.Listener.Refused, ConnectsUnanswered: d.try.Listener.Unanswered(),
	}
	for _, g := range d.try.Groups {
		all.OpenAtStop += g.OpenAtStop
		if at := g.FirstEndS; at != nil && (all.FirstEndS == nil || *at < *all.FirstEndS) {
			all.FirstEndS = at
		}
		if at := g.LastEndS; at != nil && (all.LastEndS == nil || *at > *all.LastEndS) {
			all.LastEndS = at
		}
	}
	// A drain has five. If there are more, only the first fit the page.
	return append(slices.Clone(d.try.Groups[:min(len(d.try.Groups), 8)]), all)
}

// fates shows the fate of each request and each connection from the stop on.
func (d *drainView) fates() *section {
	s := begin(document.First, "FATES", "how each request and each connection ended, from the stop on")
	groups := d.groups()
	t := s.table(document.First, "requests")
	for i := range groups {
		t.Columns = append(t.Columns, document.Column{Name: groups[i].Name, Level: document.First})
	}
	t.fates(groups, requestRows())
	t.row("connections").Level = document.First
	t.fates(groups, d.connectionRows())
	ended := func(name string, at func(*record.DrainGroup) *float64) {
		if !slices.ContainsFunc(groups, func(g record.DrainGroup) bool { return at(&g) != nil }) {
			return
		}
		r := t.row(name)
		for i := range groups {
			if s := at(&groups[i]); s != nil {
				r.Cells = append(r.Cells, document.Since(*s))
			} else {
				r.Cells = append(r.Cells, document.Absent("the server ended none"))
			}
		}
	}
	ended("  first ended by the server", func(g *record.DrainGroup) *float64 { return g.FirstEndS })
	ended("  last ended by the server", func(g *record.DrainGroup) *float64 { return g.LastEndS })
	s.missing("connections", d.try.Connections.Opened-d.try.Connections.Sum())
	s.missing("requests", d.try.Requests.Sent-d.try.Requests.Sum())
	s.note(d.lastGone())
	s.note(requestTimes(&d.try.Requests))
	d.explain(s)
	return s
}

// fates adds rows for fates of the groups.
func (t *table) fates(groups []record.DrainGroup, rows []fateRow) {
	for _, f := range rows {
		some := slices.ContainsFunc(groups, func(g record.DrainGroup) bool { return f.of(&g) != 0 })
		if !some && (f.show == ifAny || f.show == firstIfAny) {
			continue
		}
		r := t.row("  " + f.name)
		for i := range groups {
			r.Cells = append(r.Cells, count(f.of(&groups[i])))
		}
		r.Level = levelIf(f.show == firstAlways || some && f.show >= first)
		if r.Main = f.show >= firstIfAny; f.show == firstIfAny {
			r.Tone = document.Bad
		}
	}
}

// connectionRows count how the connections ended that were open when the stop began, or opened after it.
func (d *drainView) connectionRows() []fateRow {
	left := always
	if d.try.Connections.Left() > 0 {
		left = first
	}
	return []fateRow{
		{"open when the stop began", func(g *record.DrainGroup) int64 { return g.OpenAtStop }, firstAlways},
		{"opened after it", func(g *record.DrainGroup) int64 { return max(0, g.Connections.Opened-g.OpenAtStop) }, always},
		{"ended by the server", func(g *record.DrainGroup) int64 { return g.Connections.FIN + g.Connections.RST + g.Connections.Cut }, always},
		{"  by FIN, no whole request pending", func(g *record.DrainGroup) int64 { return g.Connections.FIN }, first},
		{"  by RST, no whole request pending", func(g *record.DrainGroup) int64 { return g.Connections.RST }, first},
		{"  in a request", func(g *record.DrainGroup) int64 { return g.Connections.Cut }, first},
		{"closed by the client, answered", func(g *record.DrainGroup) int64 { return g.Connections.Done }, ifAny},
		{"open when the watch ended", func(g *record.DrainGroup) int64 { return g.Connections.Never }, left},
		{"  opened after the stop began", func(g *record.DrainGroup) int64 { return g.Connections.Kept }, ifAny},
		{"ended otherwise (timeout, error)", func(g *record.DrainGroup) int64 { return g.Connections.Other }, ifAny},
		{"connects refused", func(g *record.DrainGroup) int64 { return g.Refused }, firstIfAny},
		{"connects without an answer", func(g *record.DrainGroup) int64 { return g.ConnectsUnanswered }, firstIfAny},
	}
}

// requestRows count what became of the requests that were in progress when the stop began, or sent after it.
func requestRows() []fateRow {
	return []fateRow{
		{"sent", func(g *record.DrainGroup) int64 { return g.Requests.Sent }, firstAlways},
		{"  in progress when the stop began", func(g *record.DrainGroup) int64 { return g.Requests.UnderWay }, always},
		{"answered", func(g *record.DrainGroup) int64 { return g.Requests.Answered() }, firstAlways},
		{"  and kept open", func(g *record.DrainGroup) int64 { return g.Requests.Completed }, always},
		{"  with Connection: close", func(g *record.DrainGroup) int64 { return g.Requests.CompletedClose }, first},
		{"  with a 5xx", func(g *record.DrainGroup) int64 { return g.Requests.Answered5xx }, firstIfAny},
		{"  of these, 4xx", func(g *record.DrainGroup) int64 { return g.Requests.HTTP["4xx"] }, ifAny},
		{"  of these, 3xx", func(g *record.DrainGroup) int64 { return g.Requests.HTTP["3xx"] }, ifAny},
		{"LOST", func(g *record.DrainGroup) int64 { return g.Requests.Lost() }, firstAlways},
		{"  cut by FIN", func(g *record.DrainGroup) int64 { return g.Requests.CutFIN }, first},
		{"  cut by RST", func(g *record.DrainGroup) int64 { return g.Requests.CutRST }, first},
		{"  no reply in time", func(g *record.DrainGroup) int64 { return g.Requests.TimedOut }, first},
		{"  the reply was not valid", func(g *record.DrainGroup) int64 { return g.Requests.Other }, firstIfAny},
		{"    its status was not valid", func(g *record.DrainGroup) int64 { return g.Requests.HTTP["invalid"] }, ifAny},
		{"  of these, safe to retry", func(g *record.DrainGroup) int64 { return g.Requests.Safe }, ifAny},
		{"  of these, unsafe to retry", func(g *record.DrainGroup) int64 { return g.Requests.Unsafe }, firstIfAny},
		{"  of these, arrived after close", func(g *record.DrainGroup) int64 { return g.Requests.Raced }, ifAny},
		{"  of these, not received whole", func(g *record.DrainGroup) int64 { return g.Requests.Unreceived }, ifAny},
		{"sent in part only, on purpose", func(g *record.DrainGroup) int64 { return g.Requests.Partial }, ifAny},
		{"no reply when the load ended", func(g *record.DrainGroup) int64 { return g.Requests.Open }, firstIfAny},
	}
}

// lastGone says when the last connection was gone of those open when the stop began.
func (d *drainView) lastGone() string {
	const gone = "the last connection that was open when the stop began was gone: "
	open := int64(0)
	for i := range d.try.Groups {
		open += d.try.Groups[i].OpenAtStop
	}
	left := d.try.Connections.Left()
	why, unknown := d.try.WhyUnknown("last_gone_s")
	switch {
	case d.try.LastGoneS != nil:
		return gone + quantity.Since(*d.try.LastGoneS)
	case open == 0 && len(d.try.Groups) > 0:
		return ""
	case left > 0:
		return gone + "not while clients were watched: " + quantity.Count(left) + quantity.Plural(left, " was", " were") + " open still"
	case unknown:
		return gone + "unknown: " + why
	}
	return gone + "not while clients were watched"
}

// requestTimes says how long replies took, and how long there were none.
func requestTimes(r *record.DrainRequests) string {
	var slowest, gap string
	if r.SlowestS != nil {
		n := r.TimedOut + r.Open
		slowest = "the slowest reply took " + quantity.Seconds(max(0, *r.SlowestS)) + given(n > 0, ", and "+number(n, "request", "requests")+" had none")
	}
	if r.GapS != nil {
		gap = "longest time without any reply " + quantity.Seconds(max(0, *r.GapS))
		if r.GapOpen {
			gap = "no reply for the last " + quantity.Seconds(max(0, *r.GapS)) + " of the watch"
		}
	}
	return join(";  ", given(r.Total > 0, number(r.Total, "request", "requests")+" in the whole load"), slowest, gap)
}

// explain explains terms about lost requests, if some were lost.
func (d *drainView) explain(s *section) {
	var lost, after, unreceived int64
	for i := range d.drain.Tries {
		r := &d.drain.Tries[i].Requests
		lost, after, unreceived = max(lost, r.Lost()), max(after, r.Raced), max(unreceived, r.Unreceived)
	}
	s.note(given(lost > 0, "safe to retry: the server's process has certainly not read it whole. Unsafe: it may have, "+
		"so a client that sends it again may pay twice"))
	s.note(given(unreceived > 0, "not received whole: the server's kernel said so when it reset the connection, or the client had not sent all of it yet"))
	s.note(given(after > 0, "arrived after close: the server had closed the connection before the request arrived"))
}
