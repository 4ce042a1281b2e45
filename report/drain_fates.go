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

// groups lists the columns: each group, and all together where there is more than one.
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

// fates adds rows of the groups.
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

// connectionRows say how each connection ended that was open when the stop began, or opened after it.
func (d *drainView) connectionRows() []fateRow {
	conns := func(f func(*record.DrainConnections) int64) func(*record.DrainGroup) int64 {
		return func(g *record.DrainGroup) int64 { return f(&g.Connections) }
	}
	left := always
	if d.try.Connections.Left() > 0 {
		left = first
	}
	return []fateRow{
		{"open when the stop began", func(g *record.DrainGroup) int64 { return g.OpenAtStop }, firstAlways},
		{"opened after it", func(g *record.DrainGroup) int64 { return max(0, g.Connections.Opened-g.OpenAtStop) }, always},
		{"ended by the server", conns(func(c *record.DrainConnections) int64 { return c.FIN + c.RST + c.Cut }), always},
		{"  by FIN, no whole request pending", conns(func(c *record.DrainConnections) int64 { return c.FIN }), first},
		{"  by RST, no whole request pending", conns(func(c *record.DrainConnections) int64 { return c.RST }), first},
		{"  in a request", conns(func(c *record.DrainConnections) int64 { return c.Cut }), first},
		{"closed by the client, answered", conns(func(c *record.DrainConnections) int64 { return c.Done }), ifAny},
		{"open when the watch ended", conns(func(c *record.DrainConnections) int64 { return c.Never }), left},
		{"  opened after the stop began", conns(func(c *record.DrainConnections) int64 { return c.Kept }), ifAny},
		{"ended otherwise (timeout, error)", conns(func(c *record.DrainConnections) int64 { return c.Other }), ifAny},
		{"connects refused", func(g *record.DrainGroup) int64 { return g.Refused }, firstIfAny},
		{"connects without an answer", func(g *record.DrainGroup) int64 { return g.ConnectsUnanswered }, firstIfAny},
	}
}

// requestRows say what became of each request that was under way when the stop began, or sent after it.
func requestRows() []fateRow {
	reqs := func(f func(*record.DrainRequests) int64) func(*record.DrainGroup) int64 {
		return func(g *record.DrainGroup) int64 { return f(&g.Requests) }
	}
	return []fateRow{
		{"sent", reqs(func(r *record.DrainRequests) int64 { return r.Sent }), firstAlways},
		{"  in progress when the stop began", reqs(func(r *record.DrainRequests) int64 { return r.UnderWay }), always},
		{"answered", reqs(func(r *record.DrainRequests) int64 { return r.Completed }), firstAlways},
		{"answered with Connection: close", reqs(func(r *record.DrainRequests) int64 { return r.CompletedClose }), first},
		{"answered with a 5xx", reqs(func(r *record.DrainRequests) int64 { return r.Answered5xx }), first},
		{"of all replies, 4xx", reqs(func(r *record.DrainRequests) int64 { return r.HTTP["4xx"] }), ifAny},
		{"of all replies, 3xx", reqs(func(r *record.DrainRequests) int64 { return r.HTTP["3xx"] }), ifAny},
		{"LOST", reqs((*record.DrainRequests).Lost), firstAlways},
		{"  cut by FIN", reqs(func(r *record.DrainRequests) int64 { return r.CutFIN }), first},
		{"  cut by RST", reqs(func(r *record.DrainRequests) int64 { return r.CutRST }), first},
		{"  no reply in time", reqs(func(r *record.DrainRequests) int64 { return r.TimedOut }), first},
		{"  the reply was not valid", reqs(func(r *record.DrainRequests) int64 { return r.Other }), firstIfAny},
		{"    its status was not valid", reqs(func(r *record.DrainRequests) int64 { return r.HTTP["invalid"] }), ifAny},
		{"  of these, safe to retry", reqs(func(r *record.DrainRequests) int64 { return r.Safe }), ifAny},
		{"  of these, unsafe to retry", reqs(func(r *record.DrainRequests) int64 { return r.Unsafe }), firstIfAny},
		{"  of these, arrived after close", reqs(func(r *record.DrainRequests) int64 { return r.Raced }), ifAny},
		{"  of these, not received whole", reqs(func(r *record.DrainRequests) int64 { return r.Unreceived }), ifAny},
		{"sent in part only, on purpose", reqs(func(r *record.DrainRequests) int64 { return r.Partial }), ifAny},
		{"no reply when the load ended", reqs(func(r *record.DrainRequests) int64 { return r.Open }), firstIfAny},
	}
}

// lastGone says when none was left of the connections that were open when the stop began.
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

// explain explains the terms about lost requests, if there are any.
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
