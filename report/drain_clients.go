package report

import (
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// unknown is s with a lead that says why a part of the try is not known, or nil without a reason.
func (d *drainView) unknown(s *section, key string) *section {
	why, unknown := d.try.WhyUnknown(key)
	if !unknown {
		return nil
	}
	s.Lead = "not known: " + why
	return s
}

// time adds a row for a time: with note, with none if it did not happen, or with the reason why it is unknown.
func (t *table) time(d *drainView, name, key string, s *float64, note, none string) {
	why, unknown := d.try.WhyUnknown(key)
	switch {
	case s != nil:
		t.row(name, document.Since(*s), txt(note))
	case unknown:
		t.row(name, document.Absent("unknown: "+why))
	default:
		t.row(name, document.Absent(none))
	}
}

// counts adds a row for each count.
func (t *table) counts(rows ...counted) {
	for _, r := range rows {
		if r.n > 0 || !r.ifAny {
			t.row(r.name, count(r.n), txt(r.note))
		}
	}
}

// counted is a count with a note, left out if it is 0 and ifAny is set.
type counted struct {
	name  string
	n     int64
	note  string
	ifAny bool
}

// listener is what happened to new connections.
func (d *drainView) listener() *section {
	l := &d.try.Listener
	s := begin(document.Detail, "LISTENER", "connects after the stop began")
	t := s.table(document.Detail, "", "", "~")
	t.time(d, "last accept", "listener.last_accept_s", l.LastAcceptS, "the last handshake before the refusals", lastAccept(l))
	t.time(d, "first refusal", "listener.first_refusal_s", l.FirstRefusalS, "the first connect refused", "no connect was refused")
	if l.FirstRefusalS != nil || l.AcceptsAgainS != nil {
		t.time(d, "accepts again", "listener.accepts_again_s", l.AcceptsAgainS, "the first handshake after the refusals", "nothing accepted to the end of the watch")
		window := "from the first refusal until something accepted again"
		if l.AcceptsAgainS == nil {
			window = "at least: from the first refusal to the end of the watch, when nothing had accepted again"
		}
		t.row("refused window", seconds(l.RefusedWindowS), txt(window))
	}
	if why, unknown := d.try.WhyUnknown("listener.refused"); unknown && l.Attempts == 0 {
		t.row("connects", document.Absent("unknown: "+why))
	} else {
		t.counts(
			counted{"connects", l.Attempts, "", false},
			counted{"  refused", l.Refused, "", false},
			counted{"  timed out", l.TimedOut, "the SYNs were dropped, or no host answered", true},
			counted{"  no answer yet", l.Pending, "when the load ended", true},
			counted{"  unreachable", l.Unreachable, "an ICMP error, or no route to the address", true},
			counted{"  failed here", l.Failed, "no port, descriptor or memory here: not counted as failed", true},
			counted{"  not served", l.Unserved, "accepted by the kernel; their requests were neither answered nor cut", true},
			counted{"  not known", l.Undecided, "accepted by the kernel; no reply yet when the load ended", true})
		if l.SlowestConnectS > 0 {
			n := l.Unanswered()
			t.row("  slowest", seconds(l.SlowestConnectS), txt("of those that succeeded"+given(n > 0, ", "+number(n, "other", "others")+" had no answer")+
				given(l.SlowestConnectS > 0.9, "; a dropped SYN comes again after about 1 s")))
		}
	}
	s.note(d.whenRefusalsShow())
	return s
}

// lastAccept explains why there is no last accept.
func lastAccept(l *record.DrainListener) string {
	switch {
	case l.FirstRefusalS != nil:
	case l.Attempts == 0:
		return "nobody connected"
	case l.UnservedFromS != nil:
		return "handshakes by the kernel; from " + quantity.Since(*l.UnservedFromS) + " on no process was seen accepting"
	case l.Undecided > 0 && l.Unserved+l.Undecided == l.Opened:
		return "handshakes by the kernel; whether a process accepted is not known, as no reply had come yet"
	case l.Attempts == l.Unanswered()+l.Failed:
		return "no connect was answered"
	default:
		return "it never stopped accepting, as far as was seen"
	}
	return "no handshake was completed between the stop and the first refusal"
}

// whenRefusalsShow says how precisely refusals can be timed.
func (d *drainView) whenRefusalsShow() string {
	var rate float64
	for i := range d.run.Plan.Groups {
		rate += d.run.Plan.Groups[i].RateFrom
	}
	const seen = "refusals are seen only when somebody connects: "
	if rate <= 0 {
		return seen + "without arrivals, when clients reconnect"
	}
	return seen + "at " + askedRate(rate) + " arrivals/s every " + quantity.Seconds(1/rate)
}

// queued shows the fates of the connections in the accept queue.
func (d *drainView) queued() *section {
	q, s := d.try.Queued, begin(document.First, "QUEUED", "")
	if q == nil {
		return d.unknown(s, "queued")
	}
	s.Lead = quantity.Count(q.Queued) + " in the accept queue when the stop began: " + quantity.Count(q.Served) + " served, " + quantity.Count(q.Reset) + " reset"
	s.table(document.Detail, "", "", "~").counts(
		counted{"queued", q.Queued, "not yet accepted, by the kernel's count, including other groups'; " + quantity.Count(q.Asked) + " were asked for", false},
		counted{"  served", q.Served, "accepted and answered after all", false},
		counted{"  reset", q.Reset, "RST: their listener was closed", false},
		counted{"  ended by FIN", q.FIN, "accepted, but never answered", false},
		counted{"  timed out", q.TimedOut, "no reply in time", false},
		counted{"  still open", q.Never, "when the watch ended, unanswered", false},
		counted{"elsewhere", q.Elsewhere, "of those asked for, never in this queue: another listener of the port accepted them, or it was full", true})
	s.missing("queued connections", q.Queued-q.Served-q.Reset-q.FIN-q.TimedOut-q.Never)
	return s
}

// missing adds a doubt if the fates do not add up.
func (s *section) missing(what string, missing int64) {
	if missing != 0 {
		s.doubt(quantity.Count(missing) + " " + what + " have no fate, or one too many")
	}
}

// reconnect says where clients reconnected after they had lost their connection.
func (d *drainView) reconnect() *section {
	r, s := &d.try.Reconnect, begin(document.First, "RECONNECT", "")
	if r.Clients == 0 && len(r.Landed) == 0 {
		return d.unknown(s, "reconnect")
	}
	s.Lead = quantity.Count(r.Reconnected()) + " of " + number(r.Clients, "client", "clients") + " that lost a connection reconnected"
	t := s.table(document.Detail, "", "", "~")
	t.counts(counted{name: "tried to connect again", n: r.Clients})
	by := "processes that came after the stop began"
	if d.drain.Stop.Handover {
		by = "the server that took over"
	}
	words := map[string]string{
		"new": by, "old": "processes that were there when the stop began", "other": "another process", "unknown": "in an accept queue, or not to be read",
	}
	for _, where := range ordered(r.Landed, []string{"new", "old", "other", "unknown"}) {
		t.counts(counted{name: "  landed: " + where, n: r.Landed[where], note: words[where]})
	}
	t.counts(counted{"  had none at the end", r.Failed, given(r.Failed > 0, "it never came"+given(r.FirstS != nil, ", or was lost again")), false})
	if r.FirstS != nil {
		t.row("first back", document.Since(*r.FirstS))
	}
	if r.LastS != nil {
		s.Lead += ", the last " + quantity.Since(*r.LastS)
		t.row("last back", document.Since(*r.LastS), txt(given(r.Failed > 0, "of those that came back")))
	}
	return s
}

// restart describes the server that replaces the old one.
func (d *drainView) restart() *section {
	r, s := d.try.Restart, begin(document.First, "RESTART", "")
	switch {
	case r == nil:
		return d.unknown(s, "restart")
	case r.Failed != "":
		s.Lead, s.Tone = "failed: "+r.Failed, document.Bad
	case r.ListensS != nil:
		s.Lead = "the new server listened at " + quantity.Since(*r.ListensS)
	default:
		s.Lead = "the new server was not seen listening"
	}
	t := s.table(document.Detail, "", "", "~")
	t.time(d, "started", "restart.started_s", r.StartedS, given(r.StartedS != nil && *r.StartedS < 0, "before the stop, so that both shared the port"), "it was not started")
	t.time(d, "listens", "restart.listens_s", r.ListensS, "on the target", "not on the target when "+d.lastLook())
	if r.Failed != "" {
		t.row("failed", txt("yes"), txt(r.Failed))
	}
	return s
}
