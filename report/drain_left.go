package report

import (
	"slices"

	"lastack/bench/quantity"
	"lastack/bench/record"
	"lastack/report/document"
)

// leftBehind counts the sockets that outlived the server, and says whether its port could be taken at once.
func (d *drainView) leftBehind() *document.Section {
	l, p := &d.try.Leftover, &d.try.Port
	s := &document.Section{ID: "left_behind", Title: "LEFT BEHIND", Level: document.First}
	why, unknown := d.try.WhyUnknown("leftover")
	switch {
	case unknown:
	case d.try.Server.Stayed, len(d.try.Server.StillListening) > 0:
		why = "the server did not stop"
	default:
		why = "it was not looked at"
	}
	if !l.Known && *p == (record.DrainPort{}) {
		s.Lead = "not known: " + why
		return s
	}
	t := table(document.Detail, "", "", "~")
	if l.Known {
		t.Rows = append(t.Rows, row(document.Detail, "FIN_WAIT_2", count(l.FinWait2), txt("orphans: closed by the server, their clients have not closed yet")))
		words := "the server closed first, so that its port remembers the connection for 60 s or a few more"
		if l.LongestLeftS > 0 {
			words = "the server closed first; the last of them is gone after " + quantity.Seconds(l.LongestLeftS) + roundedUp(d.run, l.LongestLeftS)
		}
		t.Rows = append(t.Rows, row(document.Detail, "TIME_WAIT", count(l.TimeWait), txt(words)))
		s.Lead = quantity.Count(int64(l.TimeWait)) + " TIME_WAIT, " + quantity.Count(int64(l.FinWait2)) + " FIN_WAIT_2"
		for _, state := range stateKeys(l.States) {
			if n := l.States[state]; n > 0 && state != "FIN_WAIT_2" && state != "TIME_WAIT" {
				t.Rows = append(t.Rows, row(document.Detail, state, count(n), txt(leftWords(state))))
				s.Lead += ", " + quantity.Count(int64(n)) + " " + state
			}
		}
	} else {
		t.Rows = append(t.Rows, row(document.Detail, "sockets", document.Absent("unknown: "+why)))
		s.Lead = "sockets unknown"
	}
	bind := func(name, short, path, got, without string) {
		switch got {
		case "":
			why, unknown := d.try.WhyUnknown(path)
			if !unknown {
				why = "it was not tried"
			}
			t.Rows = append(t.Rows, row(document.Detail, name, document.Absent("unknown: "+why)))
		case record.DrainBound:
			t.Rows = append(t.Rows, row(document.Detail, name, txt(got), txt("a server that starts now gets the port"+without)))
			s.Lead += "; " + short + " ok"
		default:
			t.Rows = append(t.Rows, row(document.Detail, name, txt(got), txt("a server that starts now does not get the port"+without)))
			s.Lead += "; " + short + " " + got
		}
	}
	bind("bind, plain", "bind", "port.plain", p.Plain, " without SO_REUSEADDR")
	bind("bind, SO_REUSEADDR", "with SO_REUSEADDR", "port.reuse", p.Reuse, "")
	s.Blocks = append(s.Blocks, t)
	if n := l.Earlier; l.Known && n > 0 {
		s.Blocks = append(s.Blocks, note(document.Detail, quantity.Count(int64(n))+" more "+quantity.Plural(n, "TIME_WAIT is of a connection", "TIME_WAITs are of connections")+" that had ended before the stop")...)
	}
	return s
}

// leftWords says what a socket at the server's end means that no process has any more.
func leftWords(state string) string {
	switch state {
	case "FIN_WAIT_1":
		return "closed by the server, its FIN or data before it not acknowledged yet"
	case "CLOSING":
		return "closed by both at once, the server's FIN not acknowledged yet"
	case "LAST_ACK":
		return "closed by the client first, then by the server, whose FIN is not acknowledged yet"
	case "CLOSE_WAIT":
		return "closed by the client, not by the server"
	case "ESTABLISHED":
		return "closed by nobody"
	case "SYN_RECV":
		return "handshakes that are not completed"
	}
	return ""
}

// latencies are of the whole load, in all tries. How long a drain's connections live and close says nothing: it is
// the drain that ends them.
func (d *drainView) latencies() *document.Section {
	some := make(map[string]record.Latency)
	for name, l := range d.run.Latency {
		if l.Count > 0 && slices.Contains([]string{"lag", "connect", "exchange"}, name) {
			some[name] = l
		}
	}
	if len(some) == 0 {
		return nil
	}
	s := &document.Section{ID: "latency", Title: "LATENCY", Lead: "of the whole load, before the stop too"}
	if d.several() {
		s.Lead += ", in all tries"
	}
	t, distributions := latencyTable(document.Detail, &record.Result{Latency: some})
	s.Blocks = append(append(s.Blocks, t), distributions...)
	return s
}
