package report

import (
	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// timeRow is a row for a time: with note, or with none if it did not happen, or with why it is unknown.
func (d *drainView) timeRow(name, path string, s *float64, note, none string) document.Row {
	if s != nil {
		return row(document.Detail, name, document.Since(*s), txt(note))
	}
	if why, unknown := d.try.WhyUnknown(path); unknown {
		return row(document.Detail, name, document.Absent("unknown: "+why))
	}
	return row(document.Detail, name, document.Absent(none))
}

// counted is a row of a count with a note.
func counted(name string, n int64, note string) document.Row {
	return row(document.Detail, name, count(n), txt(note))
}

// listener is what happened to new connections.
func (d *drainView) listener() *document.Section {
	l := &d.try.Listener
	s := &document.Section{ID: "listener", Title: "LISTENER", Lead: "connects after the stop began"}
	t := table(document.Detail, "", "", "~")
	t.Rows = append(t.Rows,
		d.timeRow("last accept", "listener.last_accept_s", l.LastAcceptS, "the last handshake before the refusals", lastAccept(l)),
		d.timeRow("first refusal", "listener.first_refusal_s", l.FirstRefusalS, "the first connect refused", "no connect was refused"))
	if l.FirstRefusalS != nil || l.AcceptsAgainS != nil {
		t.Rows = append(t.Rows, d.timeRow("accepts again", "listener.accepts_again_s", l.AcceptsAgainS, "the first handshake after the refusals", "nothing accepted to the end of the watch"))
		window := "from the first refusal until something accepted again"
		if l.AcceptsAgainS == nil {
			window = "at least: from the first refusal to the end of the watch, when nothing had accepted again"
		}
		t.Rows = append(t.Rows, row(document.Detail, "refused window", seconds(l.RefusedWindowS), txt(window)))
	}
	if why, unknown := d.try.WhyUnknown("listener.refused"); unknown && l.Attempts == 0 {
		t.Rows = append(t.Rows, row(document.Detail, "connects", document.Absent("unknown: "+why)))
	} else {
		t.Rows = append(t.Rows, counted("connects", l.Attempts, ""), counted("  refused", l.Refused, ""))
		for _, r := range []struct {
			name string
			n    int64
			note string
		}{
			{"  timed out", l.TimedOut, "the SYNs were dropped, or no host answered"},
			{"  no answer yet", l.Pending, "when the load ended"},
			{"  unreachable", l.Unreachable, "an ICMP error, or no route to the address"},
			{"  failed here", l.Failed, "no port, descriptor or memory here: not counted as failed"},
			{"  not served", l.Unserved, "accepted by the kernel; their requests were neither answered nor cut"},
			{"  not known", l.Undecided, "accepted by the kernel; no reply yet when the load ended"},
		} {
			if r.n > 0 {
				t.Rows = append(t.Rows, counted(r.name, r.n, r.note))
			}
		}
		if l.SlowestConnectS > 0 {
			note := "of those that succeeded"
			if n := l.Unanswered(); n > 0 {
				note += ", " + number(n, "other", "others") + " had no answer"
			}
			if l.SlowestConnectS > 0.9 {
				note += "; a dropped SYN comes again after about 1 s"
			}
			t.Rows = append(t.Rows, row(document.Detail, "  slowest", seconds(l.SlowestConnectS), txt(note)))
		}
	}
	s.Blocks = append(append(s.Blocks, t), note(document.Detail, d.whenRefusalsShow())...)
	return s
}

// lastAccept says why there is no last accept.
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
	const seen = "a refusal is seen only when somebody connects: "
	if rate <= 0 {
		return seen + "without arrivals, when clients that lost their connection connect again"
	}
	return seen + "with arrivals at " + askedRate(rate) + "/s every " + quantity.Seconds(1/rate)
}

// queued shows the fates of the connections in the accept queue.
func (d *drainView) queued() *document.Section {
	q := d.try.Queued
	s := &document.Section{ID: "queued", Title: "QUEUED", Level: document.First}
	if q == nil {
		why, unknown := d.try.WhyUnknown("queued")
		if !unknown {
			return nil
		}
		s.Lead = "not known: " + why
		return s
	}
	s.Lead = quantity.Count(q.Queued) + " in the accept queue when the stop began: " + quantity.Count(q.Served) + " served, " + quantity.Count(q.Reset) + " reset"
	t := table(document.Detail, "", "", "~")
	t.Rows = append(t.Rows,
		counted("queued", q.Queued, "not yet accepted, by the kernel's count, including other groups'; "+quantity.Count(q.Asked)+" were asked for"),
		counted("  served", q.Served, "accepted and answered after all"),
		counted("  reset", q.Reset, "RST: their listener was closed"),
		counted("  ended by FIN", q.FIN, "accepted, but never answered"),
		counted("  timed out", q.TimedOut, "no reply in time"),
		counted("  still open", q.Never, "when the watch ended, unanswered"))
	if q.Elsewhere > 0 {
		t.Rows = append(t.Rows, counted("elsewhere", q.Elsewhere, "of those asked for, never in this queue: another listener of the port accepted them, or it was full"))
	}
	s.Blocks = append(s.Blocks, t)
	if n := q.Queued - q.Served - q.Reset - q.FIN - q.TimedOut - q.Never; n != 0 {
		s.Blocks = append(s.Blocks, doubt(quantity.Count(n)+" queued connections have no fate, or one too many"))
	}
	return s
}

// reconnect says where clients reconnected that had lost their connection.
func (d *drainView) reconnect() *document.Section {
	r := &d.try.Reconnect
	s := &document.Section{ID: "reconnect", Title: "RECONNECT", Level: document.First}
	if r.Clients == 0 && len(r.Landed) == 0 {
		why, unknown := d.try.WhyUnknown("reconnect")
		if !unknown {
			return nil
		}
		s.Lead = "not known: " + why
		return s
	}
	s.Lead = quantity.Count(r.Reconnected()) + " of " + number(r.Clients, "client", "clients") + " that lost a connection reconnected"
	if r.LastS != nil {
		s.Lead += ", the last " + quantity.Since(*r.LastS)
	}
	t := table(document.Detail, "", "", "~")
	t.Rows = append(t.Rows, counted("tried to connect again", r.Clients, ""))
	for _, where := range ordered(r.Landed, []string{"new", "old", "other", "unknown"}) {
		words := map[string]string{
			"new": "processes that came after the stop began", "old": "processes that were there when the stop began", "other": "another process",
			"unknown": "in an accept queue, or not to be read",
		}[where]
		if where == "new" && d.drain.Stop.Handover {
			words = "the server that took over"
		}
		t.Rows = append(t.Rows, counted("  landed: "+where, r.Landed[where], words))
	}
	failed, last := "", ""
	if r.Failed > 0 {
		failed, last = "it never came, or was lost again", "of those that came back"
		if r.FirstS == nil {
			failed = "it never came"
		}
	}
	t.Rows = append(t.Rows, counted("  had none at the end", r.Failed, failed))
	if r.FirstS != nil {
		t.Rows = append(t.Rows, row(document.Detail, "first back", document.Since(*r.FirstS)))
	}
	if r.LastS != nil {
		t.Rows = append(t.Rows, row(document.Detail, "last back", document.Since(*r.LastS), txt(last)))
	}
	s.Blocks = append(s.Blocks, t)
	return s
}

// restart describes the server that replaces the old one.
func (d *drainView) restart() *document.Section {
	r := d.try.Restart
	s := &document.Section{ID: "restart", Title: "RESTART", Level: document.First}
	if r == nil {
		why, unknown := d.try.WhyUnknown("restart")
		if !unknown {
			return nil
		}
		s.Lead = "not known: " + why
		return s
	}
	switch {
	case r.Failed != "":
		s.Lead, s.Tone = "failed: "+r.Failed, document.Bad
	case r.ListensS != nil:
		s.Lead = "the new server listened at " + quantity.Since(*r.ListensS)
	default:
		s.Lead = "the new server was not seen listening"
	}
	started := ""
	if r.StartedS != nil && *r.StartedS < 0 {
		started = "before the stop, so that both shared the port"
	}
	t := table(document.Detail, "", "", "~")
	t.Rows = append(t.Rows, d.timeRow("started", "restart.started_s", r.StartedS, started, "it was not started"),
		d.timeRow("listens", "restart.listens_s", r.ListensS, "on the target", "not on the target when "+d.lastLook()))
	if r.Failed != "" {
		t.Rows = append(t.Rows, row(document.Detail, "failed", txt("yes"), txt(r.Failed)))
	}
	s.Blocks = append(s.Blocks, t)
	return s
}
