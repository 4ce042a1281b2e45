package report

import (
	"strings"

	"lastack/bench/quantity"
	"lastack/bench/record"
)

// fateRow is one line of a table whose columns are the groups of clients.
type fateRow struct {
	name string
	of   func(*record.DrainGroup) int64
	// always shows the row even if it is 0 for all.
	always bool
}

// groups lists the columns: each group, and all together where there is more than one.
func (d *drainText) groups() []record.DrainGroup {
	all := record.DrainGroup{Name: "all", Connections: d.try.Connections, Requests: d.try.Requests, Refused: d.try.Listener.Refused}
	all.ConnectsUnanswered = d.try.Listener.Unanswered()
	for _, g := range d.try.Groups {
		all.OpenAtStop += g.OpenAtStop
		if at := g.FirstEndS; at != nil && (all.FirstEndS == nil || *at < *all.FirstEndS) {
			all.FirstEndS = at
		}
		if at := g.LastEndS; at != nil && (all.LastEndS == nil || *at > *all.LastEndS) {
			all.LastEndS = at
		}
	}
	if len(d.try.Groups) == 1 {
		return d.try.Groups
	}
	// A drain has five. Of more, the first fit the page.
	return append(append([]record.DrainGroup{}, d.try.Groups[:min(len(d.try.Groups), 8)]...), all)
}

// fates writes rows by groups.
func (d *drainText) fates(rows []fateRow, more func(*table, []record.DrainGroup)) {
	groups := d.groups()
	tab := table{indent: "  ", first: 32, cell: 9}
	head := []string{""}
	for _, g := range groups {
		head = append(head, cut(clean(g.Name), 12))
	}
	tab.row(head...)
	for _, r := range rows {
		cells, some := []string{r.name}, r.always
		for i := range groups {
			n := r.of(&groups[i])
			some = some || n != 0
			cells = append(cells, quantity.Count(n))
		}
		if some {
			tab.row(cells...)
		}
	}
	if more != nil {
		more(&tab, groups)
	}
	tab.write(&d.page)
}

// connections says how each connection ended.
func (d *drainText) connections() {
	conns := func(f func(*record.DrainConnections) int64) func(*record.DrainGroup) int64 {
		return func(g *record.DrainGroup) int64 { return f(&g.Connections) }
	}
	d.section("CONNECTIONS", "each that was open when the stop began, or opened after it, and how it ended")
	d.fates([]fateRow{
		{"open when the stop began", func(g *record.DrainGroup) int64 { return g.OpenAtStop }, true},
		{"opened after it", func(g *record.DrainGroup) int64 { return max(0, g.Connections.Opened-g.OpenAtStop) }, true},
		{"ended by the server", conns(func(c *record.DrainConnections) int64 { return c.FIN + c.RST + c.Cut }), true},
		{"  FIN, no whole request pending", conns(func(c *record.DrainConnections) int64 { return c.FIN }), true},
		{"  RST, no whole request pending", conns(func(c *record.DrainConnections) int64 { return c.RST }), true},
		{"  in a request (see REQUESTS)", conns(func(c *record.DrainConnections) int64 { return c.Cut }), true},
		{"closed by the client, answered", conns(func(c *record.DrainConnections) int64 { return c.Done }), false},
		{"open when the watch ended", conns(func(c *record.DrainConnections) int64 { return c.Never }), true},
		{"  opened after the stop began", conns(func(c *record.DrainConnections) int64 { return c.Kept }), false},
		{"ended otherwise (timeout, error)", conns(func(c *record.DrainConnections) int64 { return c.Other }), false},
		{"connects refused", func(g *record.DrainGroup) int64 { return g.Refused }, false},
		{"connects without an answer", func(g *record.DrainGroup) int64 { return g.ConnectsUnanswered }, false},
	}, func(tab *table, groups []record.DrainGroup) {
		first, last, some := []string{"first ended by the server"}, []string{"last ended by the server"}, false
		show := func(s *float64) string {
			if s == nil {
				return "-"
			}
			some = true
			return since(*s)
		}
		for _, g := range groups {
			first, last = append(first, show(g.FirstEndS)), append(last, show(g.LastEndS))
		}
		if some {
			tab.row(first...)
			tab.row(last...)
		}
	})
	if n := d.try.Connections.Opened - d.try.Connections.Sum(); n != 0 {
		d.hang("  ! ", quantity.Count(n)+" connections have no fate, or one too many")
	}
	d.lastGone()
}

// lastGone says when none was left of the connections that were open when the stop began.
func (d *drainText) lastGone() {
	const gone = "the last connection that was open when the stop began was gone: "
	open := int64(0)
	for _, g := range d.try.Groups {
		open += g.OpenAtStop
	}
	left := d.try.Connections.Left()
	why, unknown := d.try.WhyUnknown("last_gone_s")
	switch {
	case d.try.LastGoneS != nil:
		d.hang("  ", gone+since(*d.try.LastGoneS))
	case open == 0 && len(d.try.Groups) > 0:
	case left > 0:
		d.hang("  ", gone+"not while clients were watched: "+quantity.Count(left)+quantity.Plural(left, " was", " were")+" open still")
	case unknown:
		d.hang("  ", gone+"unknown: "+why)
	default:
		d.hang("  ", gone+"not while clients were watched")
	}
}

// requests says what became of each request.
func (d *drainText) requests() {
	reqs := func(f func(*record.DrainRequests) int64) func(*record.DrainGroup) int64 {
		return func(g *record.DrainGroup) int64 { return f(&g.Requests) }
	}
	d.section("REQUESTS", "each that was under way when the stop began, or sent after it, and what came of it")
	d.fates([]fateRow{
		{"sent", reqs(func(r *record.DrainRequests) int64 { return r.Sent }), true},
		{"  under way when the stop began", reqs(func(r *record.DrainRequests) int64 { return r.UnderWay }), true},
		{"answered", reqs(func(r *record.DrainRequests) int64 { return r.Completed }), true},
		{"answered with Connection: close", reqs(func(r *record.DrainRequests) int64 { return r.CompletedClose }), true},
		{"answered with a 5xx", reqs(func(r *record.DrainRequests) int64 { return r.Answered5xx }), true},
		{"of all replies, 4xx", reqs(func(r *record.DrainRequests) int64 { return r.HTTP["4xx"] }), false},
		{"of all replies, 3xx", reqs(func(r *record.DrainRequests) int64 { return r.HTTP["3xx"] }), false},
		{"LOST", reqs((*record.DrainRequests).Lost), true},
		{"  cut by FIN", reqs(func(r *record.DrainRequests) int64 { return r.CutFIN }), true},
		{"  cut by RST", reqs(func(r *record.DrainRequests) int64 { return r.CutRST }), true},
		{"  no reply in time", reqs(func(r *record.DrainRequests) int64 { return r.TimedOut }), true},
		{"  what came was no reply", reqs(func(r *record.DrainRequests) int64 { return r.Other }), false},
		{"    its status was no code", reqs(func(r *record.DrainRequests) int64 { return r.HTTP["invalid"] }), false},
		{"  of these, safe to retry", reqs(func(r *record.DrainRequests) int64 { return r.Safe }), false},
		{"  of these, unsafe to retry", reqs(func(r *record.DrainRequests) int64 { return r.Unsafe }), false},
		{"  of these, raced the close", reqs(func(r *record.DrainRequests) int64 { return r.Raced }), false},
		{"  of these, not received whole", reqs(func(r *record.DrainRequests) int64 { return r.Unreceived }), false},
		{"sent in part only, on purpose", reqs(func(r *record.DrainRequests) int64 { return r.Partial }), false},
		{"no reply when the load ended", reqs(func(r *record.DrainRequests) int64 { return r.Open }), false},
	}, nil)
	r := &d.try.Requests
	if n := r.Sent - r.Sum(); n != 0 {
		d.hang("  ! ", quantity.Count(n)+" requests have no fate, or one too many")
	}
	var facts []string
	if r.Total > 0 {
		facts = append(facts, quantity.Count(r.Total)+" requests in the whole load")
	}
	if r.SlowestS != nil {
		s := "the slowest reply took " + quantity.Seconds(max(0, *r.SlowestS))
		if n := r.TimedOut + r.Open; n > 0 {
			s += ", and " + quantity.Count(n) + quantity.Plural(n, " request", " requests") + " had none"
		}
		facts = append(facts, s)
	}
	if r.GapS != nil {
		s := "longest time without any reply " + quantity.Seconds(max(0, *r.GapS))
		if r.GapOpen {
			s = "no reply for the last " + quantity.Seconds(max(0, *r.GapS)) + " of the watch"
		}
		facts = append(facts, s)
	}
	if len(facts) > 0 {
		d.hang("  ", strings.Join(facts, ";  "))
	}
	d.explain()
}

// explain says what the words about lost requests mean, where some were lost.
func (d *drainText) explain() {
	var lost, raced, unreceived int64
	for i := range d.drain.Tries {
		r := &d.drain.Tries[i].Requests
		lost, raced, unreceived = max(lost, r.Lost()), max(raced, r.Raced), max(unreceived, r.Unreceived)
	}
	if lost > 0 {
		d.hang("  ", "safe to retry: the server's process has certainly not read it whole. Unsafe: it may have, "+
			"so that a client which sends it again may have a payment made twice")
	}
	if unreceived > 0 {
		d.hang("  ", "not received whole: the server's kernel said so when it reset the connection, or the client had not sent all of it yet")
	}
	if raced > 0 {
		d.hang("  ", "raced the close: it came to the server's host when the connection was closed there already, which the client could not know yet")
	}
}
